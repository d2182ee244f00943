//! The choice of the way through a one-off product: a pure function of its shape and of which dimensions are contiguous.

use super::super::blocking::SHALLOW;
use super::super::microkernel::{Form, Supported};
use super::super::select::{Shape, choose_one_off};
use super::super::strided::Strided;
use crate::cpu::Cpu;
use crate::scheme::Uniform;

/// How the operands of a one-off product reach the microkernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Both are read where they are.
    InPlace,
    /// Each panel of B is packed by the worker that multiplies it.
    PackPanels,
    /// All of B is packed first.
    PackB,
}

/// What is contiguous.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contiguous {
    /// The rows of A and the columns of B.
    along_k: bool,
    /// The rows of B.
    rows_of_b: bool,
}

impl Contiguous {
    pub(super) fn of<E>(a: &Strided<E>, b: &Strided<E>) -> Self {
        Contiguous { along_k: a.col_stride == 1 && b.row_stride == 1, rows_of_b: b.col_stride == 1 }
    }
}

/// The kernel and the way for an (m, n, k) product: a function of the shape and of which strides are 1, so that results do not
/// depend on alignment or threads.
#[inline(always)]
pub(super) fn choose<S: Uniform>(cpu: &Cpu, shape: Shape, contiguous: Contiguous) -> (Supported<S>, Way) {
    let Shape { m, n, k } = shape;
    if contiguous.along_k
        && m <= DOT_ROWS
        && (k >= DOT_DEPTH || m <= 3)
        && let Some(kernel) = choose_one_off(cpu, Form::Dot, shape, false)
    {
        return (kernel, Way::InPlace);
    }
    let kernel = choose_one_off(cpu, Form::Outer, shape, contiguous.rows_of_b)
        .expect("every scheme has a scalar kernel of the outer form");
    let b_bytes = n.saturating_mul(k).saturating_mul(size_of::<S::E>());
    let way = if contiguous.rows_of_b && (m <= IN_PLACE_ROWS || b_bytes <= cpu.caches().l2 / 2) {
        Way::InPlace
    } else if k <= SHALLOW && m > IN_PLACE_ROWS {
        Way::PackB
    } else {
        Way::PackPanels
    };
    (kernel, way)
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

/// Rows up to which the products of rows with columns that lie along k beat the packing of B.
const DOT_ROWS: usize = 12;
/// Elements of K below which the adding of lanes makes them too dear.
const DOT_DEPTH: usize = 192;
