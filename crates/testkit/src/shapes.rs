//! Shapes of matrix products that reach every edge of a tile.

use crate::matrix::Layout;

/// One product C (m, n) ← A (m, k) · B (k, n) and how its operands lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GemmCase {
    /// Rows of A and C.
    pub m: usize,
    /// Columns of B and C.
    pub n: usize,
    /// Columns of A, rows of B.
    pub k: usize,
    /// How A lies.
    pub a: Storage,
    /// How B lies.
    pub b: Storage,
    /// How C lies.
    pub c: Storage,
}

/// How an operand lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Rows one after the other.
    RowMajor,
    /// Columns one after the other: the operand of a BLAS call with a transpose.
    ColMajor,
    /// Rows with a gap after each: a leading dimension larger than the width.
    Padded,
    /// Rows of which only every other element counts, with a gap after each.
    Strided,
}

impl Storage {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::RowMajor, Self::ColMajor, Self::Padded, Self::Strided];

    /// The layout of a (rows, cols) matrix.
    pub fn layout(self, rows: usize, cols: usize) -> Layout {
        match self {
            Self::RowMajor => Layout::row_major(rows, cols),
            Self::ColMajor => Layout::col_major(rows, cols),
            Self::Padded => Layout::padded(rows, cols, 5),
            Self::Strided => Layout::strided(rows, cols, 2, 3),
        }
    }
}

impl GemmCase {
    /// The product with row-major operands.
    pub fn row_major(m: usize, n: usize, k: usize) -> Self {
        let storage = Storage::RowMajor;
        Self { m, n, k, a: storage, b: storage, c: storage }
    }

    /// The product with operands that lie as given.
    pub fn stored(self, a: Storage, b: Storage, c: Storage) -> Self {
        Self { a, b, c, ..self }
    }

    /// How A (m, k) lies.
    pub fn a_layout(&self) -> Layout {
        self.a.layout(self.m, self.k)
    }

    /// How B (k, n) lies.
    pub fn b_layout(&self) -> Layout {
        self.b.layout(self.k, self.n)
    }

    /// How C (m, n) lies.
    pub fn c_layout(&self) -> Layout {
        self.c.layout(self.m, self.n)
    }
}

impl std::fmt::Display for GemmCase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { m, n, k, a, b, c } = self;
        write!(f, "{m}x{n}x{k} (A {a:?}, B {b:?}, C {c:?})")
    }
}

/// Depths that leave every remainder of the unrolled loops over k: none, one, and round the powers of two.
pub const DEPTHS: [usize; 12] = [0, 1, 2, 3, 4, 5, 7, 8, 16, 17, 63, 65];

/// Sizes round the edges of a tile of `t`: 0, 1, 2, t − 1, t, t + 1, 2·t − 1, 2·t, 2·t + 3, ascending.
pub fn edges(t: usize) -> Vec<usize> {
    let mut sizes = vec![0, 1, 2, t.saturating_sub(1), t, t + 1, (2 * t).saturating_sub(1), 2 * t, 2 * t + 3];
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

/// Every edge of an `mr` × `nr` tile against every other and every depth, row-major.
pub fn tile_edges(mr: usize, nr: usize) -> Vec<GemmCase> {
    let mut cases = Vec::new();
    for m in edges(mr) {
        for n in edges(nr) {
            cases.extend(DEPTHS.map(|k| GemmCase::row_major(m, n, k)));
        }
    }
    cases
}

/// Every storage of A, B and C against every other, for a few shapes that no tile divides.
pub fn storages(mr: usize, nr: usize) -> Vec<GemmCase> {
    let shapes = [(1, nr + 3, 5), (mr + 1, 1, 7), (2 * mr + 3, 2 * nr + 3, 17)];
    let mut cases = Vec::new();
    for (m, n, k) in shapes {
        for a in Storage::ALL {
            for b in Storage::ALL {
                cases.extend(Storage::ALL.map(|c| GemmCase::row_major(m, n, k).stored(a, b, c)));
            }
        }
    }
    cases
}

/// Skinny, tall and deep products, as models have them in small: one row or column, long sums, outer products.
pub fn extremes() -> Vec<GemmCase> {
    let shapes = [
        (1, 513, 129),
        (513, 1, 129),
        (1, 1, 4099),
        (2, 259, 1031),
        (257, 3, 33),
        (129, 131, 1),
        (5, 7, 2053),
        (33, 211, 97),
        (128, 96, 160),
    ];
    shapes.map(|(m, n, k)| GemmCase::row_major(m, n, k)).into()
}

/// All of the above for one tile.
pub fn all(mr: usize, nr: usize) -> Vec<GemmCase> {
    [tile_edges(mr, nr), storages(mr, nr), extremes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_of_a_tile_hold_both_sides_of_each_border_once() {
        assert_eq!(edges(6), [0, 1, 2, 5, 6, 7, 11, 12, 15]);
        assert_eq!(edges(1), [0, 1, 2, 5]);
    }

    #[test]
    fn all_cases_reach_zero_dimensions_and_every_storage() {
        let cases = all(6, 16);
        assert!(cases.iter().any(|c| c.m == 0 && c.n > 0 && c.k > 0));
        assert!(cases.iter().any(|c| c.m > 0 && c.n == 0 && c.k > 0));
        assert!(cases.iter().any(|c| c.m > 0 && c.n > 0 && c.k == 0));
        for storage in Storage::ALL {
            assert!(cases.iter().any(|c| c.a == storage && c.b != storage && c.c != storage));
        }
    }

    #[test]
    fn layouts_of_a_case_have_its_shape() {
        for case in storages(6, 16) {
            let shape = |layout: Layout| (layout.rows, layout.cols);
            assert_eq!(shape(case.a_layout()), (case.m, case.k), "{case}");
            assert_eq!(shape(case.b_layout()), (case.k, case.n), "{case}");
            assert_eq!(shape(case.c_layout()), (case.m, case.n), "{case}");
        }
    }
}
