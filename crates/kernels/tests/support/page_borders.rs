//! Products whose operands lie at the border of a page without access: the smallest step outside faults.

use cke_kernels::gemm::{Ctx, Epilogue, GemmPlan, PackedB, StableBytes};
use cke_kernels::scheme::Scheme;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::Serial;
use cke_kernels::view::{MatMut, MatRef};
use cke_testkit::{Element, PageGuarded};
use std::sync::Arc;

/// Which end of an operand abuts the page.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Border {
    Start,
    End,
}

impl Border {
    pub(crate) const BOTH: [Border; 2] = [Border::Start, Border::End];

    fn guard<T: Element>(self, values: &[T]) -> PageGuarded<T> {
        match self {
            Border::Start => PageGuarded::at_start(values),
            Border::End => PageGuarded::at_end(values),
        }
    }
}

/// Packed weights beside such a page.
struct Guarded(PageGuarded<u8>);

// SAFETY: the pages stay where they are, and nobody writes to them.
unsafe impl StableBytes for Guarded {
    fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}

/// A (m, k) times packed weights, with A, the weights and C at such a border each. The weights may have been packed for a larger k that
/// fills their last block.
pub(crate) fn product_at<S: Scheme<A = f32, C = f32>>(
    border: Border,
    plan: &GemmPlan<S>,
    a: &[f32],
    weights: &PackedB<S>,
) -> Vec<f32> {
    let (m, k, n) = (a.len() / plan.k(), plan.k(), plan.n());
    let guarded = Arc::new(Guarded(border.guard(weights.as_bytes())));
    let weights = PackedB::from_shared(plan.kernel(), k, n, guarded).unwrap();
    let (a, mut c) = (border.guard(a), border.guard(&vec![f32::NAN; m * n]));
    let a = MatRef::new(a.as_slice(), m, k).unwrap();
    let place = MatMut::new(c.as_mut_slice(), m, n).unwrap();
    let ctx = &mut Ctx { pool: &Serial, scratch: &mut Scratch::new() };
    plan.run(a, &weights, place, &Epilogue::default(), ctx).unwrap();
    c.as_slice().to_vec()
}
