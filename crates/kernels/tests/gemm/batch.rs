//! Batches of independent products: bit for bit what each product gives alone, for any number of threads.

use crate::kernels::cpu;
use cke_kernels::Error;
use cke_kernels::gemm::{BatchCtx, Ctx, Gemm, GemmBatch, Layout, Matrices, MatricesMut};
use cke_kernels::scheme::{F32, F64};
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::{Parallel, Serial, ThreadPool};
use cke_kernels::view::{MatMut, MatRef};
use cke_testkit::{Data, Guarded, View, oracle, tolerance};

/// (m, n, k) and how many: nothing, single elements, odd sizes, and few products that are large enough to be shared by threads.
const CASES: [((usize, usize, usize), usize); 9] = [
    ((3, 2, 4), 0),
    ((0, 3, 2), 3),
    ((3, 0, 2), 3),
    ((3, 2, 0), 3),
    ((1, 1, 1), 200),
    ((5, 7, 3), 10),
    ((33, 17, 29), 13),
    ((40, 64, 64), 5),
    ((257, 258, 255), 3),
];

fn scratch_for(pool: &dyn Parallel) -> Vec<Scratch> {
    (0..pool.threads()).map(|_| Scratch::new()).collect()
}

/// Products of one shape: A one after the other, B too but column-major, C side by side in one row-major matrix.
struct Heads {
    count: usize,
    a: Guarded<f32>,
    a_layout: Layout,
    b: Guarded<f32>,
    b_layout: Layout,
    c: Guarded<f32>,
    c_layout: Layout,
}

impl Heads {
    fn new((m, n, k): (usize, usize, usize), count: usize, seed: u64) -> Self {
        let mut data = Data::new(seed);
        Heads {
            count,
            a: Guarded::new(&data.uniform(count * m * k)),
            a_layout: Layout::row_major(m, k),
            b: Guarded::new(&data.uniform(count * k * n)),
            b_layout: Layout::row_major(n, k).transposed(),
            c: Guarded::new(&data.uniform(m * count * n)),
            c_layout: Layout { rows: m, cols: n, row_stride: count * n, col_stride: 1 },
        }
    }

    fn batch(&self) -> GemmBatch<'_, F32> {
        let size = |layout: Layout| layout.rows * layout.cols;
        let a = Matrices::by_stride(self.a.as_slice(), self.a_layout, size(self.a_layout), self.count).expect("A fits");
        let b = Matrices::by_stride(self.b.as_slice(), self.b_layout, size(self.b_layout), self.count).expect("B fits");
        GemmBatch { alpha: 0.75, a, b, beta: -0.5 }
    }

    /// C after each product was run by itself.
    fn alone(&self) -> Vec<f32> {
        let mut c = self.c.as_slice().to_vec();
        let batch = self.batch();
        let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
        for index in 0..self.count {
            let Layout { rows, cols, row_stride, col_stride } = self.c_layout;
            let start = (index * cols).min(c.len());
            let place = MatMut::with_strides(&mut c[start..], rows, cols, row_stride, col_stride).expect("C fits");
            let (a, b) = (batch.a.get(index).expect("an A"), batch.b.get(index).expect("a B"));
            Gemm::<F32> { alpha: batch.alpha, a, b, beta: batch.beta }.run(cpu(), place, ctx).expect("sizes agree");
        }
        c
    }

    /// C after the batch.
    fn together(&self, pool: &dyn Parallel) -> Vec<f32> {
        let mut c = Guarded::new(self.c.as_slice());
        let matrices = MatricesMut::by_stride(c.as_mut_slice(), self.c_layout, self.c_layout.cols, self.count);
        let ctx = &mut BatchCtx { pool, scratch: &mut scratch_for(pool) };
        self.batch().run(cpu(), matrices.expect("C fits"), ctx).expect("sizes agree");
        c.check();
        c.as_slice().to_vec()
    }

    /// Compares `c` with the oracle, product by product.
    fn check(&self, name: &str, c: &[f32]) {
        let batch = self.batch();
        for index in 0..self.count {
            let testkit = |layout: Layout| cke_testkit::Layout {
                rows: layout.rows,
                cols: layout.cols,
                row_stride: layout.row_stride,
                col_stride: layout.col_stride,
            };
            let element = |data: &'_ [f32], layout: Layout, first: usize| {
                View::new(&data[first.min(data.len())..], testkit(layout)).to_row_major()
            };
            let (m, n, k) = (self.a_layout.rows, self.c_layout.cols, self.a_layout.cols);
            let a = element(self.a.as_slice(), self.a_layout, index * m * k);
            let b = element(self.b.as_slice(), self.b_layout, index * k * n);
            let before = element(self.c.as_slice(), self.c_layout, index * n);
            let wanted = oracle::Gemm {
                alpha: batch.alpha,
                a: View::row_major(&a, m, k),
                b: View::row_major(&b, k, n),
                beta: batch.beta,
                c: View::row_major(&before, m, n),
            };
            let found = element(c, self.c_layout, index * n);
            tolerance::assert_close(&format!("{name}, product {index}"), &found, &wanted.exact(), &wanted.bound());
        }
    }
}

#[test]
fn batch_by_stride_matches_the_oracle_and_each_product_alone() {
    for (seed, (shape, count)) in CASES.into_iter().enumerate() {
        let heads = Heads::new(shape, count, seed as u64);
        let alone = heads.alone();
        heads.check(&format!("{count} of {shape:?}"), &alone);
        for threads in 1..=3 {
            let name = format!("{count} of {shape:?} on {threads} threads");
            let together = heads.together(&ThreadPool::new(threads).expect("threads"));
            tolerance::assert_identical(&name, &together, &alone);
        }
    }
}

#[test]
fn batch_by_address_and_by_offset_gives_the_bits_of_a_batch_by_stride() {
    let heads = Heads::new((6, 20, 9), 7, 61);
    let (pool, wanted) = (ThreadPool::new(2).expect("threads"), heads.together(&Serial));
    let batch = heads.batch();
    let views: Vec<_> = (0..heads.count).map(|index| batch.a.get(index).expect("an A")).collect();
    let offsets: Vec<_> = (0..heads.count).map(|index| index * 9 * 20).collect();
    let mut c = heads.c.as_slice().to_vec();
    GemmBatch::<F32> {
        a: Matrices::by_address(&views).expect("one layout"),
        b: Matrices::by_offset(heads.b.as_slice(), heads.b_layout, &offsets).expect("B fits"),
        ..batch
    }
    .run(
        cpu(),
        MatricesMut::by_stride(&mut c, heads.c_layout, 20, heads.count).expect("C fits"),
        &mut BatchCtx { pool: &pool, scratch: &mut scratch_for(&pool) },
    )
    .expect("sizes agree");
    tolerance::assert_identical("addresses and offsets", &c, &wanted);
}

#[test]
fn one_b_for_all_is_a_stride_of_zero() {
    let (count, m, n, k) = (5, 3, 4, 6);
    let mut data = Data::new(62);
    let (a, b) = (data.uniform(count * m * k), data.uniform(k * n));
    let (mut batched, mut whole) = (vec![0.0; count * m * n], vec![0.0; count * m * n]);
    let ctx = &mut BatchCtx { pool: &Serial, scratch: &mut [Scratch::new()] };
    GemmBatch::<F32>::new(
        Matrices::by_stride(&a, Layout::row_major(m, k), m * k, count).expect("A fits"),
        Matrices::by_stride(&b, Layout::row_major(k, n), 0, count).expect("B fits"),
    )
    .run(cpu(), MatricesMut::by_stride(&mut batched, Layout::row_major(m, n), m * n, count).expect("C fits"), ctx)
    .expect("sizes agree");
    let a = MatRef::new(&a, count * m, k).expect("A fits");
    Gemm::<F32>::new(a, MatRef::new(&b, k, n).expect("B fits"))
        .run(
            cpu(),
            MatMut::new(&mut whole, count * m, n).expect("C fits"),
            &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() },
        )
        .expect("sizes agree");
    let bounds: Vec<_> = whole.iter().map(|_| tolerance::gemm_bound(2 * k, k as f64)).collect();
    tolerance::assert_close("one B", &batched, &whole.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), &bounds);
}

#[test]
fn products_of_different_shapes_give_the_bits_of_each_alone() {
    let shapes = [(3, 4, 5), (64, 48, 96), (0, 2, 2), (1, 100, 1), (300, 260, 220), (7, 7, 0), (2, 2, 2)];
    let mut data = Data::new(63);
    let operands: Vec<_> =
        shapes.iter().map(|&(m, n, k)| (data.uniform(m * k), data.uniform(k * n), data.uniform(m * n))).collect();
    let product = |index: usize| {
        let ((m, n, k), (a, b, _)) = (shapes[index], &operands[index]);
        let beta = if index.is_multiple_of(2) { 0.0 } else { 1.5 };
        Gemm::<F32> { alpha: 2.0, a: MatRef::new(a, m, k).expect("A"), b: MatRef::new(b, k, n).expect("B"), beta }
    };
    for threads in 1..=3 {
        let pool = ThreadPool::new(threads).expect("threads");
        let mut found: Vec<_> = operands.iter().map(|(_, _, c)| c.clone()).collect();
        let mut products: Vec<_> = found
            .iter_mut()
            .enumerate()
            .map(|(index, c)| (product(index), MatMut::new(c, shapes[index].0, shapes[index].1).expect("C")))
            .collect();
        let ctx = &mut BatchCtx { pool: &pool, scratch: &mut scratch_for(&pool) };
        Gemm::run_each(&mut products, cpu(), ctx).expect("sizes agree");
        for (index, &(m, n, _)) in shapes.iter().enumerate() {
            let mut wanted = operands[index].2.clone();
            let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
            product(index).run(cpu(), MatMut::new(&mut wanted, m, n).expect("C"), ctx).expect("sizes agree");
            tolerance::assert_identical(&format!("product {index}, {threads} threads"), &found[index], &wanted);
        }
    }
}

#[test]
fn batch_in_double_precision_is_summed_in_double_precision() {
    let (count, k) = (4, 1000);
    let a: Vec<f64> = (0..count * k).map(|i| 1.0 + i as f64 * 1e-12).collect();
    let b = vec![1.0f64; k];
    let mut c = vec![0.0f64; count];
    GemmBatch::<F64>::new(
        Matrices::by_stride(&a, Layout::row_major(1, k), k, count).expect("A fits"),
        Matrices::by_stride(&b, Layout::row_major(k, 1), 0, count).expect("B fits"),
    )
    .run(
        cpu(),
        MatricesMut::by_stride(&mut c, Layout::row_major(1, 1), 1, count).expect("C fits"),
        &mut BatchCtx { pool: &Serial, scratch: &mut [Scratch::new()] },
    )
    .expect("sizes agree");
    for (found, row) in c.iter().zip(a.chunks(k)) {
        let wanted: f64 = row.iter().sum();
        assert!((found - wanted).abs() <= tolerance::gamma(k, tolerance::F64_ROUNDOFF) * wanted, "{found} {wanted}");
    }
}

#[test]
fn batch_of_sizes_that_disagree_is_refused_and_c_untouched() {
    let data = [1.0f32; 200];
    let matrices = |rows, cols, count| {
        Matrices::by_stride(&data, Layout::row_major(rows, cols), rows * cols, count).expect("the data suffices")
    };
    let good = GemmBatch::<F32>::new(matrices(3, 4, 5), matrices(4, 2, 5));
    let bad = [
        (GemmBatch { a: matrices(3, 4, 4), ..good }, 5, (3, 2), 1),
        (GemmBatch { b: matrices(4, 2, 6), ..good }, 5, (3, 2), 1),
        (GemmBatch { b: matrices(3, 2, 5), ..good }, 5, (3, 2), 1),
        (good, 4, (3, 2), 1),
        (good, 5, (2, 2), 1),
        (good, 5, (3, 3), 1),
        (good, 5, (3, 2), 0),
    ];
    for (batch, count, (rows, cols), scratches) in bad {
        let mut c = [7.0f32; 64];
        let places = MatricesMut::by_stride(&mut c, Layout::row_major(rows, cols), rows * cols, count).expect("C fits");
        let scratch = &mut [Scratch::new()];
        let ctx = &mut BatchCtx { pool: &Serial, scratch: &mut scratch[..scratches] };
        let error = batch.run(cpu(), places, ctx).expect_err("sizes disagree");
        assert!(matches!(error, Error::Size { .. }), "{error}");
        assert_eq!(c, [7.0; 64], "{error}");
    }
}

#[test]
fn list_with_one_wrong_product_touches_none() {
    let data = [1.0f32; 16];
    let square = MatRef::new(&data, 4, 4).expect("16 elements");
    let (mut first, mut second) = ([7.0f32; 16], [7.0f32; 12]);
    let mut products = [
        (Gemm::<F32>::new(square, square), MatMut::new(&mut first, 4, 4).expect("16 elements")),
        (Gemm::<F32>::new(square, square), MatMut::new(&mut second, 4, 3).expect("12 elements")),
    ];
    let ctx = &mut BatchCtx { pool: &Serial, scratch: &mut [Scratch::new()] };
    let error = Gemm::run_each(&mut products, cpu(), ctx).expect_err("the second C lacks a column");
    assert_eq!(error, Error::Size { what: "columns of C", wanted: 4, found: 3 });
    assert_eq!((first, second), ([7.0; 16], [7.0; 12]));
}
