//! Shape → kernel: a pure function with a cost model.

use super::microkernel::{Form, Microkernel, Ready, Supported, Tile};
use crate::cpu::{Caches, Cpu, Features, Rates};
use crate::scheme::{Scheme, Uniform};

/// The size of a product: C (m, n) = A (m, k) · B (k, n).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows of A and C.
    pub m: usize,
    /// Columns of B and C.
    pub n: usize,
    /// Columns of A, rows of B.
    pub k: usize,
}

/// The kernel for packed panels of B: with the lowest estimate among those that `cpu` can run on the best ISA it has, the first of
/// equals; or, for a few rows, among those that take all rows at once the one with the widest panels, and of those the one whose tile has
/// fewest of them: memory delivers one long stream fastest.
pub fn choose<S: Scheme>(cpu: &Cpu, shape: Shape) -> Supported<S> {
    let rates = cpu.core_family().rates();
    let kernels = candidates::<S>(cpu, Form::Blocks).chain(candidates::<S>(cpu, Form::Outer));
    kernels
        .min_by_key(|kernel| {
            // Only where there is no other.
            let is_too_flat = is_too_flat(kernel.tile(), vector_bytes(kernel.record()), &rates);
            match kernel.tile() {
                Tile { mr, nr } if shape.m <= FEW_ROWS => {
                    let panel = kernel.record().panel_format().cols;
                    (is_too_flat, mr < shape.m, (usize::MAX - panel) / 2 + nr / panel)
                }
                Tile { mr, .. } => (is_too_flat, mr < Tile::LEAST_ROWS, cycles(kernel.record(), &rates, shape)),
            }
        })
        .expect("every scheme has a scalar kernel")
}

/// Rows up to which the reading of B takes longer than the arithmetic.
pub(super) const FEW_ROWS: usize = 6;

/// Whether so few rows share what is loaded of B that L2 cannot deliver it.
#[inline(always)]
fn is_too_flat(tile: Tile, vector_bytes: usize, rates: &Rates) -> bool {
    rates.per_cycle(vector_bytes) * vector_bytes > rates.l2_bytes_per_cycle * tile.mr
}

/// Bytes of a vector across the columns of B, in one step of K.
fn vector_bytes<S: Scheme>(kernel: &Microkernel<S>) -> usize {
    kernel.lanes() * kernel.panel_format().element_bytes()
}

/// What all kernels of a group need of the CPU.
#[inline(always)]
fn needs_of<S: Scheme>(group: &[Microkernel<S>]) -> Features {
    group.first().map_or(Features::NONE, Microkernel::needs)
}

/// The kernels of a form that the choice is between: those of the most capable group that has some and runs on `cpu`.
pub fn candidates<S: Scheme>(cpu: &Cpu, form: Form) -> impl Iterator<Item = Supported<S>> + use<'_, S> {
    let has_form = move |group: &&&[Microkernel<S>]| group.iter().any(|kernel| kernel.form() == form);
    let mut groups = S::kernels().iter().filter(has_form).filter(|group| cpu.has(needs_of(group)));
    let group = groups.next().copied().unwrap_or_default();
    group.iter().filter(move |kernel| kernel.form() == form).filter_map(|kernel| kernel.on(cpu))
}

/// The kernel of that form for a one-off product, whose panels may be of any width, with a B whose rows, or columns, are
/// contiguous. `None` where the ISA in use has none.
#[inline(always)]
pub(super) fn choose_one_off<S: Uniform>(
    cpu: &Cpu,
    form: Form,
    shape: Shape,
    has_rows_of_b: bool,
) -> Option<Ready<S::E>> {
    let Caches { l2, l3, .. } = cpu.caches();
    // Narrow pieces of the rows of a large B come slowly.
    let room_for_a = match has_rows_of_b {
        true if shape.n.saturating_mul(shape.k) > l3 / 2 / size_of::<S::E>() => 0,
        true => l2 / 3,
        false => l2 * 2 / 3,
    };
    let a_in_l2 = shape.m.saturating_mul(shape.k) <= room_for_a / size_of::<S::E>();
    let rates = cpu.core_family().rates();
    // A loop over [`candidates`], written out: it is a good part of the time of a tiny product.
    for group in S::kernels() {
        if !cpu.has(needs_of(group)) {
            continue;
        }
        let mut best: Option<(&'static Microkernel<S>, usize)> = None;
        for kernel in group.iter().filter(|kernel| kernel.form() == form) {
            let rank = rank(kernel, &rates, shape, a_in_l2);
            if best.is_none_or(|(_, lowest)| rank < lowest) {
                best = Some((kernel, rank));
            }
        }
        if let Some((kernel, _)) = best {
            return kernel.on(cpu).map(Supported::tiles);
        }
    }
    None
}

/// Elements of K up to which a product is bound by the writing of C, which is fastest in long pieces of rows.
const WIDE_FIRST_DEPTH: usize = 16;

/// As [`Tile::LEAST_ROWS`] for one panel of B, which stays in the first cache level.
const LEAST_ROWS_OF_ONE_PANEL: usize = 3;

/// The lower the better: the narrowest tile that takes all columns at once; for wider products the widest that takes all rows at
/// once; or else a tall tile while A stays in L2, and beyond it the widest, which reads A least often.
#[inline(always)]
fn rank<S: Uniform>(kernel: &Microkernel<S>, rates: &Rates, Shape { m, n, k }: Shape, a_in_l2: bool) -> usize {
    let Tile { mr, nr } = kernel.tile();
    if kernel.form() == Form::Dot {
        return rank_dot(mr, nr, m, n);
    }
    let is_for_single_rows = mr == 1;
    // One vector of columns makes a load for every multiply-add.
    let is_too_narrow = nr == kernel.lanes() && kernel.lanes() > 1;
    // Without the division of `vector_bytes`.
    let is_too_flat = is_too_flat(kernel.tile(), kernel.lanes() * size_of::<S::E>(), rates);
    let least_rows = if n <= nr { LEAST_ROWS_OF_ONE_PANEL } else { Tile::LEAST_ROWS };
    let is_for_few_rows = mr < least_rows.min(m);
    const CLASS: usize = 1 << 16;
    let narrow_first = nr;
    let wide_first = CLASS - nr;
    let rank = match (n <= nr, m <= mr) {
        _ if is_for_few_rows && k > WIDE_FIRST_DEPTH => 3 * CLASS,
        (true, _) => narrow_first,
        _ if k <= WIDE_FIRST_DEPTH => wide_first,
        _ if is_too_narrow => 3 * CLASS,
        (_, true) => CLASS + wide_first,
        _ if is_too_flat => 3 * CLASS,
        _ if a_in_l2 => 2 * CLASS + narrow_first,
        _ => 2 * CLASS + wide_first,
    };
    // A row of vectors is loaded for one row of A only.
    if (m == 1) == is_for_single_rows { rank } else { rank + 4 * CLASS }
}

/// The lower the better: loads and multiply-adds of one vector along k for all tiles, which are of equal height and width, and the time
/// between two tiles.
fn rank_dot(mr: usize, nr: usize, m: usize, n: usize) -> usize {
    // 32 bits, which are divided by faster; the tiles of larger sizes are all whole ones.
    let [m, n] = [m, n].map(|size| size.min(1 << 12) as u32);
    let (row_tiles, col_tiles) = (m.div_ceil(mr as u32), n.div_ceil(nr as u32));
    let (rows, cols) = (m.div_ceil(row_tiles), n.div_ceil(col_tiles));
    (row_tiles * col_tiles * (BETWEEN_TILES + (rows * cols).max(rows + cols))) as usize
}

/// What entering and leaving a tile of the dot form costs, in loads.
const BETWEEN_TILES: u32 = 4;

/// Every kernel of a form that `cpu` can run.
pub fn supported<S: Scheme>(cpu: &Cpu, form: Form) -> impl Iterator<Item = Supported<S>> + use<'_, S> {
    S::records().filter(move |kernel| kernel.form() == form).filter_map(|kernel| kernel.on(cpu))
}

/// Estimated cycles of one core with these rates for the whole product with its operands in L2. Saturates.
pub fn cycles<S: Scheme>(kernel: &Microkernel<S>, rates: &Rates, shape: Shape) -> usize {
    let row_tiles = shape.m.div_ceil(kernel.tile().mr).max(1);
    let (rows, taller) = (shape.m / row_tiles, shape.m % row_tiles);
    let full_panels = shape.n / kernel.tile().nr;
    let rest = (shape.n % kernel.tile().nr).div_ceil(kernel.lanes());
    let vector_bytes = vector_bytes(kernel);
    let column = |vectors: usize| {
        let tile = |rows: usize| tile_cycles(rows, vectors, vector_bytes, rates, shape.k);
        taller.saturating_mul(tile(rows + 1)).saturating_add((row_tiles - taller).saturating_mul(tile(rows)))
    };
    let whole = full_panels.saturating_mul(column(kernel.tile().nr / kernel.lanes()));
    whole.saturating_add(if rest > 0 { column(rest) } else { 0 })
}

fn tile_cycles(rows: usize, vectors: usize, vector_bytes: usize, rates: &Rates, k: usize) -> usize {
    // Instructions that share the units which start `per_cycle` of them in a cycle.
    let per_cycle = rates.per_cycle(vector_bytes);
    let multiply_adds = rows * vectors;
    let loads = rows + vectors;
    let from_l2 = vectors * vector_bytes * per_cycle / rates.l2_bytes_per_cycle;
    let step = multiply_adds.max(loads).max(from_l2).max(rates.latency * per_cycle);
    (k.saturating_mul(step) / per_cycle).saturating_add(rates.tile_overhead + rows * rates.row_overhead)
}
