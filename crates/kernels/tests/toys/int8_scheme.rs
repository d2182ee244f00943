//! A scheme of eight bits: rows of A are quantised when they are prepared, columns of B when they are packed, in groups of 32 products
//! with a scale each; products are summed four by four in i32 and scaled into f32.
//!
//! ```text
//! x ≈ scale · q,  scale = the smallest power of two with |q| ≤ 127 in the group
//! C[i][j] = Σ over the groups g of K  scale_a[i][g] · scale_b[g][j] · Σ_p q_a[i][p] · q_b[p][j]
//! ```

use cke_kernels::Error;
use cke_kernels::cpu::{Cpu, Features};
use cke_kernels::gemm::{
    Blocking, BlocksOfA, BlocksOfB, Brgemm, BrgemmPlan, Ctx, Epilogue, GemmPlan, KBlocks, KernelParts, Microkernel,
    PackedB, PanelBlock, PanelFormat, RowBlock, RowBuf, RowFormat, Session, Shape, TileArgs,
};
use cke_kernels::scheme::{F32, Scheme};
use cke_kernels::scratch::Scratch;
use cke_kernels::simd::Scalar;
use cke_kernels::threads::{Parallel, Serial, ThreadPool};
use cke_kernels::view::{MatMut, MatRef};
use cke_testkit::Data;
use std::cell::Cell;
use std::sync::Arc;

/// f32 · f32 in eight bits, summed in i32.
#[derive(Clone, Copy, Debug)]
struct Int8;

impl Scheme for Int8 {
    type A = f32;
    type B = f32;
    type C = f32;
    const NAME: &'static str = "toy_int8";

    fn kernels() -> &'static [&'static [Microkernel<Int8>]] {
        KERNELS
    }
}

const GROUP: usize = 32;
const COLS: usize = 8;
/// Products that one multiply-add of the unit would take.
const QUAD: usize = 4;
const SCALE: usize = size_of::<f32>();

const ROWS: RowFormat = RowFormat {
    layout: "toy int8 rows",
    block_k: GROUP,
    block_bytes: SCALE + GROUP,
    is_in_place: false,
    needs_whole_rows: false,
};
const PANEL: PanelFormat =
    PanelFormat { layout: "toy int8 quads", cols: COLS, block_k: GROUP, block_bytes: COLS * (SCALE + GROUP) };

/// The record, and the same kernel whose sums go on in C after whole groups.
static KERNEL: Microkernel<Int8> = record("toy_int8_4x8", KBlocks::Whole);
static KERNELS: &[&[Microkernel<Int8>]] = &[std::slice::from_ref(&KERNEL)];
static RESUMING: Microkernel<Int8> = record("toy_int8_4x8_resuming", KBlocks::Multiples(GROUP));

const fn record(name: &'static str, k_blocks: KBlocks) -> Microkernel<Int8> {
    // SAFETY: the functions read whole blocks of the steps of a call, and leave C to `begin` and `end`; all are plain Rust.
    unsafe {
        Microkernel::from_parts(KernelParts {
            name,
            needs: Features::NONE,
            lanes: COLS,
            functions: &[&[tile::<1>], &[tile::<2>], &[tile::<3>], &[tile::<4>]],
            rows_at_once: 1,
            rows: ROWS,
            panel: PANEL,
            k_blocks,
            pack,
            column,
            prepare,
            session: Some(Session { begin: open, end: close }),
        })
    }
}

thread_local! {
    /// Whether a session is open on this thread, as a unit with tiles of its own would need one.
    static IS_OPEN: Cell<bool> = const { Cell::new(false) };
}

unsafe fn open() {
    assert!(!IS_OPEN.replace(true), "sessions do not nest");
}

unsafe fn close() {
    assert!(IS_OPEN.replace(false), "a session was open");
}

/// # Safety
/// As [`cke_kernels::gemm::TileFn`].
unsafe fn tile<const MR: usize>(args: &TileArgs<'_, f32>) {
    assert!(IS_OPEN.get(), "tiles run inside a session");
    // SAFETY: rows and blocks of a call by the contract of TileFn.
    unsafe {
        let mut total = args.begin::<COLS, 1, MR>();
        // Calls begin where blocks do; each pair has whole blocks, the last of them filled up with zeros.
        let (mut offset, mut left) = (args.offset, args.steps);
        for pair in args.pairs {
            while offset < args.k && left > 0 {
                let (a, b) =
                    (pair.a.add(offset / GROUP * args.a_col_stride), pair.b.add(offset / GROUP * args.b_stride));
                let steps = GROUP.min(args.k - offset);
                let mut sums = [[[0.0; COLS]; 1]; MR];
                for (i, sums) in sums.iter_mut().enumerate() {
                    let row = std::slice::from_raw_parts(a.add(i * args.a_row_stride), ROWS.block_bytes);
                    group(row, std::slice::from_raw_parts(b, PANEL.block_bytes), &mut sums[0]);
                }
                total.add(&sums);
                (offset, left) = (offset + steps, left - steps);
            }
            offset = 0;
        }
        total.end(Scalar);
    }
}

/// sums ← scale_a · scale_b · Σ q_a · q_b for one group of a row and of a panel.
fn group(row: &[u8], panel: &[u8], sums: &mut [f32; COLS]) {
    let (row_scale, a) = row.split_at(SCALE);
    let (scales, b) = panel.split_at(COLS * SCALE);
    for (col, sum) in sums.iter_mut().enumerate() {
        let mut products = 0i32;
        for quad in 0..GROUP / QUAD {
            let b = &b[(quad * COLS + col) * QUAD..][..QUAD];
            for (&a, &b) in a[quad * QUAD..][..QUAD].iter().zip(b) {
                products += i32::from(a as i8) * i32::from(b as i8);
            }
        }
        *sum = number(row_scale) * number(&scales[col * SCALE..]) * products as f32;
    }
}

fn number(bytes: &[u8]) -> f32 {
    f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// The scale of a group and its values in eight bits.
fn quantised(group: &[f32]) -> (f32, Vec<i8>) {
    let largest = group.iter().fold(0f32, |largest, x| largest.max(x.abs()));
    let mut scale = 1f32;
    while largest > 127.0 * scale {
        scale *= 2.0;
    }
    while largest > 0.0 && largest <= 63.5 * scale {
        scale /= 2.0;
    }
    (scale, group.iter().map(|x| (x / scale).round_ties_even() as i8).collect())
}

/// # Safety
/// None: plain Rust.
unsafe fn prepare(block: RowBlock<'_, f32>) {
    let RowBlock { source, rows, row_stride, .. } = block;
    for (i, row) in rows.chunks_mut(row_stride).enumerate().take(source.rows()) {
        for (start, out) in (0..source.cols()).step_by(GROUP).zip(row.chunks_exact_mut(ROWS.block_bytes)) {
            let (scale, q) = quantised(&elements(source, i, start));
            out.fill(0);
            out[..SCALE].copy_from_slice(&scale.to_le_bytes());
            out[SCALE..].iter_mut().zip(q).for_each(|(byte, q)| *byte = q as u8);
        }
    }
}

/// A group of a row, shorter at its end.
fn elements(x: MatRef<'_, f32>, row: usize, start: usize) -> Vec<f32> {
    let end = x.cols().min(start + GROUP);
    let block = x.block(row..row + 1, start..end);
    // SAFETY: an element of the view.
    (0..end - start).map(|p| unsafe { *block.as_ptr().add(p * block.col_stride()) }).collect()
}

/// # Safety
/// None: plain Rust.
unsafe fn pack(block: PanelBlock<'_, f32>) {
    let PanelBlock { source, panel, row, col, .. } = block;
    let columns = source.transposed();
    for j in 0..source.cols() {
        for start in (0..source.rows()).step_by(GROUP) {
            let out = &mut panel[(row + start) / GROUP * PANEL.block_bytes..][..PANEL.block_bytes];
            let (scale, q) = quantised(&elements(columns, j, start));
            out[(col + j) * SCALE..][..SCALE].copy_from_slice(&scale.to_le_bytes());
            for (p, q) in q.into_iter().enumerate() {
                out[COLS * SCALE + (p / QUAD * COLS + col + j) * QUAD + p % QUAD] = q as u8;
            }
        }
    }
}

fn column(_format: &PanelFormat, panel: &[u8], col: usize, out: &mut [f32]) {
    for (group, block) in out.chunks_mut(GROUP).zip(panel.chunks_exact(PANEL.block_bytes)) {
        let scale = number(&block[col * SCALE..]);
        for (p, x) in group.iter_mut().enumerate() {
            *x = scale * f32::from(block[COLS * SCALE + (p / QUAD * COLS + col) * QUAD + p % QUAD] as i8);
        }
    }
}

/// A (m, k) and B (k, n) of one product, with what they are in eight bits.
struct Case {
    m: usize,
    n: usize,
    k: usize,
    a: Vec<f32>,
    b: Vec<f32>,
}

impl Case {
    fn new((m, n, k): (usize, usize, usize), seed: u64) -> Case {
        let mut data = Data::new(seed);
        Case { m, n, k, a: data.uniform(m * k), b: data.uniform(k * n) }
    }

    fn a(&self) -> MatRef<'_, f32> {
        MatRef::new(&self.a, self.m, self.k).unwrap()
    }

    fn b(&self) -> MatRef<'_, f32> {
        MatRef::new(&self.b, self.k, self.n).unwrap()
    }

    fn plan(&self, kernel: &'static Microkernel<Int8>) -> GemmPlan<Int8> {
        let Case { m, n, k, .. } = *self;
        let cpu = Cpu::host().unwrap();
        GemmPlan::with_kernel(cpu, kernel.on(cpu).unwrap(), Shape { m, n, k })
    }

    /// Element (i, j), from sums in i64. Scales are powers of two and sums of few groups short, so that f32 holds each of them.
    fn element(&self, i: usize, j: usize) -> f32 {
        let groups = (0..self.k).step_by(GROUP).map(|start| {
            let end = self.k.min(start + GROUP);
            let (a_scale, a) = quantised(&self.a[i * self.k + start..i * self.k + end]);
            let (b_scale, b) = quantised(&(start..end).map(|p| self.b[p * self.n + j]).collect::<Vec<_>>());
            let sum: i64 = a.iter().zip(&b).map(|(&a, &b)| i64::from(a) * i64::from(b)).sum();
            f64::from(a_scale) * f64::from(b_scale) * sum as f64
        });
        // In the order of the groups, rounded after each as the kernel does.
        groups.fold(0f32, |total, group| total + group as f32)
    }

    fn wanted(&self) -> Vec<f32> {
        (0..self.m * self.n).map(|at| self.element(at / self.n, at % self.n)).collect()
    }

    fn run(&self, plan: &GemmPlan<Int8>, pool: &dyn Parallel) -> Vec<f32> {
        let mut c = vec![f32::NAN; self.m * self.n];
        let packed = plan.pack_b(self.b()).unwrap();
        let ctx = &mut Ctx { pool, scratch: &mut Scratch::new() };
        let place = MatMut::new(&mut c, self.m, self.n).unwrap();
        plan.run(self.a(), &packed, place, &Epilogue::default(), ctx).unwrap();
        c
    }
}

/// On both sides of tiles, panels, groups and of the blocks that a cache would have room for.
const SIZES: [(usize, usize, usize); 8] =
    [(1, 1, 1), (1, 8, 32), (4, 9, 33), (5, 7, 64), (9, 17, 31), (6, 3, 200), (33, 40, 1000), (3, 8, 0)];

#[test]
fn products_of_another_scheme_match_plain_loops_on_any_number_of_threads() {
    for (seed, size) in (0..).zip(SIZES) {
        let case = Case::new(size, seed);
        for threads in 1..=3 {
            let pool = ThreadPool::new(threads).unwrap();
            assert_eq!(case.run(&case.plan(&KERNEL), &pool), case.wanted(), "{size:?} on {threads} threads");
        }
    }
}

#[test]
fn sums_that_go_on_in_c_have_the_bits_of_a_single_call() {
    for (seed, size) in (0..).zip(SIZES) {
        let case = Case::new(size, seed);
        for kc in [1, GROUP, 70, 3 * GROUP] {
            let plan = case.plan(&RESUMING).with_blocking(Blocking { mc: 4, kc, nc: COLS }).unwrap();
            assert_eq!(case.run(&plan, &Serial), case.wanted(), "{size:?} in blocks of {kc}");
        }
    }
}

#[test]
fn rows_prepared_once_serve_every_product_with_their_format() {
    let (first, second) = (Case::new((5, 9, 70), 1), Case::new((5, 20, 70), 2));
    let second = Case { a: first.a.clone(), ..second };
    let mut rows = RowBuf::new();
    rows.prepare(first.plan(&KERNEL).kernel(), first.a(), &Serial).unwrap();
    for case in [first, second] {
        let plan = case.plan(&RESUMING);
        let mut c = vec![f32::NAN; case.m * case.n];
        let (packed, ctx) = (plan.pack_b(case.b()).unwrap(), &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() });
        let bias = vec![0.5; case.n];
        let epilogue = Epilogue { bias: Some(&bias), ..Epilogue::default() };
        plan.run_prepared(&rows, &packed, MatMut::new(&mut c, case.m, case.n).unwrap(), &epilogue, ctx).unwrap();
        assert_eq!(c, case.wanted().into_iter().map(|x| x + 0.5).collect::<Vec<_>>());
    }
}

#[test]
fn blocks_of_k_are_pairs_of_one_batch_reduce_call() {
    let cases: Vec<_> = (0..70).map(|seed| Case::new((6, 11, 45), seed)).collect();
    let (m, n, k) = (6, 11, 45);
    let cpu = Cpu::host().unwrap();
    let plan = BrgemmPlan::<Int8>::new(cpu, Shape { m, n, k });
    let packed: Vec<_> = cases.iter().map(|case| case.plan(&KERNEL).pack_b(case.b()).unwrap()).collect();
    let rows: Vec<_> = cases
        .iter()
        .map(|case| {
            let mut rows = RowBuf::new();
            rows.prepare(plan.kernel(), case.a(), &Serial).unwrap();
            rows
        })
        .collect();
    let (packed, rows): (Vec<_>, Vec<_>) = (packed.iter().collect(), rows.iter().collect());
    let mut c = vec![1.0; m * n];
    let operands = Brgemm { a: BlocksOfA::Prepared(&rows), b: BlocksOfB::Packed(&packed), beta: 2.0 };
    plan.run(&operands, MatMut::new(&mut c, m, n).unwrap(), &ThreadPool::new(2).unwrap()).unwrap();
    for (at, &found) in c.iter().enumerate() {
        let sum: f64 = cases.iter().map(|case| f64::from(case.element(at / n, at % n))).sum();
        assert!((f64::from(found) - (sum + 2.0)).abs() < 1e-4, "{at}: {found}, {}", sum + 2.0);
    }
}

#[test]
fn packed_weights_read_back_as_what_they_stand_for_and_may_be_shared() {
    let case = Case::new((3, 19, 77), 5);
    let plan = case.plan(&KERNEL);
    let packed = plan.pack_b(case.b()).unwrap();
    let mut column = vec![0.0; case.k];
    for j in 0..case.n {
        packed.copy_column(j, &mut column).unwrap();
        for (p, &found) in column.iter().enumerate() {
            assert!((found - case.b[p * case.n + j]).abs() <= 1.0 / 128.0, "{p} {j}");
        }
    }
    // Large allocations are aligned for every number.
    let owner = Arc::new(packed.as_bytes().to_vec());
    let mut shared = PackedB::from_shared(plan.kernel(), case.k, case.n, owner).unwrap();
    assert_eq!(shared.write(0, 0, case.b()), Err(Error::SharedWeights));
    let mut c = vec![f32::NAN; case.m * case.n];
    let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
    plan.run(case.a(), &shared, MatMut::new(&mut c, case.m, case.n).unwrap(), &Epilogue::default(), ctx).unwrap();
    assert_eq!(c, case.wanted());
    let short = Arc::new(packed.as_bytes()[1..].to_vec());
    assert!(matches!(PackedB::from_shared(plan.kernel(), case.k, case.n, short), Err(Error::Size { .. })));
}

#[test]
fn rows_and_matrices_of_another_format_are_refused() {
    let case = Case::new((2, 8, 32), 6);
    let plan = case.plan(&KERNEL);
    let packed = plan.pack_b(case.b()).unwrap();
    let mut rows = RowBuf::new();
    let f32_plan = GemmPlan::<F32>::new(Cpu::host().unwrap(), Shape { m: 2, n: 8, k: 32 });
    rows.prepare(f32_plan.kernel(), case.a(), &Serial).unwrap();
    let mut c = vec![0.0; 16];
    let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
    let place = MatMut::new(&mut c, 2, 8).unwrap();
    let refused = plan.run_prepared(&rows, &packed, place, &Epilogue::default(), ctx).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "rows of A are prepared as f32, this plan's kernel toy_int8_4x8 reads toy int8 rows; prepare them for that kernel"
    );
}
