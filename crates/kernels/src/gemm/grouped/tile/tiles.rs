//! The tile by expanded panels on a unit with tiles: it multiplies a group of up to 16 rows by a panel at once, and leaves the exact sums in
//! memory, from where they are scaled and added in vectors.
//!
//! ```text
//! for each 256 steps, for each panel:   the sums of 16 rows, in registers
//!     for each group:                   the products of the next group, by the unit
//!                                       sums += (scale · scale of the row) · products (+ minimum · (scale of the row · sum of the row))
//! ```

use crate::gemm::grouped::expanded::Expanded;
use crate::gemm::grouped::format::{COLS, Columns, Decode, Places, WORD};
use crate::gemm::grouped::rows::{NUMBERS, ROW_BLOCK, scale, scaled_sum};
use crate::gemm::micro::in_memory::{SumsInMemory, add_scaled, multiply_add};
use crate::gemm::micro::operands::keep_in_memory;
use crate::gemm::micro::tile_block::{configure, session};
use crate::gemm::microkernel::Session;
use crate::gemm::tile_args::{Piece, Pieces, TileArgs};
use crate::simd::{Amx, TILE_ROWS, TileUnit};
use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// Panels of a tile.
pub(in crate::gemm) const PANELS: usize = 3;

/// Bricks of a group, which are multiplied at a time; of long groups, of a half.
const fn bricks<F: Decode>() -> usize {
    let bricks = F::GROUP / WORD;
    if bricks < TILE_ROWS { bricks } else { TILE_ROWS }
}

/// What these tiles need before and after them.
pub(in crate::gemm) const fn session_of<F: Decode, U: TileUnit>() -> Session {
    match bricks::<F>() {
        4 => session::<U, 4>(),
        8 => session::<U, 8>(),
        TILE_ROWS => session::<U, TILE_ROWS>(),
        _ => panic!("wanted a session of the bricks of a group"),
    }
}

/// # Safety
/// As [`TileFn`](crate::gemm::TileFn) for up to 16 rows and 48 columns, with rows of the module's format and signed expanded panels of F, inside a
/// session, on a CPU with AMX-INT8 and AVX-512 F, VL, BW and DQ, in a process that may use tiles.
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(in crate::gemm) unsafe fn amx<F: Decode>(args: &TileArgs<'_, f32>) {
    // SAFETY: promised by the caller.
    unsafe { on_tiles::<Amx, F>(Amx::assume(), args) }
}

/// # Safety
/// As [`amx`], on a CPU that has the unit.
#[inline(always)]
pub(in crate::gemm) unsafe fn on_tiles<U: TileUnit, F: Decode>(unit: U, args: &TileArgs<'_, f32>) {
    // SAFETY: the operands are blocks of these formats, promised by the caller.
    unsafe {
        configure(unit, args.rows, const { bricks::<F>() });
        let mut total = SumsInMemory::<COLS, PANELS, TILE_ROWS>::zeros();
        total.begin(args.rows, args);
        let sums = total.rows().cast::<[f32; COLS]>();
        let mut products = [const { Products::none() }; 2];
        let mut parts = Parts::new(args);
        let (mut next, mut turn) = (parts.next::<F>(), 0);
        if let Some(first) = &next {
            first.multiply::<U, F>(unit, 0, &mut products[turn]);
        }
        while let Some(part) = next {
            next = parts.next::<F>();
            turn = part.add::<U, F>(unit, next.as_ref(), (&mut products, turn), (args.rows, sums));
        }
        total.store(unit.floats(), args.rows, args);
    }
}

/// The parts of a tile in order: for each 256 steps all panels.
struct Parts<'r, 'a> {
    args: &'r TileArgs<'a, f32>,
    pieces: Pieces<'a>,
    piece: Option<Piece>,
    panel: usize,
}

impl<'r, 'a> Parts<'r, 'a> {
    #[inline(always)]
    fn new(args: &'r TileArgs<'a, f32>) -> Self {
        let mut pieces = args.pieces(ROW_BLOCK);
        Parts { args, piece: pieces.next(), pieces, panel: 0 }
    }

    #[inline(always)]
    fn next<F: Decode>(&mut self) -> Option<Part> {
        let args = self.args;
        if self.panel == args.cols.div_ceil(COLS) {
            (self.piece, self.panel) = (self.pieces.next(), 0);
        }
        let Piece { pair, offset, steps } = self.piece?;
        let panel = self.panel;
        self.panel += 1;
        Some(Part {
            rows: pair.a.wrapping_add(offset / ROW_BLOCK * args.a_col_stride),
            row_stride: args.a_row_stride,
            groups: pair.b.wrapping_add(panel * args.panel_stride + offset / F::GROUP * args.b_stride),
            group_stride: args.b_stride,
            count: steps.div_ceil(F::GROUP),
            panel,
        })
    }
}

/// Exact sums of the products of a group, of 16 rows.
#[repr(C, align(64))]
struct Products(MaybeUninit<[[i32; COLS]; TILE_ROWS]>);

impl Products {
    const fn none() -> Self {
        Products(MaybeUninit::uninit())
    }

    /// # Safety
    /// The unit stored this row.
    #[inline(always)]
    unsafe fn row(&self, row: usize) -> [f32; COLS] {
        let mut floats = [0.0; COLS];
        // SAFETY: promised by the caller; a row of them.
        let products = unsafe { &*self.0.as_ptr().cast::<[i32; COLS]>().add(row) };
        for (float, &product) in floats.iter_mut().zip(products) {
            *float = product as f32;
        }
        floats
    }
}

/// Up to 256 steps of the rows and one panel.
#[derive(Clone, Copy)]
struct Part {
    /// The block of the first row.
    rows: *const u8,
    row_stride: usize,
    /// The first group of the panel.
    groups: *const u8,
    group_stride: usize,
    /// Groups.
    count: usize,
    panel: usize,
}

impl Part {
    /// products ← the exact sums of products of a group.
    ///
    /// # Safety
    /// The tiles are configured for the rows; rows and panels are valid for reads of the group.
    #[inline(always)]
    unsafe fn multiply<U: TileUnit, F: Decode>(&self, unit: U, group: usize, products: &mut Products) {
        let rows = self.rows.wrapping_add(NUMBERS + group * F::GROUP);
        let brick = self.columns::<F>(group).word(0);
        // SAFETY: promised by the caller.
        unsafe {
            unit.zero::<0>();
            for first in (0..F::GROUP / WORD).step_by(const { bricks::<F>() }) {
                unit.load::<4>(rows.wrapping_add(first * WORD), self.row_stride);
                unit.load::<6>(brick.wrapping_add(first * WORD * COLS), WORD * COLS);
                unit.add_quads::<0, 4, 6>();
            }
            unit.store::<0>(products.0.as_mut_ptr().cast(), WORD * COLS);
        }
    }

    #[inline(always)]
    fn columns<F: Decode>(&self, group: usize) -> Columns<Expanded<F>> {
        let block = self.groups.wrapping_add(group * self.group_stride);
        Columns::new(block, const { Places::of::<Expanded<F>>(0) }, 0)
    }

    /// sums += the scaled products of all groups. The sums of 16 rows are in registers meanwhile, those of fewer in memory. The products of the
    /// first group are already there, in the room whose turn it is; returns that of those of the next part, which are multiplied before
    /// the last ones here are added.
    ///
    /// # Safety
    /// As [`Part::multiply`] for all groups, and the first of the next part; `sums` has a vector for each row and panel.
    #[inline(always)]
    unsafe fn add<U: TileUnit, F: Decode>(
        &self,
        unit: U,
        next: Option<&Part>,
        (products, mut turn): (&mut [Products; 2], usize),
        (rows, sums): (usize, *mut [f32; COLS]),
    ) -> usize {
        let sums = sums.wrapping_add(self.panel);
        // SAFETY: promised by the caller.
        unsafe {
            if rows < TILE_ROWS {
                for group in 0..self.count {
                    self.multiply_next::<U, F>(unit, group, next, &mut products[1 - turn]);
                    let scaled = self.scaled::<F>(group, &products[turn]);
                    for row in 0..rows {
                        let sum = sums.add(row * PANELS);
                        sum.write(scaled.add(unit, row, sum.read()));
                    }
                    turn = 1 - turn;
                }
                return turn;
            }
            let mut total: [_; TILE_ROWS] = std::array::from_fn(|row| sums.add(row * PANELS).read());
            for group in 0..self.count {
                self.multiply_next::<U, F>(unit, group, next, &mut products[1 - turn]);
                let scaled = self.scaled::<F>(group, &products[turn]);
                for row in 0..TILE_ROWS {
                    total[row] = scaled.add(unit, row, total[row]);
                    // The compiler would convert all rows first, for which there are no registers.
                    keep_in_memory();
                }
                turn = 1 - turn;
            }
            for row in 0..TILE_ROWS {
                sums.add(row * PANELS).write(total[row]);
            }
        }
        turn
    }

    /// products ← those of the group after this one, which may be the first of the next part.
    ///
    /// # Safety
    /// As [`Part::add`].
    #[inline(always)]
    unsafe fn multiply_next<U: TileUnit, F: Decode>(
        &self,
        unit: U,
        group: usize,
        next: Option<&Part>,
        products: &mut Products,
    ) {
        // SAFETY: promised by the caller.
        unsafe {
            if group + 1 < self.count {
                self.multiply::<U, F>(unit, group + 1, products);
            } else if let Some(next) = next {
                next.multiply::<U, F>(unit, 0, products);
            }
        }
    }

    /// # Safety
    /// As [`Part::multiply`].
    #[inline(always)]
    unsafe fn scaled<'p, F: Decode>(&self, group: usize, products: &'p Products) -> Scaled<'p, F> {
        let columns = self.columns::<F>(group);
        // SAFETY: promised by the caller.
        unsafe {
            Scaled {
                products,
                rows: self.rows,
                row_stride: self.row_stride,
                start: group * F::GROUP,
                scales: columns.number(0).cast::<[f32; COLS]>().read_unaligned(),
                minimums: if F::HAS_MINIMUM {
                    columns.number(1).cast::<[f32; COLS]>().read_unaligned()
                } else {
                    [0.0; COLS]
                },
                format: PhantomData,
            }
        }
    }
}

/// The products of a group, and what they are scaled by.
struct Scaled<'p, F> {
    products: &'p Products,
    rows: *const u8,
    row_stride: usize,
    start: usize,
    scales: [f32; COLS],
    minimums: [f32; COLS],
    format: PhantomData<F>,
}

impl<F: Decode> Scaled<'_, F> {
    /// sum + (scale · scale of the row) · products (+ minimum · (scale of the row · sum of the row))
    ///
    /// # Safety
    /// The row is valid for reads of its block, and its products were stored.
    #[inline(always)]
    unsafe fn add<U: TileUnit>(&self, unit: U, row: usize, mut sum: [f32; COLS]) -> [f32; COLS] {
        let s = unit.floats();
        // SAFETY: promised by the caller.
        unsafe {
            let block = self.rows.wrapping_add(row * self.row_stride);
            let row_scale = block.wrapping_add(scale(self.start)).cast::<f32>().read_unaligned();
            sum = add_scaled(s, sum, row_scale, self.scales, self.products.row(row));
            if F::HAS_MINIMUM {
                let row_sum = block.wrapping_add(scaled_sum(F::GROUP, self.start)).cast::<f32>().read_unaligned();
                sum = multiply_add(s, sum, self.minimums, [row_sum; COLS]);
            }
        }
        sum
    }
}
