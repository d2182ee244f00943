//! Errors of long sums against exact ones: this project's kernels and peer libraries on the same numbers.

use super::attention::{Attention, Head};
use super::contestant::{Chatter, ContestantProcess, Launcher, PeerError};
use super::dtype::Dtype;
use super::library::{Library, Subject};
use super::operands::{Element, Operands};
use super::product::Product;
use super::reference::{Errors, Reference};
use super::sample::Data;
use super::{Entrant, Settings};
use serde::{Deserialize, Serialize};

/// What a sum of K products is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sums {
    /// A product of matrices.
    Product,
    /// A product of a row with Bᵀ, both contiguous along K, for each row of A.
    Rows,
    /// Attention over K positions.
    Attention,
}

impl Sums {
    /// All of them.
    pub const ALL: [Sums; 3] = [Sums::Product, Sums::Rows, Sums::Attention];

    /// The name used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Sums::Product => "products",
            Sums::Rows => "rows",
            Sums::Attention => "attention",
        }
    }

    /// Numbers that a sample of at least `elements` results has in memory at a time.
    pub fn elements_in_memory(self, elements: usize, k: usize) -> usize {
        let Product { m, n, .. } = self.product(elements, k);
        let rows = if self == Sums::Attention { m.saturating_add(2 * n) } else { m.saturating_add(n) };
        rows.saturating_mul(k)
    }

    /// The longest sum of a sample: attention takes time that grows with the square.
    pub const fn longest(self) -> usize {
        match self {
            Sums::Product | Sums::Rows => usize::MAX,
            Sums::Attention => 1 << 16,
        }
    }

    /// Whether there are such sums of this format.
    pub fn knows(self, dtype: Dtype) -> bool {
        self != Sums::Attention || dtype == Dtype::F32
    }

    /// The ways to compute them here, by their names; of f64 there are no products packed ahead.
    fn own(self, dtype: Dtype) -> impl Iterator<Item = &'static (&'static str, Subject)> {
        let of_dtype = move |(_, subject): &&(&str, Subject)| *subject != Subject::Plan || dtype == Dtype::F32;
        self.ways().iter().filter(of_dtype)
    }

    fn ways(self) -> &'static [(&'static str, Subject)] {
        match self {
            Sums::Product => &[
                ("packed", Subject::Plan),
                ("unpacked", Subject::Gemm),
                ("batch", Subject::Batch),
                ("batch-reduce", Subject::BatchReduce),
            ],
            Sums::Rows => &[("rows", Subject::Gemm)],
            Sums::Attention => &[("attention", Subject::Gemm)],
        }
    }

    /// The product whose C has the shape of the results: at least `elements` of them.
    fn product(self, elements: usize, k: usize) -> Product {
        /// Rows are whole blocks of a batch.
        const STEP: usize = 16;
        const HEAD_SIZE: usize = 64;
        let side = (1..).map(|step| step * STEP).find(|side| side * side >= elements).unwrap_or(STEP);
        let (m, n) = match self {
            Sums::Product | Sums::Rows => (side, side),
            Sums::Attention => (elements.div_ceil(HEAD_SIZE).min(k), HEAD_SIZE),
        };
        Product { m, n, k, transpose_a: false, transpose_b: self == Sums::Rows, leading: None }
    }
}

/// Numbers to compute with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sample {
    pub(super) sums: Sums,
    pub(super) product: Product,
    pub(super) data: Data,
    pub(super) seed: u64,
}

/// What holds for all sums of a study.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Extent {
    /// The numbers.
    pub dtype: Dtype,
    /// At least this many elements for each length and distribution, over all seeds together.
    pub elements: usize,
    /// At least this many samples, each of other numbers.
    pub seeds: usize,
    /// Threads, of the contestants and of the exact computation.
    pub threads: usize,
}

/// One kind of sums, one distribution and one length.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SumErrors {
    /// What is summed.
    pub sums: Sums,
    /// What the numbers are drawn from.
    pub data: Data,
    /// Length of the sums.
    pub k: usize,
    /// Our ways to compute them, then the libraries.
    pub errors: Vec<(String, Errors)>,
}

/// Contestants that are ready.
#[derive(Debug)]
pub struct Study {
    extent: Extent,
    own: Vec<(&'static str, ContestantProcess)>,
    libraries: Vec<(String, ContestantProcess, Option<Library>)>,
}

impl Study {
    /// Starts a process for each of our ways to compute products, and one for each library. To be called from the thread that
    /// stays until the study is over: the processes end with the thread that started them.
    ///
    /// # Errors
    /// If a process cannot be started, or a library cannot be opened or does not know the dtype.
    pub fn start(launcher: &Launcher, libraries: &[Entrant], extent: Extent) -> Result<Study, PeerError> {
        let Extent { dtype, threads, .. } = extent;
        let settings = Settings { dtype, threads, ..Settings::default() };
        let open = |entrant: &Entrant| ContestantProcess::open(launcher, entrant, settings, None, Chatter::Shown);
        let ways = Sums::ALL.iter().filter(|sums| sums.knows(dtype)).flat_map(|sums| sums.own(dtype));
        let own = ways.map(|(name, subject)| Ok((*name, open(&Entrant::new(*name, subject.clone()))?.0)));
        let library =
            |entrant: &Entrant| open(entrant).map(|(contestant, library)| (entrant.name.clone(), contestant, library));
        Ok(Study {
            extent,
            own: own.collect::<Result<_, PeerError>>()?,
            libraries: libraries.iter().map(library).collect::<Result<_, _>>()?,
        })
    }

    /// What the libraries said of themselves.
    pub fn libraries(&self) -> impl Iterator<Item = Option<&Library>> {
        self.libraries.iter().map(|(_, _, library)| library.as_ref())
    }

    /// Computes sums of one length and compares them with the exact ones.
    ///
    /// # Errors
    /// If memory cannot be allocated or a contestant fails.
    pub fn measure(&mut self, sums: Sums, data: Data, k: usize) -> Result<SumErrors, PeerError> {
        let Extent { elements, seeds, .. } = self.extent;
        let product = sums.product(elements.div_ceil(seeds.max(1)), k);
        let mut errors: Vec<(String, Errors)> = Vec::new();
        for seed in 0.. {
            let of_seed = self.errors(Sample { sums, product, data, seed })?;
            if errors.is_empty() {
                errors = of_seed;
            } else {
                errors.iter_mut().zip(of_seed).for_each(|((_, all), (_, more))| *all = all.and(more));
            }
            // Few positions have few queries.
            if seed + 1 >= seeds as u64 && errors.iter().all(|(_, errors)| errors.count >= elements) {
                break;
            }
        }
        Ok(SumErrors { sums, data, k, errors })
    }

    fn errors(&mut self, sample: Sample) -> Result<Vec<(String, Errors)>, PeerError> {
        let Extent { dtype, threads, .. } = self.extent;
        let reference = match dtype {
            Dtype::F64 => exact::<f64>(sample, threads),
            _ => exact::<f32>(sample, threads),
        };
        let reference = reference
            .map_err(|error| PeerError::Refused { name: "the exact sums".to_owned(), reason: error.to_string() })?;
        let is_way = |name: &str| sample.sums.own(dtype).any(|(way, _)| *way == name);
        let own = self.own.iter_mut().filter(|(name, _)| is_way(name)).map(|(name, contestant)| (*name, contestant));
        let libraries = self.libraries.iter_mut().map(|(name, contestant, _)| (name.as_str(), contestant));
        let all = own.chain(libraries);
        all.map(|(name, contestant)| Ok((name.to_owned(), reference.errors(contestant.compute(sample)?)))).collect()
    }
}

fn exact<T: Element>(sample: Sample, threads: usize) -> Result<Reference, cke_kernels::Error> {
    let Sample { sums, product, data, seed } = sample;
    Ok(match sums {
        Sums::Product | Sums::Rows => Reference::of_product(&Operands::<T>::new(product, data, seed)?, threads),
        Sums::Attention => Reference::of_attention(&Attention::<T>::new(Head::of(product), data, seed)?, threads),
    })
}
