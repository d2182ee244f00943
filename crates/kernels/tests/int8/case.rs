//! One product in eight bits, and what it has to be: operands are quantised here once more, and sums are made in i64.

use cke_kernels::Cpu;
use cke_kernels::gemm::{Ctx, Epilogue, GemmPlan, PackedB, Shape, Supported};
use cke_kernels::scheme::Scheme;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::Parallel;
use cke_kernels::view::{MatMut, MatRef};
use cke_testkit::Data;

/// Steps of K whose products one sum of 32 bits holds; longer sums go on in f32.
pub(crate) const EXACT_STEPS: usize = 1 << 16;

/// A number of each block of 32 or, from 128 elements on, of 128 replaced by sums and differences of four, as the definition says.
pub(crate) fn spread(group: &[f32]) -> Vec<f32> {
    let mut numbers = group.to_vec();
    for stride in [8, 32] {
        let before = numbers.clone();
        let whole = group.len() / (4 * stride) * 4 * stride;
        for (place, x) in numbers[..whole].iter_mut().enumerate() {
            let digit = place / stride % 4;
            let [a, b, c, d] = [0, 1, 2, 3].map(|i| before[place - digit * stride + i * stride]);
            *x = 0.5 * [(a + b) + (c + d), (a - b) + (c - d), (a + b) - (c + d), (a - b) - (c - d)][digit];
        }
    }
    numbers
}

pub(crate) fn quantized(group: &[f32]) -> (f32, Vec<i64>) {
    let largest = group.iter().fold(0f32, |largest, x| largest.max(x.abs()));
    if largest == 0.0 {
        return (0.0, vec![0; group.len()]);
    }
    let factor = 127.0 / largest;
    (largest / 127.0, group.iter().map(|x| (x * factor).round_ties_even() as i64).collect())
}

/// The runs of a row or column that have one scale and one sum in 32 bits.
pub(crate) fn runs<const GROUP: usize, const WHOLE: bool>(x: &[f32]) -> Vec<(f32, Vec<i64>)> {
    if !WHOLE {
        return x.chunks(GROUP).map(|group| quantized(&spread(group))).collect();
    }
    let (scale, numbers) = quantized(x);
    numbers.chunks(EXACT_STEPS).map(|numbers| (scale, numbers.to_vec())).collect()
}

/// A (m, k) and B (k, n) of one product.
pub(crate) struct Case {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    pub(crate) a: Vec<f32>,
    pub(crate) b: Vec<f32>,
}

impl Case {
    pub(crate) fn new((m, n, k): (usize, usize, usize), seed: u64) -> Case {
        let mut data = Data::new(seed);
        Case { m, n, k, a: data.uniform(m * k), b: data.uniform(k * n) }
    }

    pub(crate) fn b(&self) -> MatRef<'_, f32> {
        MatRef::new(&self.b, self.k, self.n).unwrap()
    }

    pub(crate) fn plan<S: Scheme>(&self, kernel: Supported<S>) -> GemmPlan<S> {
        let Case { m, n, k, .. } = *self;
        GemmPlan::with_kernel(Cpu::host().unwrap(), kernel, Shape { m, n, k })
    }

    pub(crate) fn column(&self, j: usize) -> Vec<f32> {
        (0..self.k).map(|p| self.b[p * self.n + j]).collect()
    }

    pub(crate) fn wanted<const GROUP: usize, const WHOLE: bool>(&self) -> Vec<f32> {
        let runs = runs::<GROUP, WHOLE>;
        let rows: Vec<_> = (0..self.m).map(|i| runs(&self.a[i * self.k..(i + 1) * self.k])).collect();
        let columns: Vec<_> = (0..self.n).map(|j| runs(&self.column(j))).collect();
        let element = |row: &[(f32, Vec<i64>)], column: &[(f32, Vec<i64>)]| {
            row.iter().zip(column).fold(0f32, |total, ((a_scale, a), (b_scale, b))| {
                let sum: i64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                (a_scale * b_scale).mul_add(sum as f32, total)
            })
        };
        rows.iter().flat_map(|row| columns.iter().map(|column| element(row, column)).collect::<Vec<_>>()).collect()
    }

    pub(crate) fn run<S: Scheme<A = f32, B = f32, C = f32>>(
        &self,
        plan: &GemmPlan<S>,
        packed: &PackedB<S>,
        pool: &dyn Parallel,
    ) -> Vec<f32> {
        let mut c = vec![f32::NAN; self.m * self.n];
        let ctx = &mut Ctx { pool, scratch: &mut Scratch::new() };
        let a = MatRef::new(&self.a, self.m, self.k).unwrap();
        plan.run(a, packed, MatMut::new(&mut c, self.m, self.n).unwrap(), &Epilogue::default(), ctx).unwrap();
        c
    }
}
