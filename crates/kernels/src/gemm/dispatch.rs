//! Shape → kernel: a pure function with a cost model.

use super::microkernel::{Form, Microkernel, Supported, Tile};
use crate::cpu::{Caches, Cpu};
use crate::scheme::Scheme;

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

/// Multiply-adds that start in a cycle, and vector loads.
const PER_CYCLE: usize = 2;
/// Cycles from a multiply-add to one that depends on it.
const LATENCY: usize = 4;
/// Bytes of B that come from L2 in a cycle without a stall, with all else that goes on.
const L2_BYTES_PER_CYCLE: usize = 24;
/// Cycles to enter a microkernel and leave it.
const TILE_OVERHEAD: usize = 40;
/// Cycles lost per row of A, which is a stream that the hardware prefetcher has to find.
const ROW_OVERHEAD: usize = 10;

/// The kernel for packed panels of B: with the lowest estimate among those that `cpu` can run on the best ISA it has, the first of
/// equals; or, for a few rows, the one with the widest panels, which memory delivers fastest.
pub fn choose<S: Scheme>(cpu: &Cpu, shape: Shape) -> Supported<S> {
    rivals::<S>(cpu)
        .filter(|kernel| kernel.record().isa() == cpu.isa() && !is_too_flat(kernel.record()))
        .min_by_key(|kernel| match kernel.tile() {
            Tile { nr, .. } if shape.m <= FEW_ROWS => (usize::MAX - nr, 0),
            _ => (0, cycles(kernel.record(), shape)),
        })
        .expect("every scheme has a scalar kernel")
}

/// Rows up to which the reading of B takes longer than the arithmetic.
const FEW_ROWS: usize = 6;

/// Whether so few rows share what is loaded of B that L2 cannot deliver it.
fn is_too_flat<S: Scheme>(kernel: &Microkernel<S>) -> bool {
    PER_CYCLE * kernel.lanes() * size_of::<S::B>() > L2_BYTES_PER_CYCLE * kernel.tile().mr
}

/// The kernel of that form for a one-off product, whose panels may be of any width, with a B whose rows, or columns, are
/// contiguous. `None` where the ISA in use has none.
#[inline(always)]
pub(super) fn choose_one_off<S: Scheme>(
    cpu: &Cpu,
    form: Form,
    shape: Shape,
    has_rows_of_b: bool,
) -> Option<Supported<S>> {
    let Caches { l2, l3, .. } = cpu.caches();
    // Narrow pieces of the rows of a large B come slowly.
    let room_for_a = match has_rows_of_b {
        true if shape.n.saturating_mul(shape.k) > l3 / 2 / size_of::<S::B>() => 0,
        true => l2 / 3,
        false => l2 * 2 / 3,
    };
    let a_in_l2 = shape.m.saturating_mul(shape.k) <= room_for_a / size_of::<S::A>();
    let mut best: Option<(&'static Microkernel<S>, usize)> = None;
    // A loop, not iterator adapters: it is a good part of the time of a tiny product.
    for kernel in S::kernels() {
        if kernel.isa() == cpu.isa() && kernel.form() == form {
            let rank = rank(kernel, shape, a_in_l2);
            if best.is_none_or(|(_, lowest)| rank < lowest) {
                best = Some((kernel, rank));
            }
        } else if best.is_some() {
            break;
        }
    }
    best.and_then(|(kernel, _)| kernel.on(cpu))
}

/// Elements of K up to which a product is bound by the writing of C, which is fastest in long pieces of rows.
const SHALLOW: usize = 16;

/// The lower the better: the narrowest tile that takes all columns at once; for wider products the widest that takes all rows at
/// once; or else a tall tile while A stays in L2, and beyond it the widest, which reads A least often.
#[inline(always)]
fn rank<S: Scheme>(kernel: &Microkernel<S>, Shape { m, n, k }: Shape, a_in_l2: bool) -> usize {
    let Tile { mr, nr } = kernel.tile();
    let is_for_single_rows = mr == 1;
    // One vector of columns makes a load for every multiply-add.
    let is_too_narrow = kernel.form() == Form::Outer && nr == kernel.lanes() && kernel.lanes() > 1;
    let is_too_flat = is_too_flat(kernel);
    const CLASS: usize = 1 << 16;
    let narrow_first = nr;
    let wide_first = CLASS - nr;
    let rank = match (n <= nr, m <= mr) {
        (true, _) => narrow_first,
        _ if k <= SHALLOW => wide_first,
        _ if is_too_narrow => 3 * CLASS,
        (_, true) => CLASS + wide_first,
        _ if is_too_flat => 3 * CLASS,
        _ if a_in_l2 && kernel.form() == Form::Outer => 2 * CLASS + narrow_first,
        _ => 2 * CLASS + wide_first,
    };
    if (m == 1) == is_for_single_rows { rank } else { rank + 4 * CLASS }
}

/// Every kernel of the scheme that `cpu` can run on packed panels of B.
pub fn rivals<S: Scheme>(cpu: &Cpu) -> impl Iterator<Item = Supported<S>> + use<'_, S> {
    S::kernels().iter().filter(|kernel| kernel.form() == Form::Outer).filter_map(|kernel| kernel.on(cpu))
}

/// Estimated cycles of one core for the whole product with its operands in L2. Saturates.
pub fn cycles<S: Scheme>(kernel: &Microkernel<S>, shape: Shape) -> usize {
    let row_tiles = shape.m.div_ceil(kernel.tile().mr).max(1);
    let (rows, taller) = (shape.m / row_tiles, shape.m % row_tiles);
    let full_panels = shape.n / kernel.tile().nr;
    let rest = (shape.n % kernel.tile().nr).div_ceil(kernel.lanes());
    let vector_bytes = kernel.lanes() * size_of::<S::B>();
    let column = |vectors: usize| {
        let tile = |rows: usize| tile_cycles(rows, vectors, vector_bytes, shape.k);
        taller.saturating_mul(tile(rows + 1)).saturating_add((row_tiles - taller).saturating_mul(tile(rows)))
    };
    let whole = full_panels.saturating_mul(column(kernel.tile().nr / kernel.lanes()));
    whole.saturating_add(if rest > 0 { column(rest) } else { 0 })
}

fn tile_cycles(rows: usize, vectors: usize, vector_bytes: usize, k: usize) -> usize {
    let multiply_adds = rows * vectors;
    let loads = rows + vectors;
    let from_l2 = vectors * vector_bytes * PER_CYCLE / L2_BYTES_PER_CYCLE;
    // In half cycles, to stay exact.
    let step = multiply_adds.max(loads).max(from_l2).max(LATENCY * PER_CYCLE);
    (k.saturating_mul(step) / PER_CYCLE).saturating_add(TILE_OVERHEAD + rows * ROW_OVERHEAD)
}
