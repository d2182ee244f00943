//! Direct calls of every microkernel: each number of rows and columns that its tile can be cut to.

use crate::kernels::kernels;
use cke_kernels::gemm::{Pair, Supported, TileArgs};
use cke_kernels::scheme::F32;
use cke_testkit::shapes::Storage;
use cke_testkit::{Data, Element, Guarded, Layout, Matrix, PageGuarded, View, oracle, tolerance};

/// Depths of one pair: none, one step, and more than any unrolled loop takes at a time.
const DEPTHS: [usize; 5] = [0, 1, 2, 3, 17];
/// Canaries after each row of C. More than a vector, so that no masked store of one row hides in the next one.
const C_GAP: usize = 19;

/// One call: what is multiplied, and where the operands lie.
struct TileCase {
    kernel: Supported<F32>,
    rows: usize,
    cols: usize,
    k: usize,
    batch: usize,
    a_layout: Layout,
    accumulate: bool,
}

impl std::fmt::Display for TileCase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let TileCase { rows, cols, k, batch, accumulate, .. } = self;
        let name = self.kernel.record().name;
        write!(f, "{name}: {rows}x{cols}, k = {k}, {batch} pairs, accumulate {accumulate}, A {:?}", self.a_layout)
    }
}

impl TileCase {
    fn nr(&self) -> usize {
        self.kernel.tile().nr
    }

    /// The A blocks side by side, (rows, batch · k).
    fn a_values(&self, data: &mut Data) -> Vec<f32> {
        data.uniform(self.rows * self.batch * self.k)
    }

    /// The B blocks one below the other, (batch · k, cols).
    fn b_values(&self, data: &mut Data) -> Vec<f32> {
        data.uniform(self.batch * self.k * self.cols)
    }

    /// Block `index` of A in its layout, canaries in the gaps.
    fn a_block(&self, values: &[f32], index: usize) -> Matrix<f32> {
        let all = View::row_major(values, self.rows, self.batch * self.k);
        let block: Vec<f32> =
            (0..self.rows).flat_map(|i| (0..self.k).map(move |p| all.at(i, index * self.k + p))).collect();
        Matrix::with_layout(self.a_layout, &block)
    }

    /// Block `index` of B as a panel (k, nr). The columns past the tile's are NaN: none of them may reach C.
    fn b_panel(&self, values: &[f32], index: usize) -> Vec<f32> {
        let mut panel = vec![f32::NAN; self.k * self.nr()];
        for (p, row) in panel.chunks_exact_mut(self.nr()).enumerate() {
            let start = (index * self.k + p) * self.cols;
            row[..self.cols].copy_from_slice(&values[start..start + self.cols]);
        }
        panel
    }

    /// What C holds before: values where they count, NaN where they must not be read.
    fn c_before(&self, data: &mut Data) -> Matrix<f32> {
        let layout = Layout::padded(self.rows, self.cols, C_GAP);
        let len = self.rows * self.cols;
        let values = if self.accumulate { data.uniform(len) } else { vec![f32::CANARY; len] };
        Matrix::with_layout(layout, &values)
    }

    /// Calls the microkernel.
    ///
    /// # Safety
    /// `pairs` are A blocks in this case's layout and B panels; `c` is valid for this case's tile with rows that stand
    /// `C_GAP` further apart than they are long.
    unsafe fn run(&self, pairs: &[Pair<F32>], c: *mut f32) {
        let args = TileArgs {
            pairs,
            k: self.k,
            a_row_stride: self.a_layout.row_stride,
            a_col_stride: self.a_layout.col_stride,
            c,
            c_row_stride: self.cols + C_GAP,
            cols: self.cols,
            prefetch: std::ptr::null(),
            accumulate: self.accumulate,
            finish: None,
        };
        // SAFETY: the operands are promised by the caller; 1 ≤ rows ≤ mr and 1 ≤ cols ≤ nr by the loops below.
        unsafe { self.kernel.run(self.rows, &args) }
    }

    /// Compares C after the call with the oracle.
    #[track_caller]
    fn check(&self, a: &[f32], b: &[f32], before: View<'_, f32>, after: &[f32]) {
        let k = self.batch * self.k;
        let (a, b) = (View::row_major(a, self.rows, k), View::row_major(b, k, self.cols));
        let beta = if self.accumulate { 1.0 } else { 0.0 };
        let wanted = oracle::Gemm { alpha: 1.0, a, b, beta, c: before };
        tolerance::assert_close(&self.to_string(), after, &wanted.exact(), &wanted.bound());
    }

    /// Runs on operands between canaries, the rows of C included.
    fn run_between_canaries(&self, data: &mut Data) {
        let (a, b) = (self.a_values(data), self.b_values(data));
        let a_blocks: Vec<_> = (0..self.batch).map(|index| self.a_block(&a, index)).collect();
        let b_panels: Vec<_> = (0..self.batch).map(|index| Guarded::new(&self.b_panel(&b, index))).collect();
        let pairs: Vec<_> = a_blocks
            .iter()
            .zip(&b_panels)
            .map(|(a, b)| Pair { a: a.as_slice().as_ptr(), b: b.as_slice().as_ptr() })
            .collect();
        let before = self.c_before(data);
        let mut after = Matrix::with_layout(before.layout(), &before.to_row_major());
        // SAFETY: blocks, panels and C are laid out as `run` asks.
        unsafe { self.run(&pairs, after.as_mut_slice().as_mut_ptr()) };
        after.check();
        self.check(&a, &b, before.view(), &after.to_row_major());
    }

    /// Runs on operands that end, or begin, at a page without access.
    fn run_at_page_border(&self, guard: fn(&[f32]) -> PageGuarded<f32>, data: &mut Data) {
        assert_eq!(self.batch, 1, "one pair tells as much as several");
        let (a, b) = (self.a_values(data), self.b_values(data));
        let a_block = guard(self.a_block(&a, 0).as_slice());
        let b_panel = guard(&self.b_panel(&b, 0));
        let before = self.c_before(data);
        let mut after = guard(before.as_slice());
        let pair = Pair { a: a_block.as_slice().as_ptr(), b: b_panel.as_slice().as_ptr() };
        // SAFETY: block, panel and C are laid out as `run` asks.
        unsafe { self.run(&[pair], after.as_mut_slice().as_mut_ptr()) };
        let after = View::new(after.as_slice(), before.layout()).to_row_major();
        self.check(&a, &b, before.view(), &after);
    }
}

/// Every kernel with every number of rows and of columns that its tile can be cut to.
fn for_each_tile(mut test: impl FnMut(Supported<F32>, usize, usize)) {
    for kernel in kernels() {
        let tile = kernel.tile();
        for rows in 1..=tile.mr {
            (1..=tile.nr).for_each(|cols| test(kernel, rows, cols));
        }
    }
}

#[test]
fn tile_of_every_size_depth_and_batch_matches_the_oracle() {
    let mut data = Data::new(21);
    for_each_tile(|kernel, rows, cols| {
        for k in DEPTHS {
            for batch in 0..=3 {
                let a_layout = Storage::ALL[(rows + cols + k + batch) % Storage::ALL.len()].layout(rows, k);
                for accumulate in [false, true] {
                    TileCase { kernel, rows, cols, k, batch, a_layout, accumulate }.run_between_canaries(&mut data);
                }
            }
        }
    });
}

#[test]
fn tile_with_every_stride_of_a_matches_the_oracle() {
    let mut data = Data::new(22);
    for kernel in kernels() {
        let (rows, cols) = (kernel.tile().mr, kernel.tile().nr);
        for k in DEPTHS {
            let far = Layout { rows, cols: k, row_stride: 3, col_stride: 3 * rows + 7 };
            for a_layout in Storage::ALL.map(|storage| storage.layout(rows, k)).into_iter().chain([far]) {
                let case = TileCase { kernel, rows, cols, k, batch: 2, a_layout, accumulate: true };
                case.run_between_canaries(&mut data);
            }
        }
    }
}

#[test]
fn tile_at_a_page_border_touches_nothing_beyond() {
    let mut data = Data::new(23);
    for_each_tile(|kernel, rows, cols| {
        for (k, storage) in [(1, Storage::RowMajor), (3, Storage::ColMajor), (3, Storage::RowMajor)] {
            let accumulate = (rows + cols + k) % 2 == 0;
            let case = TileCase { kernel, rows, cols, k, batch: 1, a_layout: storage.layout(rows, k), accumulate };
            case.run_at_page_border(PageGuarded::at_end, &mut data);
            case.run_at_page_border(PageGuarded::at_start, &mut data);
        }
    });
}

#[test]
fn tile_without_terms_is_zero_or_the_old_c_bit_for_bit() {
    let mut data = Data::new(24);
    for_each_tile(|kernel, rows, cols| {
        for accumulate in [false, true] {
            let case =
                TileCase { kernel, rows, cols, k: 5, batch: 0, a_layout: Layout::row_major(rows, 5), accumulate };
            let before = case.c_before(&mut data);
            let mut after = Matrix::with_layout(before.layout(), &before.to_row_major());
            // SAFETY: no pairs; C is laid out as `run` asks.
            unsafe { case.run(&[], after.as_mut_slice().as_mut_ptr()) };
            let wanted = if accumulate { before.to_row_major() } else { vec![0.0; rows * cols] };
            tolerance::assert_identical(&case.to_string(), &after.to_row_major(), &wanted);
            after.check();
        }
    });
}
