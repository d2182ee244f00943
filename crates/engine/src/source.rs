//! Where a model's weights come from: a checkpoint, a packed file, or random numbers where only speed matters.

use crate::dtype::Dtype;
use crate::error::Error;
use crate::fallible::zeros;
use crate::formats::mapping::FileRange;
use crate::formats::packed_file::{PackedFile, WeightSink};
use crate::load_error::LoadError;
use crate::parallel::try_for_each_chunk;
use crate::runtime::Runtime;
use crate::table::Table;
use crate::weights::{Scope, Tensor};
use cke_kernels::gemm::PanelFormat;
use cke_kernels::scratch::{AlignedBuf, HugePages};
use cke_kernels::threads::{Parallel, Serial};
use cke_kernels::view::MatRef;
use std::fmt::Display;
use std::ops::Range;

/// Bytes of f32 that are converted at a time.
const SLAB_BYTES: usize = 4 << 20;

/// Elements that a thread converts at a time, about: enough that looking whether the file has changed does not matter.
const ELEMENTS_PER_TASK: usize = 1 << 14;

/// What goes along with loading.
#[derive(Clone, Copy)]
pub struct Loading<'a> {
    /// Called with the number of bytes that have just been read.
    loaded: &'a dyn Fn(u64),
    /// Where everything that is loaded is written down, in the form in which it will be used.
    sink: Option<&'a dyn WeightSink>,
}

impl<'a> Loading<'a> {
    /// Calls `loaded` with the number of bytes that have just been read.
    pub fn reporting(loaded: &'a dyn Fn(u64)) -> Loading<'a> {
        Loading { loaded, sink: None }
    }

    /// Writes everything that is loaded down, too.
    pub(crate) fn into_sink(self, sink: &'a dyn WeightSink) -> Loading<'a> {
        Loading { sink: Some(sink), ..self }
    }
}

/// A source of named weights, below some prefix.
#[derive(Clone)]
pub struct Source<'a> {
    weights: Weights<'a>,
    loading: Loading<'a>,
    /// What names begin with in a packed file; a checkpoint's may have more before it.
    prefix: String,
    /// Where what is made of the weights is kept.
    memory: HugePages,
}

#[derive(Clone)]
enum Weights<'a> {
    Stored(Scope<'a>),
    Packed(&'a PackedFile, &'a dyn Parallel),
    Random { seed: u64 },
}

impl<'a> Source<'a> {
    fn new(weights: Weights<'a>, loading: Loading<'a>) -> Source<'a> {
        Source { weights, loading, prefix: String::new(), memory: HugePages::new() }
    }

    /// Where what is made of the weights is kept.
    pub(crate) fn memory(&self) -> &HugePages {
        &self.memory
    }

    /// The tensors below a checkpoint's scope. The bytes that they have in their file are reported as they are read.
    pub fn stored(scope: Scope<'a>, loading: Loading<'a>) -> Source<'a> {
        Source::new(Weights::Stored(scope), loading)
    }

    /// The tensors below another scope of the same checkpoint.
    pub(crate) fn beside(&self, scope: Scope<'a>) -> Source<'a> {
        Source { memory: self.memory.clone(), ..Source::stored(scope, self.loading) }
    }

    /// The weights of a packed file. Bytes are reported as their checksums are found right.
    ///
    /// # Errors
    /// Fails if the file has not the runtime's format.
    pub(crate) fn packed(
        file: &'a PackedFile,
        runtime: &'a Runtime,
        loading: Loading<'a>,
    ) -> Result<Source<'a>, LoadError> {
        let (wanted, found) = (runtime.weight_format(), file.weight_format());
        if wanted != found {
            return Err(LoadError::PackedAs { file: file.path().to_owned(), wanted, found });
        }
        Ok(Source::new(Weights::Packed(file, runtime.pool()), loading))
    }

    /// Numbers evenly spread over ±0.05 under any name, the same for the same seed.
    pub fn random(seed: u64) -> Source<'static> {
        Source::random_reporting(seed, &|_| ())
    }

    /// As [`Source::random`]; calls `made` with the number of bytes that have just been made.
    pub(crate) fn random_reporting<'l>(seed: u64, made: &'l dyn Fn(u64)) -> Source<'l> {
        Source::new(Weights::Random { seed }, Loading::reporting(made))
    }

    /// The source below `name.`.
    pub(crate) fn child(&self, name: impl Display) -> Source<'a> {
        let prefix = self.full_name(format_args!("{name}."));
        let weights = match &self.weights {
            Weights::Stored(scope) => Weights::Stored(scope.child(name)),
            Weights::Packed(file, pool) => Weights::Packed(file, *pool),
            Weights::Random { seed } => Weights::Random { seed: hash(*seed, &name.to_string()) },
        };
        Source { weights, prefix, loading: self.loading, memory: self.memory.clone() }
    }

    /// What weights of a name are called in a packed file.
    pub(crate) fn full_name(&self, name: impl Display) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A vector of `len` elements under the first of `names` that exists; packed files have it under the last one.
    pub(crate) fn vector(&self, names: &[&str], len: usize) -> Result<Vec<f32>, Error> {
        if let Weights::Packed(file, pool) = &self.weights {
            return Ok(self.packed_table((file, *pool), names, 1, len)?.as_f32().to_vec());
        }
        let array = self.array(names, &[len])?;
        let mut out = zeros(len)?;
        self.read(&Serial, &array, 0..len, &mut out)?;
        self.write_down(names, 1, len, &out)?;
        Ok(out)
    }

    /// Checks that there is a (rows, cols) matrix of that name, so that memory for it may be asked for.
    pub(crate) fn expect_matrix(&self, name: &str, rows: usize, cols: usize) -> Result<(), LoadError> {
        self.array(&[name], &[rows, cols]).map(drop)
    }

    /// All of a (rows, cols) matrix.
    pub(crate) fn table(&self, pool: &dyn Parallel, name: &str, rows: usize, cols: usize) -> Result<Table, Error> {
        if let Weights::Packed(file, pool) = &self.weights {
            return Ok(Table::Shared(self.packed_table((file, *pool), &[name], rows, cols)?));
        }
        let array = self.array(&[name], &[rows, cols])?;
        let mut out = AlignedBuf::zeroed(rows * cols)?;
        for range in slab_ranges(rows, cols, 1) {
            let slab = &mut out[range.start * cols..range.end * cols];
            self.read(pool, &array, range, slab)?;
        }
        self.write_down(&[name], rows, cols, &out)?;
        Ok(Table::Owned(out))
    }

    fn packed_table(
        &self,
        (file, pool): (&PackedFile, &dyn Parallel),
        names: &[&str],
        rows: usize,
        cols: usize,
    ) -> Result<FileRange, LoadError> {
        let names: Vec<String> = names.iter().map(|name| self.full_name(name)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        file.check_ahead(&names, pool);
        let range = file.f32(&names, rows, cols)?;
        (self.loading.loaded)((rows * cols * size_of::<f32>()) as u64);
        Ok(range)
    }

    fn write_down(&self, names: &[&str], rows: usize, cols: usize, numbers: &[f32]) -> Result<(), Error> {
        if let (Some(sink), Some(name)) = (self.loading.sink, names.last()) {
            sink.add_f32(&self.full_name(name), rows, cols, numbers)?;
        }
        Ok(())
    }

    /// Packed weights (k, n) under their whole name, if the source has weights packed already.
    pub(crate) fn panels(
        &self,
        name: &str,
        format: PanelFormat,
        size: (usize, usize),
    ) -> Result<Option<FileRange>, LoadError> {
        let Weights::Packed(file, pool) = &self.weights else { return Ok(None) };
        file.check_ahead(&[name], *pool);
        let range = file.panels(name, format, size)?;
        (self.loading.loaded)(range.len() as u64);
        Ok(Some(range))
    }

    /// Whether its weights are packed already.
    pub(crate) fn is_packed(&self) -> bool {
        matches!(self.weights, Weights::Packed(..))
    }

    /// The layout of packed weights under their whole name, if there are any.
    pub(crate) fn panel_layout(&self, name: &str) -> Option<&'a str> {
        let Weights::Packed(file, _) = &self.weights else { return None };
        file.panel_layout(name)
    }

    /// The type of a matrix in its checkpoint; f32 for blocks that rows are not whole numbers of.
    pub(crate) fn stored_type(&self, name: &str) -> Result<Dtype, LoadError> {
        match &self.weights {
            Weights::Stored(scope) => {
                let tensor = scope.tensor(name)?;
                let is_cut = tensor.dtype().is_blocks() && !tensor.has_whole_blocks();
                Ok(if is_cut { Dtype::F32 } else { tensor.dtype() })
            }
            Weights::Packed(file, _) => Err(file.only_packed(&self.full_name(name))),
            Weights::Random { .. } => Ok(Dtype::F32),
        }
    }

    /// Whether a matrix is a table of f32.
    pub(crate) fn has_floats(&self, name: &str) -> Result<bool, LoadError> {
        match &self.weights {
            Weights::Packed(file, _) => Ok(file.is_panels(&self.full_name(name)) != Some(true)),
            _ => Ok(self.stored_type(name)? == Dtype::F32),
        }
    }

    /// Calls `take(first_row, blocks)` for each run of rows of a (rows, cols) matrix, in order.
    ///
    /// # Panics
    /// Panics if [`Source::stored_type`] is not one of blocks.
    pub(crate) fn blocks(
        &self,
        pool: &dyn Parallel,
        name: &str,
        rows: usize,
        cols: usize,
        mut take: impl FnMut(usize, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let array = self.array(&[name], &[rows, cols])?;
        let Array::Stored(tensor) = &array else {
            unreachable!("random numbers are stored as f32");
        };
        for range in slab_ranges(rows, cols, 1) {
            let blocks = tensor.blocks_by(pool, range.clone())?.expect("a matrix whose stored type has blocks");
            take(range.start, &blocks)?;
            tensor.release_rows(range.clone());
            self.report(&array, range.start * cols..range.end * cols);
        }
        Ok(())
    }

    /// Where weights that were just packed are written down, if they are.
    pub(crate) fn sink(&self) -> Option<&'a dyn WeightSink> {
        self.loading.sink
    }

    /// Calls `take(row, slab)` for each run of rows of a block of a (rows, cols) matrix, in order and from 0 on, with memory for one slab
    /// only. Runs begin at multiples of `unit` rows.
    pub(crate) fn slabs(
        &self,
        pool: &dyn Parallel,
        name: &str,
        (rows, cols): (usize, usize),
        block: (Range<usize>, Range<usize>),
        unit: usize,
        mut take: impl FnMut(usize, MatRef<'_, f32>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let array = self.array(&[name], &[rows, cols])?;
        let (of_rows, of_cols) = block;
        let mut ranges = slab_ranges(of_rows.len(), cols, unit).peekable();
        let mut slab = zeros(ranges.peek().map_or(0, Range::len) * cols)?;
        for Range { start, end } in ranges {
            let slab = &mut slab[..(end - start) * cols];
            self.convert(pool, &array, of_rows.start + start..of_rows.start + end, slab)?;
            take(start, MatRef::new(slab, end - start, cols)?.block(0..end - start, of_cols.clone()))?;
            self.report(&array, start * of_cols.len()..end * of_cols.len());
        }
        Ok(())
    }

    /// All rows that are wanted of an array, as [`Source::convert`] does, and reports them.
    fn read(
        &self,
        pool: &dyn Parallel,
        array: &Array<'_>,
        rows: Range<usize>,
        out: &mut [f32],
    ) -> Result<(), LoadError> {
        let row_len = row_len(&rows, out);
        self.convert(pool, array, rows.clone(), out)?;
        self.report(array, rows.start * row_len..rows.end * row_len);
        Ok(())
    }

    /// Reports that elements of an array were read, counted among those that are wanted of it.
    fn report(&self, array: &Array<'_>, elements: Range<usize>) {
        (self.loading.loaded)(array.bytes_of(elements.end) - array.bytes_of(elements.start));
    }

    /// Rows of an array as f32, by the threads of a pool; the file's pages behind them are given back, so that a load never holds the
    /// weights twice.
    fn convert(
        &self,
        pool: &dyn Parallel,
        array: &Array<'_>,
        rows: Range<usize>,
        out: &mut [f32],
    ) -> Result<(), LoadError> {
        let row_len = row_len(&rows, out);
        let rows_per_task = (ELEMENTS_PER_TASK / row_len.max(1)).max(1);
        try_for_each_chunk(pool, out, (rows_per_task * row_len).max(1), |index, out| {
            let first = rows.start + index * rows_per_task;
            array.read(first..rows.end.min(first + rows_per_task), out)
        })?;
        if let Array::Stored(tensor) = array {
            tensor.release_rows(rows);
        }
        Ok(())
    }

    fn array(&self, names: &[&str], shape: &[usize]) -> Result<Array<'a>, LoadError> {
        match &self.weights {
            Weights::Stored(scope) => {
                let tensor = scope.any(names)?.expect_shape(shape)?;
                Ok(Array::Stored(tensor))
            }
            Weights::Packed(file, _) => Err(file.only_packed(&self.full_name(names[0]))),
            Weights::Random { seed } => Ok(Array::Random(hash(*seed, names[0]))),
        }
    }
}

/// Elements in each of the rows that `out` has room for.
fn row_len(rows: &Range<usize>, out: &[f32]) -> usize {
    out.len().checked_div(rows.len()).unwrap_or(0)
}

/// Runs of rows of a (rows, cols) matrix that are converted at a time, each from a multiple of `unit` rows on.
fn slab_ranges(rows: usize, cols: usize, unit: usize) -> impl Iterator<Item = Range<usize>> {
    let rows_in_slab = SLAB_BYTES / size_of::<f32>() / cols.max(1);
    let rows_per_slab = (rows_in_slab - rows_in_slab % unit).max(unit);
    (0..rows).step_by(rows_per_slab).map(move |first| first..rows.min(first + rows_per_slab))
}

enum Array<'a> {
    Stored(Tensor<'a>),
    Random(u64),
}

impl Array<'_> {
    /// Bytes of this number of its elements: in the file, or of random numbers in f32.
    fn bytes_of(&self, elements: usize) -> u64 {
        match self {
            Array::Stored(tensor) => {
                let all = (tensor.rows() * tensor.row_len()).max(1);
                (tensor.info().bytes as u128 * elements as u128 / all as u128) as u64
            }
            Array::Random(_) => (elements * size_of::<f32>()) as u64,
        }
    }

    /// Rows as f32.
    fn read(&self, rows: Range<usize>, out: &mut [f32]) -> Result<(), LoadError> {
        match self {
            Array::Stored(tensor) => tensor.read_rows_f32(rows, out)?,
            Array::Random(seed) => {
                let first = (rows.start * out.len() / rows.len().max(1)) as u64;
                for (i, x) in out.iter_mut().enumerate() {
                    let bits = mix(seed.wrapping_add(first + i as u64)) >> 40;
                    *x = (bits as f32 / (1 << 23) as f32 - 1.0) * 0.05;
                }
            }
        }
        Ok(())
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): a bijection that spreads every bit.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

fn hash(seed: u64, name: &str) -> u64 {
    name.bytes().fold(mix(seed), |h, byte| mix(h ^ u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slabs_begin_at_multiples_of_the_unit() {
        let (rows, cols) = (7, SLAB_BYTES / size_of::<f32>() / 4);
        let slabs = |unit: usize| {
            let mut slabs = Vec::new();
            let take = |first, slab: MatRef<'_, f32>| {
                slabs.push((first, slab.rows()));
                Ok(())
            };
            let all = (0..rows, 0..cols);
            Source::random(1).slabs(&Serial, "weight", (rows, cols), all, unit, take).unwrap();
            slabs
        };
        assert_eq!(slabs(1), [(0, 4), (4, 3)]);
        assert_eq!(slabs(3), [(0, 3), (3, 3), (6, 1)]);
        assert_eq!(slabs(8), [(0, 7)]);
    }
}
