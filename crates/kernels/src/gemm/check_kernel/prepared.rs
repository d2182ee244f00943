//! A test for kernels of [`Form::Blocks`], which read prepared rows and packed panels.

use super::call::{Call, ToDo};
use super::fault::{Fault, KernelFault};
use super::operands::{Numbers, Operands, Placed, Values, sums};
use super::tiles;
use crate::gemm::format::KBlocks;
use crate::gemm::microkernel::{Form, Supported, Tile};
use crate::gemm::packed::PackedB;
use crate::gemm::rows::RowBuf;
use crate::gemm::tile_args::Pair;
use crate::scheme::Scheme;
use crate::threads::Serial;
use crate::view::MatRef;

/// Tests a kernel that reads prepared rows and packed panels, on every number of rows and columns of its tile, with depths up to 300, one
/// and two pairs and everything that [`Store`](crate::gemm::Store) can ask for; what packs B, what reads it back and what prepares A
/// along with it.
///
/// Operands are whole numbers from −127 to 127, of which every sixteenth along K is −127 or 127: what quantises to eight bits
/// symmetrically, by the largest magnitude in groups of a multiple of 16, holds them exactly, and so do bf16 and f16. Sums are exact in
/// f32 then, in whatever order they are made, and one wrong term shows.
///
/// # Errors
/// Returns the first fault found.
///
/// # Panics
/// If the kernel is of another [`Form`], or there is no memory for the operands of a tile.
pub fn check_prepared_kernel<S>(kernel: Supported<S>) -> Result<(), KernelFault>
where
    S: Scheme<A = f32, B = f32, C = f32>,
{
    assert!(kernel.record().form() == Form::Blocks, "wanted a kernel of prepared rows and packed panels");
    for (seed, &k) in (1..).zip(DEPTHS) {
        for pairs in [1, 2] {
            let operands = Prepared::new(kernel, k, pairs, seed);
            let call = |to_do, (rows, cols), split| Call { kernel, operands: &operands, rows, cols, to_do, split };
            operands.check_columns().map_err(|fault| call(ToDo::Overwrite, (1, 1), None).fault(fault))?;
            let sums = operands.sums();
            let check =
                |call: Call<'_, S>| call.check(&|row, col| call.wanted(row, col, sums[row * kernel.tile().nr + col]));
            for to_do in ToDo::ALL.into_iter().filter(|to_do| !matches!(to_do, ToDo::CopyB)) {
                tiles(kernel.tile()).try_for_each(|tile| check(call(to_do, tile, None)))?;
                let Tile { mr, nr } = kernel.tile();
                if let Some(at) = split(kernel, k, pairs).filter(|_| !matches!(to_do, ToDo::Epilogue { .. })) {
                    [(1, 1), (mr, nr)].into_iter().try_for_each(|tile| check(call(to_do, tile, Some(at))))?;
                }
            }
        }
    }
    Ok(())
}

/// Depths on both sides of what is usual for quads, vectors and groups; 2 · 300 · 127² is exact in f32.
const DEPTHS: &[usize] = &[1, 3, 4, 5, 17, 33, 64, 130, 300];

/// Where a first of two calls may end: after a block of K, or after the first pair.
fn split<S: Scheme>(kernel: Supported<S>, k: usize, pairs: usize) -> Option<usize> {
    match kernel.record().tiles.k_blocks {
        KBlocks::Multiples(of) if of < k => Some(of),
        KBlocks::Multiples(_) if pairs > 1 => Some(k),
        _ => None,
    }
}

/// Aᵢ (mr, k) and Bᵢ (k, nr), as they are and as the kernel reads them.
struct Prepared<S: Scheme> {
    values: Values<f32>,
    a: Vec<Vec<f32>>,
    b: Vec<Vec<f32>>,
    rows: Vec<RowBuf>,
    panels: Vec<PackedB<S>>,
}

impl<S: Scheme<A = f32, B = f32, C = f32>> Prepared<S> {
    fn new(kernel: Supported<S>, k: usize, pairs: usize, seed: u64) -> Self {
        const MEMORY: &str = "memory for the operands of a tile";
        let (tile, mut numbers) = (kernel.tile(), Numbers(seed));
        let Tile { mr, nr } = tile;
        let values = Values::new(tile, k, pairs, 1.0, &mut numbers);
        let a: Vec<Vec<f32>> =
            (0..pairs).map(|_| (0..mr * k).map(|at| quantised(at % k, &mut numbers)).collect()).collect();
        let b: Vec<Vec<f32>> =
            (0..pairs).map(|_| (0..k * nr).map(|at| quantised(at / nr, &mut numbers)).collect()).collect();
        let rows = a.iter().map(|a| {
            let mut rows = RowBuf::new();
            let a = MatRef::new(a, mr, k).expect("of this size");
            rows.prepare(kernel, a, &Serial).expect(MEMORY);
            rows
        });
        let panels = b.iter().map(|b| {
            let mut panels = PackedB::zeroed(kernel, k, nr).expect(MEMORY);
            panels.write(0, 0, MatRef::new(b, k, nr).expect("of this size")).expect("its own panels");
            panels
        });
        let (rows, panels) = (rows.collect(), panels.collect());
        Prepared { values, a, b, rows, panels }
    }

    /// Σ Aᵢ·Bᵢ (mr, nr).
    fn sums(&self) -> Vec<f64> {
        sums(self.values.tile, self.values.k, &self.a, &self.b)
    }

    /// Whether packed columns read back as they were.
    fn check_columns(&self) -> Result<(), Fault> {
        let (nr, mut column) = (self.values.tile.nr, vec![0.0; self.values.k]);
        for (panels, b) in self.panels.iter().zip(&self.b) {
            for col in 0..nr {
                panels.copy_column(col, &mut column).expect("a column of this length");
                for (row, &found) in column.iter().enumerate() {
                    let wanted = b[row * nr + col];
                    if found != wanted {
                        return Err(Fault::Column { row, col, wanted: wanted.into(), found: found.into() });
                    }
                }
            }
        }
        Ok(())
    }
}

/// The element of step `p`.
fn quantised(p: usize, numbers: &mut Numbers) -> f32 {
    let number = numbers.next(127);
    if p.is_multiple_of(16) { 127f32.copysign(number) } else { number }
}

impl<S: Scheme<A = f32, B = f32, C = f32>> Operands<f32> for Prepared<S> {
    fn values(&self) -> &Values<f32> {
        &self.values
    }

    fn place(&self, _rows: usize, _cols: usize) -> Placed<f32> {
        let (rows, format) = (self.rows[0].operand(), self.panels[0].format());
        let pair =
            |(rows, panels): (&RowBuf, &PackedB<S>)| Pair { a: rows.operand().data, b: panels.as_bytes().as_ptr() };
        Placed {
            pairs: self.rows.iter().zip(&self.panels).map(pair).collect(),
            a_row_stride: rows.row_stride,
            a_col_stride: rows.col_stride,
            b_stride: format.block_bytes,
            panel_stride: format.panel_bytes(self.values.k),
            _memory: Vec::new(),
        }
    }

    fn first_b(&self, row: usize, col: usize) -> f64 {
        self.b[0][row * self.values.tile.nr + col].into()
    }
}
