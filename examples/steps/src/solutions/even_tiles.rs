//! Step 8 with rows split evenly: 7 rows are tiles of 4 and 3, not of 6 and 1.

use crate::product::Product;
use crate::step3_vectors;
use crate::step5_register_tile::{MR, Operands, TileOfC, nr, tile_of_rows};
use cke_kernels::simd::{Op, Simd, dispatch};

pub(crate) fn multiply(product: &Product<'_>, c: &mut [f32]) {
    dispatch(product.cpu, Multiply { product, c });
}

struct Multiply<'a> {
    product: &'a Product<'a>,
    c: &'a mut [f32],
}

impl Op for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let (Product { n, a, b, .. }, c) = (*self.product, self.c);
        let nr = nr(S::LANES);
        if n < nr {
            return step3_vectors::loops(s, self.product, c);
        }
        // ANCHOR: loops
        for j in (0..n).step_by(nr) {
            let j = j.min(n - nr);
            for (i, rows) in even_tiles(n, MR) {
                let operands = Operands { a: &a[i * n..], a_stride: n, b: &b[j..], b_stride: n, k: n };
                tile_of_rows(s, rows, operands, TileOfC { c: &mut c[i * n + j..], stride: n, cols: nr }, false);
            }
        }
        // ANCHOR_END: loops
    }
}

// ANCHOR: even_tiles
/// The first row and the height of each tile: as few tiles as tiles of `mr` rows, whose heights differ by at most one.
fn even_tiles(rows: usize, mr: usize) -> impl Iterator<Item = (usize, usize)> {
    let tiles = rows.div_ceil(mr);
    let first_row = move |tile: usize| tile * rows / tiles;
    (0..tiles).map(move |tile| (first_row(tile), first_row(tile + 1) - first_row(tile)))
}
// ANCHOR_END: even_tiles

#[cfg(test)]
mod tests {
    use super::even_tiles;

    #[test]
    fn tiles_cover_all_rows_and_differ_by_at_most_one() {
        for rows in 0..100 {
            let tiles: Vec<_> = even_tiles(rows, 6).collect();
            let mut next = 0;
            for &(first, height) in &tiles {
                assert_eq!(first, next, "{rows} rows");
                next += height;
            }
            assert_eq!((next, tiles.len()), (rows, rows.div_ceil(6)));
            let lowest = rows / tiles.len().max(1);
            assert!(
                tiles.iter().all(|&(_, height)| height <= 6 && (lowest..=lowest + 1).contains(&height)),
                "{rows} rows"
            );
        }
    }
}
