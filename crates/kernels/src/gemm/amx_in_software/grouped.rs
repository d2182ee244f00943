//! Weights of few bits, against the kernels in plain Rust.

use crate::cpu::{Cpu, Features};
use crate::gemm::expansion::Expansion;
use crate::gemm::grouped::tile::{PANELS, on_tiles, scalar_expand_signed, scalar_wide};
use crate::gemm::grouped::{self, GroupFormat, Preparation};
use crate::gemm::micro::tile_block::every_size;
use crate::gemm::microkernel::TileKernel;
use crate::gemm::tile_args::{TileArgs, TileFn};
use crate::gemm::{Microkernel, plain_rust};
use crate::scheme::Grouped;
use crate::simd::{SoftwareTiles, TILE_ROWS};
use crate::threads::ThreadPool;
use cke_testkit::Data;

/// Rows for which panels are expanded: whole tiles, and some rows more.
const ROWS: [usize; 4] = [48, 49, 63, 80];

/// Columns of one panel to five, and K on both sides of groups and of blocks of rows.
const SIZES: [(usize, usize); 5] = [(5, 130), (16, 256), (33, 515), (48, 31), (70, 300)];

fn check<F: GroupFormat>(record: &'static Microkernel<Grouped<F>>) {
    let (kernel, pool) = (record.on(Cpu::host().unwrap()).unwrap(), ThreadPool::new(2).unwrap());
    for (index, (n, k)) in SIZES.into_iter().enumerate() {
        let m = ROWS[index % ROWS.len()];
        let mut data = Data::new(k as u64);
        let (a, b) = (data.normal(m * k, 0.0, 1.0), data.normal(k * n, 0.0, 1.0));
        let [found, wanted] =
            [kernel, plain_rust::kernel()].map(|kernel| plain_rust::product(kernel, (m, n, k), (&a, &b), &pool));
        assert_eq!(found, wanted, "{}, {m}x{n}x{k}", F::NAME);
    }
}

/// Checks a kernel of each of these formats, with the tiles of the unit in software.
macro_rules! check_formats {
    ($($format:ident)*) => {$({
        type Format = grouped::$format;
        unsafe fn tile(args: &TileArgs<'_, f32>) {
            // SAFETY: promised by the caller.
            unsafe { on_tiles::<SoftwareTiles, Format>(SoftwareTiles, args) }
        }
        const FUNCTIONS: &[&[TileFn<f32>]] = every_size!(tile, TILE_ROWS, PANELS);
        // SAFETY: functions of the format, of plain Rust, with the columns of one panel to three; `expand` makes what they read.
        const RECORD: Microkernel<Grouped<Format>> = unsafe {
            let functions: &[&[TileFn<f32>]] =
                &[&[scalar_wide::<Format, 1, 16>, scalar_wide::<Format, 1, 32>, scalar_wide::<Format, 1, 48>]];
            grouped::record::<Format>(stringify!($format), Features::NONE, functions, 1, Preparation::Baseline)
        };
        const TILES: &TileKernel<f32> =
            // SAFETY: as above.
            &unsafe { grouped::expanded_on_tiles::<Format, SoftwareTiles>(RECORD, FUNCTIONS) };
        static KERNEL: Microkernel<Grouped<Format>> =
            // SAFETY: as above.
            unsafe { RECORD.expanding(Expansion { expand: scalar_expand_signed::<Format>, tiles: TILES }) };
        check(&KERNEL);
    })*};
}

#[test]
fn expanded_panels_of_every_format_have_the_bits_of_plain_rust() {
    check_formats!(Int4_128 Iq4Nl Iq4Xs Q2_K Q3_K Q4_0 Q4_1 Q4_K Q5_0 Q5_1 Q5_K Q6_K Q8_0);
}
