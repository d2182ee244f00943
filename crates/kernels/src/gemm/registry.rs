//! THE list of microkernels. Dispatch, tests, benchmarks and reports all read it.
//!
//! To add a kernel: one file under `micro/`, one record here; its tests follow by themselves.

use super::micro;
use crate::cpu::{Cpu, Isa};
use crate::scheme::{F32, F64, Scheme};

/// The size of the block of C that a microkernel keeps in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Rows.
    pub mr: usize,
    /// Columns, which is also the width of a packed panel of B.
    pub nr: usize,
}

/// One A and one B block whose product is added to a tile.
#[derive(Clone, Copy)]
pub struct Pair<S: Scheme> {
    /// Element (0, 0) of the A block, strided as [`TileArgs`] says.
    pub a: *const S::A,
    /// The first element of the B panel: (k, nr), rows contiguous.
    pub b: *const S::B,
}

/// What a microkernel is asked to do: C ← finish(C₀ + Σ Aᵢ·Bᵢ) for one tile, where C₀ is 0 or what C holds.
#[derive(Clone, Copy)]
pub struct TileArgs<'a, S: Scheme> {
    /// The batch that is reduced into the tile, summed in this order, each from k = 0 up.
    pub pairs: &'a [Pair<S>],
    /// Length of each product.
    pub k: usize,
    /// Elements of A from one row to the next.
    pub a_row_stride: usize,
    /// Elements of A from one column to the next.
    pub a_col_stride: usize,
    /// Element (0, 0) of the tile in C; its rows are contiguous.
    pub c: *mut S::Acc,
    /// Elements of C from one row to the next.
    pub c_row_stride: usize,
    /// Memory that a later tile will read: one cache line is asked for with each step of k, from here on. A hint.
    pub prefetch: *const S::B,
    /// Columns of the tile that exist: 1 to nr.
    pub cols: usize,
    /// Whether C₀ is what C holds, otherwise zero and C is not read.
    pub accumulate: bool,
    /// What happens to the sums before they are stored.
    pub finish: Option<&'a super::epilogue::TileFinish>,
}

/// A microkernel for one number of rows and of vectors across.
///
/// # Safety
/// The CPU has the kernel's ISA. With `rows` the number of rows that the function is for and w the width of its vectors times
/// their number: every pair's `a` is valid for reads at `i·a_row_stride + p·a_col_stride` (i < rows, p < k), its `b` for reads of
/// k·nr elements; `c` for reads and writes at `i·c_row_stride + j` (i < rows, j < cols); w ≥ `cols` > w − one vector;
/// the pointers of `finish` for reads of what a rows × cols tile needs.
pub type TileFn<S> = unsafe fn(&TileArgs<'_, S>);

/// One record of the registry.
#[derive(Debug)]
pub struct Microkernel<S: Scheme> {
    /// ISA, scheme, rows × columns: `avx512_f32_6x64`.
    pub name: &'static str,
    /// What it needs of the CPU.
    pub isa: Isa,
    /// The largest tile.
    pub tile: Tile,
    /// Elements of one vector.
    pub lanes: usize,
    /// `functions[rows − 1][vectors − 1]`: the same tile cut to fewer rows and columns, all reading the same panels.
    pub(super) functions: &'static [&'static [TileFn<S>]],
}

/// A microkernel together with the proof that the CPU can run it.
#[derive(Clone, Copy, Debug)]
pub struct Supported<S: Scheme>(&'static Microkernel<S>);

impl<S: Scheme> Microkernel<S> {
    /// The proof that `cpu` can run this kernel, where it can.
    pub fn on(&'static self, cpu: &Cpu) -> Option<Supported<S>> {
        cpu.has(self.isa).then_some(Supported(self))
    }
}

impl<S: Scheme> Supported<S> {
    /// The record.
    pub fn record(self) -> &'static Microkernel<S> {
        self.0
    }

    /// The tile.
    pub fn tile(self) -> Tile {
        self.0.tile
    }

    /// Computes a tile of `rows` rows.
    ///
    /// # Safety
    /// As [`TileFn`], but for the ISA, with 1 ≤ rows ≤ mr and 1 ≤ `args.cols` ≤ nr.
    #[inline(always)]
    pub unsafe fn run(self, rows: usize, args: &TileArgs<'_, S>) {
        debug_assert!((1..=self.0.tile.mr).contains(&rows) && (1..=self.0.tile.nr).contains(&args.cols));
        let function = self.0.functions[rows - 1][(args.cols - 1) / self.0.lanes];
        // SAFETY: promised by the caller; the ISA by our constructor; the function is the one for these rows and columns.
        unsafe { function(args) }
    }
}

/// `functions!(entry, [rows…], [vectors…])`: the table of `micro::f32::entry`'s instances, whose panels are as wide as the
/// last of the vectors.
macro_rules! functions {
    ($entry:ident, $panel:literal, [$($rows:literal)*], $vectors:tt) => {
        &[$(functions!(@row $entry, $panel, $rows, $vectors)),*]
    };
    (@row $entry:ident, $panel:literal, $rows:literal, [$($vectors:literal)*]) => {
        &[$(micro::f32::$entry::<$rows, $vectors, $panel>),*]
    };
}

/// Microkernels for f32, the most capable ISA first.
pub(crate) static F32_KERNELS: &[Microkernel<F32>] = &[
    #[cfg(target_arch = "x86_64")]
    Microkernel {
        name: "avx512_f32_6x64",
        isa: Isa::Avx512,
        tile: Tile { mr: 6, nr: 64 },
        lanes: 16,
        functions: functions!(avx512, 4, [1 2 3 4 5 6], [1 2 3 4]),
    },
    #[cfg(target_arch = "x86_64")]
    Microkernel {
        name: "avx512_f32_8x48",
        isa: Isa::Avx512,
        tile: Tile { mr: 8, nr: 48 },
        lanes: 16,
        functions: functions!(avx512, 3, [1 2 3 4 5 6 7 8], [1 2 3]),
    },
    #[cfg(target_arch = "x86_64")]
    Microkernel {
        name: "avx512_f32_12x32",
        isa: Isa::Avx512,
        tile: Tile { mr: 12, nr: 32 },
        lanes: 16,
        functions: functions!(avx512, 2, [1 2 3 4 5 6 7 8 9 10 11 12], [1 2]),
    },
    #[cfg(target_arch = "x86_64")]
    Microkernel {
        name: "avx2_f32_6x16",
        isa: Isa::Avx2,
        tile: Tile { mr: 6, nr: 16 },
        lanes: 8,
        functions: functions!(avx2, 2, [1 2 3 4 5 6], [1 2]),
    },
    Microkernel {
        name: "scalar_f32_4x4",
        isa: Isa::Scalar,
        tile: Tile { mr: 4, nr: 4 },
        lanes: 1,
        functions: functions!(scalar, 4, [1 2 3 4], [1 2 3 4]),
    },
];

/// Microkernels for f64, the most capable ISA first.
pub(crate) static F64_KERNELS: &[Microkernel<F64>] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_agree_with_their_names() {
        for kernel in F32::kernels() {
            let Tile { mr, nr } = kernel.tile;
            assert_eq!(kernel.name, format!("{}_{}_{mr}x{nr}", kernel.isa, F32::NAME));
            assert_eq!(kernel.functions.len(), mr);
            assert!(kernel.functions.iter().all(|row| row.len() * kernel.lanes == nr), "{}", kernel.name);
            assert!(mr * nr <= super::super::macro_kernel::MAX_TILE, "{}", kernel.name);
        }
    }

    #[test]
    fn every_isa_has_a_kernel() {
        let isas: Vec<_> = F32::kernels().iter().map(|kernel| kernel.isa).collect();
        let wanted: &[Isa] = if cfg!(target_arch = "x86_64") { &Isa::ALL } else { &[Isa::Scalar] };
        assert!(wanted.iter().all(|isa| isas.contains(isa)));
    }
}
