//! Code written once over [`Simd`] that becomes a function of each instruction set: what kernels are made of.

use super::Simd;

/// A function body over the vectors of any instruction set.
pub trait Body {
    /// Elements of its vectors.
    type Element: Copy;
    /// What the function is called with.
    type Args<'a>;

    /// Does the work. Implementations are `#[inline(always)]`, so that they compile for the instruction set of the function.
    ///
    /// # Safety
    /// What the implementation asks of the arguments.
    unsafe fn run<S: Simd<Self::Element>>(s: S, args: &Self::Args<'_>);
}

/// An instruction set for which `B` is a function.
///
/// # Safety
/// The function does what [`Body::run`] does with a value of this type, may use the instructions that such a value proves, and no others.
pub unsafe trait Entry<B: Body>: Simd<B::Element> {
    /// The function. Besides what the body asks for, the CPU must have the instruction set.
    const FUNCTION: unsafe fn(&B::Args<'_>);
}
