//! Products in bf16 and in eight bits by oneDNN's matmul primitive, as contestants.
//!
//! A and B are in the library's numbers before the time that is measured, B in the layout that it asks for; C is f32. Products in eight
//! bits are the cheapest that it has, u8 · s8: A has one scale and 128 added, B one scale for each column, and what the 128 add too much
//! is a bias.

use super::dtype::Dtype;
use super::foreign::Opened;
use super::onednn::{Description, Engine, Matmul, Memory, Number, Role};
use super::operands::Operands;
use super::product::Product;
use super::session::{Multiply, Route};
use super::stored::Stored;
use super::worker::WorkerError;
use cke_kernels::Cpu;
use cke_kernels::ops::quantize::to_int8_symmetric;

/// Products of one dtype.
pub(super) struct ByMatmul {
    engine: Engine,
    dtype: Dtype,
    ready: Option<Matmul>,
}

impl ByMatmul {
    /// Products in bf16 or int8.
    ///
    /// # Errors
    /// If the library is none that has them, or the dtype is another one.
    pub(super) fn new(library: &Opened, dtype: Dtype) -> Result<ByMatmul, WorkerError> {
        if !library.description().interface.knows(dtype) {
            return Err(WorkerError::NotInLibrary { library: library.description().name.clone(), dtype });
        }
        Ok(ByMatmul { engine: Engine::new(library)?, dtype, ready: None })
    }
}

impl Multiply<f32> for ByMatmul {
    fn prepare(&mut self, operands: &mut Operands<f32>) -> Result<(), WorkerError> {
        // The weights of the product before go first: both together may not fit.
        self.ready = None;
        self.ready = Some(match self.dtype {
            Dtype::Bf16 => in_bf16(&self.engine, operands)?,
            _ => in_eight_bits(&self.engine, operands)?,
        });
        Ok(())
    }

    fn route(&self) -> Route {
        Route { kernel: self.ready.as_ref().map(|ready| ready.implementation().to_owned()), path: None }
    }

    fn repeat(&mut self, operands: &mut Operands<f32>, times: usize) -> Result<(), WorkerError> {
        let ready = self.ready.as_ref().ok_or(WorkerError::NotPrepared)?;
        self.engine.repeat(ready, operands.matrices().c, times)
    }
}

/// Elements from one row and from one column to the next of op(X), of which X is stored.
fn strides(Stored { leading, .. }: Stored, is_transposed: bool) -> [usize; 2] {
    if is_transposed { [1, leading] } else { [leading, 1] }
}

/// Memory for C.
fn results(engine: &Engine, product: Product) -> Result<Memory, WorkerError> {
    let strides = strides(product.stored_c(), false);
    engine.results(&engine.layout(Number::F32, [product.m, product.n], Some(strides))?)
}

fn in_bf16(engine: &Engine, operands: &Operands<f32>) -> Result<Matmul, WorkerError> {
    let product = operands.product();
    let Product { m, n, k, transpose_a, transpose_b, .. } = product;
    let stored = |sizes, stored, is_transposed, numbers: &[f32]| {
        engine.filled(&engine.layout(Number::F32, sizes, Some(strides(stored, is_transposed)))?, numbers)
    };
    let a = stored([m, k], product.stored_a(), transpose_a, operands.a())?;
    let b = stored([k, n], product.stored_b(), transpose_b, operands.b())?;
    let c = results(engine, product)?;

    let source = engine.layout(Number::Bf16, [m, k], Some([k, 1]))?;
    let weights = engine.layout(Number::Bf16, [k, n], None)?;
    let destination = c.layout();
    let plan =
        engine.plan(&Description { source: &source, weights: &weights, bias: None, destination, has_scales: false })?;
    let (a, b) = (engine.reordered(&a, &source)?, engine.reordered(&b, plan.weights())?);
    engine.matmul(&plan, vec![(Role::Source, a), (Role::Weights, b), (Role::Destination, c)])
}

fn in_eight_bits(engine: &Engine, operands: &Operands<f32>) -> Result<Matmul, WorkerError> {
    let product = operands.product();
    let Product { m, n, k, .. } = product;
    let EightBits { rows, row_scale, columns, biases } = EightBits::new(operands)?;
    let c = results(engine, product)?;

    let source = engine.layout(Number::U8, [m, k], Some([k, 1]))?;
    let weights = engine.layout(Number::S8, [k, n], None)?;
    let bias = engine.layout(Number::F32, [1, n], Some([n, 1]))?;
    let plan = engine.plan(&Description {
        source: &source,
        weights: &weights,
        bias: Some(&bias),
        destination: c.layout(),
        has_scales: true,
    })?;

    let stored_weights = engine.filled(&engine.layout(Number::S8, [k, n], Some([1, k]))?, &columns.numbers)?;
    let arguments = vec![
        (Role::Source, engine.filled(&source, &rows)?),
        (Role::Weights, engine.reordered(&stored_weights, plan.weights())?),
        (Role::Bias, engine.filled(&bias, &biases)?),
        (Role::SourceScale, engine.filled(&engine.vector(1)?, &[row_scale])?),
        (Role::WeightScales, engine.filled(&engine.vector(n)?, &columns.scales)?),
        (Role::Destination, c),
    ];
    engine.matmul(&plan, arguments)
}

/// C ≈ row_scale · scale of the column · Σ rows · columns + biases.
struct EightBits {
    /// (m, k), with 128 added.
    rows: Vec<u8>,
    row_scale: f32,
    /// (n, k).
    columns: Quantized,
    /// (n): what the 128 add too much, with the sign changed.
    biases: Vec<f32>,
}

impl EightBits {
    fn new(operands: &Operands<f32>) -> Result<EightBits, WorkerError> {
        let product = operands.product();
        let Product { m, n, k, transpose_a, transpose_b, .. } = product;
        let rows = gathered(operands.a(), strides(product.stored_a(), transpose_a), [m, k]);
        let [row_step, col_step] = strides(product.stored_b(), transpose_b);
        let columns = gathered(operands.b(), [col_step, row_step], [n, k]);
        let (rows, columns) = (Quantized::new(&rows, m * k)?, Quantized::new(&columns, k)?);
        let row_scale = rows.scales[0];
        let bias = |(scale, column): (&f32, &[i8])| {
            let sum: i32 = column.iter().map(|&q| i32::from(q)).sum();
            -128.0 * row_scale * scale * sum as f32
        };
        Ok(EightBits {
            rows: rows.numbers.iter().map(|&q| (q as u8).wrapping_add(128)).collect(),
            row_scale,
            biases: columns.scales.iter().zip(columns.numbers.chunks_exact(k)).map(bias).collect(),
            columns,
        })
    }
}

/// A matrix in eight bits.
struct Quantized {
    numbers: Vec<i8>,
    /// One for each `group` numbers.
    scales: Vec<f32>,
}

impl Quantized {
    fn new(numbers: &[f32], group: usize) -> Result<Quantized, WorkerError> {
        let mut quantized =
            Quantized { numbers: vec![0; numbers.len()], scales: vec![0.0; numbers.len().div_ceil(group)] };
        to_int8_symmetric(Cpu::host()?, numbers, group, &mut quantized.numbers, &mut quantized.scales)?;
        Ok(quantized)
    }
}

/// The elements of a matrix of these strides, row after row.
fn gathered(numbers: &[f32], [row_step, col_step]: [usize; 2], [rows, cols]: [usize; 2]) -> Vec<f32> {
    (0..rows).flat_map(|i| (0..cols).map(move |p| numbers[i * row_step + p * col_step])).collect()
}

#[cfg(test)]
mod tests {
    use super::super::check::Check;
    use super::super::sample::Data;
    use super::*;

    #[test]
    fn gathered_rows_and_columns_are_those_of_the_product_whatever_is_stored() {
        // A is (2, 3), stored as (3, 2) with a gap of one number between rows.
        let stored = Stored { rows: 3, cols: 2, leading: 3 };
        let numbers = [1.0, 4.0, f32::NAN, 2.0, 5.0, f32::NAN, 3.0, 6.0, f32::NAN];
        assert_eq!(gathered(&numbers, strides(stored, true), [2, 3]), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(gathered(&numbers, strides(stored, false), [3, 2]), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }

    #[test]
    fn bytes_with_scales_and_biases_are_the_product() {
        for text in ["5x7x33", "5x7x33nt", "5x7x33tt@6:40:9"] {
            let product: Product = text.parse().expect("a product");
            let mut operands = Operands::new(product, Data::Uniform, 3).expect("little memory");
            let check = Check::new(&operands, Dtype::Int8.rounding());
            let EightBits { rows, row_scale, columns, biases } = EightBits::new(&operands).expect("little memory");
            let leading = product.stored_c().leading;
            for i in 0..product.m {
                for j in 0..product.n {
                    let products = (0..product.k)
                        .map(|p| i32::from(rows[i * product.k + p]) * i32::from(columns.numbers[j * product.k + p]));
                    let c = products.sum::<i32>() as f32 * row_scale * columns.scales[j] + biases[j];
                    operands.matrices().c[i * leading + j] = c;
                }
            }
            let error = check.error(&operands).expect("finite");
            assert!(error < 1.0, "{text}: {error}");
        }
    }
}
