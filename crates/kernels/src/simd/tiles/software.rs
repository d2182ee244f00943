//! The unit in plain Rust, for tests. What would be an exception is a panic.
//!
//! Source: Intel SDM volume 2: LDTILECFG, TILELOADD, TILESTORED, TDPBSSD and TDPBF16PS, operation and exceptions.

use super::{TILE_ROW_BYTES, TILE_ROWS, TileConfig, TileUnit};
use crate::numbers::bf16::bf16_to_f32;
use crate::simd::Scalar;
use std::array::from_fn;
use std::cell::RefCell;

/// Tiles of palette 1.
const TILES: usize = 8;

/// A tile. Bytes beyond its sizes are zeros.
#[derive(Clone, Copy)]
struct Tile {
    rows: usize,
    row_bytes: usize,
    data: [[u8; TILE_ROW_BYTES]; TILE_ROWS],
}

thread_local! {
    /// The tiles of this thread; none before the first configuration and after the release.
    static UNIT: RefCell<Option<[Tile; TILES]>> = const { RefCell::new(None) };
}

impl Tile {
    fn cleared(rows: usize, row_bytes: usize) -> Tile {
        Tile { rows, row_bytes, data: [[0; TILE_ROW_BYTES]; TILE_ROWS] }
    }

    /// A tile of this thread.
    fn get(index: u8) -> Tile {
        UNIT.with_borrow(|unit| {
            let tile = unit.as_ref().expect("tiles are configured")[usize::from(index)];
            assert!(tile.rows > 0 && tile.row_bytes > 0, "tile {index} is configured");
            tile
        })
    }

    fn put(self, index: u8) {
        UNIT.with_borrow_mut(|unit| unit.as_mut().expect("tiles are configured")[usize::from(index)] = self);
    }

    /// The four bytes of a row and column.
    fn word(&mut self, row: usize, col: usize) -> &mut [u8; 4] {
        &mut self.data[row].as_chunks_mut().0[col]
    }

    /// Replaces each word of C by `sum(words of a row of A, words of a column of B, word of C)`.
    fn update<const C: u8, const A: u8, const B: u8>(sum: impl Fn(&[[u8; 4]], &[[u8; 4]], [u8; 4]) -> [u8; 4]) {
        let (mut c, a, mut b) = (Tile::get(C), Tile::get(A), Tile::get(B));
        assert!(C != A && C != B && A != B, "three tiles");
        assert!([c, a, b].iter().all(|tile| tile.row_bytes % 4 == 0), "rows of whole words");
        assert_eq!(c.rows, a.rows, "C has the rows of A");
        assert_eq!(c.row_bytes, b.row_bytes, "C has the columns of B");
        assert_eq!(a.row_bytes / 4, b.rows, "A has a word for each row of B");
        for n in 0..c.row_bytes / 4 {
            let column: [_; TILE_ROWS] = from_fn(|k| *b.word(k, n));
            for m in 0..c.rows {
                let word = c.word(m, n);
                *word = sum(&a.data[m].as_chunks().0[..b.rows], &column[..b.rows], *word);
            }
        }
        c.put(C);
    }
}

/// See the module.
#[derive(Clone, Copy)]
pub(crate) struct SoftwareTiles;

// SAFETY: loads and stores touch `row_bytes` bytes of each configured row.
unsafe impl TileUnit for SoftwareTiles {
    type Floats = Scalar;

    unsafe fn assume() -> Self {
        SoftwareTiles
    }

    fn floats(self) -> Scalar {
        Scalar
    }

    unsafe fn configure(self, config: &TileConfig) {
        let TileConfig { palette, start_row, reserved, row_bytes, rows } = *config;
        assert_eq!((palette, start_row, reserved), (1, 0, [0; 14]));
        let sizes = rows.map(usize::from).into_iter().zip(row_bytes.map(usize::from));
        for (index, (rows, row_bytes)) in sizes.clone().enumerate() {
            assert!(rows <= TILE_ROWS && row_bytes <= TILE_ROW_BYTES, "tile {index} of {rows} rows of {row_bytes}");
            assert_eq!(rows == 0, row_bytes == 0, "tile {index} has both sizes or none");
            assert!(index < TILES || rows == 0, "eight tiles");
        }
        let sizes: Vec<_> = sizes.collect();
        UNIT.set(Some(from_fn(|index| Tile::cleared(sizes[index].0, sizes[index].1))));
    }

    fn release(self) {
        UNIT.set(None);
    }

    unsafe fn zero<const T: u8>(self) {
        let Tile { rows, row_bytes, .. } = Tile::get(T);
        Tile::cleared(rows, row_bytes).put(T);
    }

    unsafe fn load<const T: u8>(self, rows: *const u8, stride: usize) {
        let mut tile = Tile::get(T);
        for i in 0..tile.rows {
            // SAFETY: a row of the tile, which the caller vouches for.
            let row = unsafe { std::slice::from_raw_parts(rows.wrapping_add(i * stride), tile.row_bytes) };
            tile.data[i][..row.len()].copy_from_slice(row);
        }
        tile.put(T);
    }

    unsafe fn load_once<const T: u8>(self, rows: *const u8, stride: usize) {
        // SAFETY: promised by the caller.
        unsafe { self.load::<T>(rows, stride) }
    }

    unsafe fn store<const T: u8>(self, rows: *mut u8, stride: usize) {
        let tile = Tile::get(T);
        for i in 0..tile.rows {
            // SAFETY: a row of the tile, which the caller vouches for.
            unsafe { rows.wrapping_add(i * stride).copy_from_nonoverlapping(tile.data[i].as_ptr(), tile.row_bytes) };
        }
    }

    unsafe fn add_quads<const C: u8, const A: u8, const B: u8>(self) {
        Tile::update::<C, A, B>(|row, column, sum| {
            let products = row.as_flattened().iter().zip(column.as_flattened());
            let sum = products.fold(i32::from_le_bytes(sum), |sum, (&a, &b)| {
                sum.wrapping_add(i32::from(a as i8) * i32::from(b as i8))
            });
            sum.to_le_bytes()
        });
    }

    unsafe fn add_pairs<const C: u8, const A: u8, const B: u8>(self) {
        Tile::update::<C, A, B>(|row, column, sum| {
            let chain = |first: usize| {
                row.iter().zip(column).fold(0.0, |sum, (a, b)| {
                    let [a, b] = [a, b].map(|pair| flushed(bf16_to_f32(half(*pair, first))));
                    flushed(a.mul_add(b, sum))
                })
            };
            let sums = flushed(chain(0) + chain(1));
            flushed(flushed(f32::from_le_bytes(sum)) + sums).to_le_bytes()
        });
    }
}

/// A number of a pair.
fn half(pair: [u8; 4], index: usize) -> u16 {
    u16::from_le_bytes([pair[2 * index], pair[2 * index + 1]])
}

/// Zero for a number that is denormal.
fn flushed(x: f32) -> f32 {
    if x.is_subnormal() { 0f32.copysign(x) } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: TileConfig = TileConfig::NONE.with(0, 2, 8).with(1, 2, 12).with(2, 3, 8);

    /// Runs in a thread of its own, since what panics leaves tiles behind.
    fn panics(run: impl FnOnce() + Send + 'static) -> bool {
        std::thread::spawn(run).join().is_err()
    }

    fn configured(config: TileConfig) -> SoftwareTiles {
        // SAFETY: the software unit checks sizes.
        unsafe { SoftwareTiles.configure(&config) };
        SoftwareTiles
    }

    #[test]
    fn quads_are_multiplied_by_columns() {
        let (a, b): ([i8; 24], [i8; 24]) = (from_fn(|i| i as i8 - 12), from_fn(|i| 5 * i as i8 - 60));
        let mut c = [0i32; 4];
        let unit = configured(CONFIG);
        // SAFETY: a tile's rows each; sizes fit.
        unsafe {
            unit.zero::<0>();
            unit.load::<1>(a.as_ptr().cast(), 12);
            unit.load::<2>(b.as_ptr().cast(), 8);
            unit.add_quads::<0, 1, 2>();
            unit.add_quads::<0, 1, 2>();
            unit.store::<0>(c.as_mut_ptr().cast(), 8);
        }
        for (at, &found) in c.iter().enumerate() {
            let (m, n) = (at / 2, at % 2);
            let product = |k: usize| i32::from(a[12 * m + k]) * i32::from(b[k / 4 * 8 + 4 * n + k % 4]);
            assert_eq!(found, 2 * (0..12).map(product).sum::<i32>(), "{m} {n}");
        }
    }

    #[test]
    fn pairs_are_summed_apart_and_denormal_numbers_are_zeros() {
        // 2²⁴ + 1 − 2²⁴ along first numbers loses the 1 of second numbers only if both are one sum.
        let big = 0x4b80;
        let (a, b) = ([big, 0x3f80, big | 0x8000, 0x0001], [0x3f80; 4]);
        let unit = configured(TileConfig::NONE.with(3, 1, 4).with(4, 1, 8).with(5, 2, 4));
        let mut c = 0f32;
        // SAFETY: a tile's rows each; sizes fit.
        unsafe {
            unit.load::<4>(<*const u16>::cast(a.as_ptr()), 8);
            unit.load::<5>(<*const u16>::cast(b.as_ptr()), 4);
            unit.add_pairs::<3, 4, 5>();
            unit.store::<3>((&raw mut c).cast(), 4);
        }
        assert_eq!(c, 1.0);
    }

    #[test]
    fn what_a_unit_refuses_panics() {
        assert!(panics(|| {
            configured(TileConfig::NONE.with(0, 17, 64));
        }));
        assert!(panics(|| {
            configured(TileConfig::NONE.with(0, 1, 65));
        }));
        assert!(panics(|| {
            configured(TileConfig::NONE.with(8, 1, 64));
        }));
        assert!(panics(|| {
            configured(TileConfig { palette: 2, ..CONFIG });
        }));
        // SAFETY: the software unit checks what is configured.
        assert!(panics(|| unsafe { SoftwareTiles.zero::<0>() }));
        // SAFETY: as above.
        assert!(panics(|| unsafe { configured(CONFIG).zero::<7>() }));
        // SAFETY: as above.
        assert!(panics(|| unsafe { configured(CONFIG).add_quads::<0, 2, 1>() }));
        // SAFETY: as above.
        assert!(panics(|| unsafe { configured(CONFIG).add_pairs::<0, 1, 1>() }));
        assert!(panics(|| {
            configured(CONFIG).release();
            // SAFETY: as above.
            unsafe { SoftwareTiles.zero::<0>() }
        }));
    }
}
