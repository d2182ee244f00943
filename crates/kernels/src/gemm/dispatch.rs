//! Shape → kernel: a pure function with a cost model.

use super::microkernel::{Form, Microkernel, Supported};
use crate::cpu::Cpu;
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
/// Cycles to enter a microkernel and leave it.
const TILE_OVERHEAD: usize = 40;
/// Cycles lost per row of A, which is a stream that the hardware prefetcher has to find.
const ROW_OVERHEAD: usize = 10;

/// The kernel with the lowest estimate among those that `cpu` can run on the best ISA it has; the first of equals.
pub fn choose<S: Scheme>(cpu: &Cpu, shape: Shape) -> Supported<S> {
    rivals::<S>(cpu)
        .filter(|kernel| kernel.record().isa == cpu.isa() && kernel.tile().mr > 1)
        .min_by_key(|kernel| cycles(kernel.record(), shape))
        .expect("every scheme has a scalar kernel")
}

/// The kernel of that form for operands that are read in place, in which panels may be of any width: the narrowest that takes
/// all columns at once, and for wider products the one with the lowest estimate. `None` where the ISA in use has none.
#[inline(always)]
pub(super) fn choose_in_place<S: Scheme>(cpu: &Cpu, form: Form, shape: Shape) -> Option<Supported<S>> {
    let is_candidate = |kernel: &&Microkernel<S>| kernel.isa == cpu.isa() && kernel.form == form;
    let candidates = S::kernels().iter().skip_while(|k| !is_candidate(k)).take_while(is_candidate);
    let fits = |kernel: &&Microkernel<S>| (shape.m == 1) == (kernel.tile.mr == 1);
    let narrowest = candidates.clone().filter(fits).filter(|k| k.tile.nr >= shape.n).min_by_key(|k| k.tile.nr);
    narrowest
        .or_else(|| candidates.clone().filter(fits).min_by_key(|kernel| cycles(kernel, shape)))
        .or_else(|| candidates.min_by_key(|kernel| cycles(kernel, shape)))
        .and_then(|kernel| kernel.on(cpu))
}

/// Every kernel of the scheme that `cpu` can run on packed panels of B.
pub fn rivals<S: Scheme>(cpu: &Cpu) -> impl Iterator<Item = Supported<S>> + use<'_, S> {
    S::kernels().iter().filter(|kernel| kernel.form == Form::Outer).filter_map(|kernel| kernel.on(cpu))
}

/// Estimated cycles of one core for the whole product with its operands in L2.
pub fn cycles<S: Scheme>(kernel: &Microkernel<S>, shape: Shape) -> usize {
    let row_tiles = shape.m.div_ceil(kernel.tile.mr).max(1);
    let (rows, taller) = (shape.m / row_tiles, shape.m % row_tiles);
    let full_panels = shape.n / kernel.tile.nr;
    let rest = (shape.n % kernel.tile.nr).div_ceil(kernel.lanes);
    let column = |vectors: usize| {
        taller * tile_cycles(rows + 1, vectors, shape.k) + (row_tiles - taller) * tile_cycles(rows, vectors, shape.k)
    };
    full_panels * column(kernel.tile.nr / kernel.lanes) + if rest > 0 { column(rest) } else { 0 }
}

fn tile_cycles(rows: usize, vectors: usize, k: usize) -> usize {
    let multiply_adds = rows * vectors;
    let loads = rows + vectors;
    // In half cycles, to stay exact.
    let step = multiply_adds.max(loads).max(LATENCY * PER_CYCLE);
    k * step / PER_CYCLE + TILE_OVERHEAD + rows * ROW_OVERHEAD
}
