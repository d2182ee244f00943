//! Arithmetic on vectors lane by lane: all that elementary functions are made of.

/// Arithmetic on registers of many lanes, of which none sees another.
pub trait Lanewise<E: Copy>: Copy {
    /// What it computes on.
    type Reg: Copy;
    /// The outcome of a comparison, lane by lane.
    type Cond: Copy;

    /// `x` in every lane.
    fn splat(self, x: E) -> Self::Reg;

    /// a + b
    fn add(self, a: Self::Reg, b: Self::Reg) -> Self::Reg;
    /// a − b
    fn sub(self, a: Self::Reg, b: Self::Reg) -> Self::Reg;
    /// a · b
    fn mul(self, a: Self::Reg, b: Self::Reg) -> Self::Reg;
    /// a / b
    fn div(self, a: Self::Reg, b: Self::Reg) -> Self::Reg;
    /// √a
    fn sqrt(self, a: Self::Reg) -> Self::Reg;
    /// a · b + c, fused (one rounding) where the instruction set fuses; [`Scalar`](super::Scalar) rounds twice.
    fn mul_add(self, a: Self::Reg, b: Self::Reg, c: Self::Reg) -> Self::Reg;
    /// The larger of a and b; b where either is NaN.
    fn max(self, a: Self::Reg, b: Self::Reg) -> Self::Reg;
    /// The smaller of a and b; b where either is NaN.
    fn min(self, a: Self::Reg, b: Self::Reg) -> Self::Reg;
    /// To the nearest integer, ties to even.
    fn round(self, a: Self::Reg) -> Self::Reg;
    /// a · 2ⁿ for integral n in −300..=300, with gradual underflow and overflow to infinity. Rounded once in f64, and
    /// in f32 for |a| from 1/2 to 2; a denormal f32 result of other a may be off by one step.
    fn scale_by_power(self, a: Self::Reg, n: Self::Reg) -> Self::Reg;
    /// a < b; false where either is NaN.
    fn less(self, a: Self::Reg, b: Self::Reg) -> Self::Cond;
    /// a where `cond` holds, b elsewhere.
    fn select(self, cond: Self::Cond, a: Self::Reg, b: Self::Reg) -> Self::Reg;
}

/// Four vectors in step. An elementary function is one long chain of operations that wait for each other; four chains side by
/// side keep the arithmetic units busy meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Four<S>(pub S);

/// Methods that do the same in each of four vectors. Written out, since closures are not sure to be inlined into code for an
/// instruction set.
macro_rules! in_step {
    ($($name:ident($($x:ident: $kind:ident),*) -> $result:ident;)*) => {$(
        #[inline(always)]
        fn $name(self, $($x: Self::$kind),*) -> Self::$result {
            [self.0.$name($($x[0]),*), self.0.$name($($x[1]),*), self.0.$name($($x[2]),*), self.0.$name($($x[3]),*)]
        }
    )*};
}

impl<E: Copy, S: Lanewise<E>> Lanewise<E> for Four<S> {
    type Reg = [S::Reg; 4];
    type Cond = [S::Cond; 4];

    #[inline(always)]
    fn splat(self, x: E) -> Self::Reg {
        [self.0.splat(x); 4]
    }

    in_step! {
        add(a: Reg, b: Reg) -> Reg;
        sub(a: Reg, b: Reg) -> Reg;
        mul(a: Reg, b: Reg) -> Reg;
        div(a: Reg, b: Reg) -> Reg;
        sqrt(a: Reg) -> Reg;
        mul_add(a: Reg, b: Reg, c: Reg) -> Reg;
        max(a: Reg, b: Reg) -> Reg;
        min(a: Reg, b: Reg) -> Reg;
        round(a: Reg) -> Reg;
        scale_by_power(a: Reg, n: Reg) -> Reg;
        less(a: Reg, b: Reg) -> Cond;
        select(cond: Cond, a: Reg, b: Reg) -> Reg;
    }
}
