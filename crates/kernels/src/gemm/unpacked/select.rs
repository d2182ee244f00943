//! The choice of what a one-off product packs: a pure function of its shape and of which dimensions are contiguous.

use super::super::blocking::SHALLOW;
use super::super::microkernel::{Form, Ready, Tile};
use super::super::select::{Shape, choose_one_off};
use super::super::strided::Strided;
use crate::cpu::{Caches, Cpu};
use crate::scheme::Uniform;

/// How the operands of a one-off product reach the microkernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// Both are read where they are.
    InPlace,
    /// Each panel of B is packed by the worker that multiplies it.
    Panels,
    /// All of B is packed first.
    WholeB,
}

/// An operand whose few rows, or columns, are copied so that they lie along k as the other operand does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gathered {
    /// Both lie along k.
    Neither,
    /// The rows of A.
    A,
    /// The columns of B.
    B,
}

impl Gathered {
    /// The operand that is copied, seen as rows along k, and how many there are.
    pub(super) fn rows<T>(self, Shape { m, n, .. }: Shape, a: &Strided<T>, b: &Strided<T>) -> (usize, Strided<T>) {
        match self {
            Gathered::Neither => (0, *a),
            Gathered::A => (m, *a),
            Gathered::B => (n, b.transposed()),
        }
    }

    /// Both operands, with the copy in the place of what it stands for.
    pub(super) fn replaced<T>(self, a: Strided<T>, b: Strided<T>, copy: Strided<T>) -> (Strided<T>, Strided<T>) {
        match self {
            Gathered::Neither => (a, b),
            Gathered::A => (copy, b),
            Gathered::B => (a, copy.transposed()),
        }
    }
}

/// Whether the dot form computes the product, and what is gathered for it: where one operand lies along k, and the other does or is small
/// enough beside it to be copied. The order of summation depends on it, and so nothing but the shape and what is contiguous may enter.
#[inline(always)]
pub(super) fn dot_form<T>(Shape { m, n, k }: Shape, a: &Strided<T>, b: &Strided<T>) -> Option<Gathered> {
    // Few rows are little work beside the packing of B; few columns leave lanes idle.
    if m > DOT_ROWS && n > DOT_COLUMNS {
        return None;
    }
    let few = m.min(n);
    let depth = match few {
        0..=3 => 8,
        4..=8 => 64,
        _ => 192,
    };
    // A copy pays where each element of it is used often, while vectors across the few would have idle lanes.
    let is_worth_a_copy =
        |few: usize, others: usize| few == 1 || (few <= DOT_COLUMNS && others >= USES_OF_COPY.saturating_mul(few));
    // What is copied of B otherwise is panels.
    let is_square = m <= DOT_ROWS && n > 1 && m <= 2 * n;
    let gathered = match (a.col_stride == 1, b.row_stride == 1) {
        (true, true) => Gathered::Neither,
        (false, true) if is_worth_a_copy(m, n) || is_square => Gathered::A,
        (true, false) if is_worth_a_copy(n, m) => Gathered::B,
        _ => return None,
    };
    let is_deep = k >= if gathered == Gathered::Neither { depth } else { depth.max(GATHERED_DEPTH) };
    is_deep.then_some(gathered)
}

/// The kernel of the outer form and what is packed.
#[inline(always)]
pub(super) fn choose_outer<S: Uniform>(cpu: &Cpu, shape: Shape, b: &Strided<S::E>) -> (Ready<S::E>, Packing) {
    let Shape { m, n, k } = shape;
    let has_rows_of_b = b.col_stride == 1;
    let kernel = choose_one_off::<S>(cpu, Form::Outer, shape, has_rows_of_b)
        .expect("every scheme has a scalar kernel of the outer form");
    let b_bytes = n.saturating_mul(k).saturating_mul(size_of::<S::E>());
    let is_near = m <= IN_PLACE_ROWS || b_bytes <= cpu.caches().l2 / 2;
    let packing = if has_rows_of_b && is_near && !packing_b_saves_sets(shape, b, kernel.tile()) {
        Packing::InPlace
    } else if (k <= SHALLOW && m > IN_PLACE_ROWS) || packs_whole_b::<S::E>(shape, cpu.caches()) {
        Packing::WholeB
    } else {
        Packing::Panels
    };
    (kernel, packing)
}

/// Whether Cᵀ = Bᵀ · Aᵀ is cheaper, because Aᵀ has contiguous rows and C so few columns that most lanes would lie idle.
#[inline(always)]
pub(super) fn is_narrow<T>(Shape { m, n, .. }: Shape, a: &Strided<T>) -> bool {
    n <= NARROW && m > 2 * n && a.row_stride == 1
}

/// Whether Cᵀ = Bᵀ · Aᵀ, with Aᵀ packed and Bᵀ read in place, is cheaper than packing B: both lie along k. It saves the packing of B,
/// which costs as much as some six rows of A, and pays for it with lanes that lie idle and with C written through a copy.
///
/// The rule is lanes / m · (1 + 42 / k) < 1 + 6.4 / m, in whole numbers: a division of floats would raise exceptions in a program that
/// traps them.
pub(super) fn packing_a_pays(m: usize, n: usize, k: usize) -> bool {
    if m <= DOT_ROWS || m > n {
        return false;
    }
    let [m, k] = [m, k].map(|x| x as u128);
    5 * m.next_multiple_of(LANES) * (k + 42) < k * (5 * m + 32)
}

/// Lanes of the widest vectors.
const LANES: u128 = 16;

/// Rows up to which a B whose rows are contiguous is not worth packing.
const IN_PLACE_ROWS: usize = 32;

/// Whether panels of B are packed because its rows share sets, so that little of a panel stays in the caches from one tile to the next.
#[inline(always)]
pub(super) fn packing_b_saves_sets<T>(Shape { m, k, .. }: Shape, b: &Strided<T>, tile: Tile) -> bool {
    k > WAYS && m > TILES_FOR_SHARED_SETS * tile.mr && b.shares_sets()
}

/// Whether the few rows of A are copied so that they lie along k, because each step of K takes them from another page, and many panels of
/// B do so again.
#[inline(always)]
pub(super) fn gathering_a_pays<T>(Shape { m, n, k }: Shape, a: &Strided<T>, tile: Tile) -> bool {
    is_far_apart(a) && m <= tile.mr && n > PANELS_FOR_GATHERED_A * tile.nr && k > WAYS
}

/// Whether the columns of A, which are contiguous, lie so far apart that the hardware does not foresee the next one.
#[inline(always)]
pub(super) fn is_far_apart<T>(a: &Strided<T>) -> bool {
    a.row_stride == 1 && a.col_stride.saturating_mul(size_of::<T>()) >= FAR_APART
}

/// Bytes between two lines from which on the hardware does not foresee the second.
const FAR_APART: usize = 2048;
/// Panels of B that pay for the copy of a few rows.
const PANELS_FOR_GATHERED_A: usize = 4;

/// Whether a single row reads a B whose rows are contiguous in long pieces, because it comes from beyond L2.
#[inline(always)]
pub(super) fn reads_long_rows<T>(Shape { m, n, k }: Shape, b: &Strided<T>, caches: Caches) -> bool {
    let b_bytes = n.saturating_mul(k).saturating_mul(size_of::<T>());
    m == 1 && b.col_stride == 1 && n >= LEAST_LONG_ROW && k >= LEAST_STEPS && b_bytes > caches.l2
}

/// Columns of a row of B that is read in long pieces.
const LEAST_LONG_ROW: usize = 256;
/// Steps from which on it pays to keep sums in memory.
const LEAST_STEPS: usize = 32;

/// Lines of a set of the first cache level.
const WAYS: usize = 8;
/// Tiles that read a panel of B from which on its packing pays if its rows share sets.
const TILES_FOR_SHARED_SETS: usize = 2;

/// Whether all of B is packed first: where the copy stays in L3 and many rows read it, which then have L1 and L2 for themselves; and where
/// A is so large that reading it once for each panel of B takes longer than packing B through memory.
fn packs_whole_b<E>(Shape { m, n, k }: Shape, Caches { l2, l3, .. }: Caches) -> bool {
    let bytes = |rows: usize, cols: usize| rows.saturating_mul(cols).saturating_mul(size_of::<E>());
    let stays_near = m >= MANY_ROWS && bytes(k, n) <= l3 / 4;
    let is_large = m.min(n) >= LARGE && bytes(m, k) >= 8 * l2 && bytes(k, n) <= LARGEST_WHOLE_B;
    stays_near || is_large
}

/// Rows of C from which on a packed B is read often enough.
const MANY_ROWS: usize = 300;
/// Rows and columns of C from which on that holds for a B that comes from memory.
const LARGE: usize = 512;
/// Bytes of B up to which all of it is packed at once.
const LARGEST_WHOLE_B: usize = 128 << 20;

/// Columns of C up to which its rows are too short for vectors.
const NARROW: usize = 12;

/// Rows up to which products of vectors along k beat the packing of B; not where K is so short that adding the lanes takes longer.
const DOT_ROWS: usize = 12;
/// Columns up to which they beat vectors across n.
const DOT_COLUMNS: usize = 8;
/// Columns of the other operand, for each row that is copied, from which on the copy pays: with fewer, broadcasting what lies along k is
/// faster.
const USES_OF_COPY: usize = 3;
/// Elements of K from which on the copy of an operand costs little.
const GATHERED_DEPTH: usize = 32;
