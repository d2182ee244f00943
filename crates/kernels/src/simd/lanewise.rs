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
    /// a · b + c, fused (one rounding) where the instruction set fuses; [`Scalar`] rounds twice.
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

impl<E: Copy, S: Lanewise<E>> Lanewise<E> for Four<S> {
    type Reg = [S::Reg; 4];
    type Cond = [S::Cond; 4];

    #[inline(always)]
    fn splat(self, x: E) -> Self::Reg {
        [self.0.splat(x); 4]
    }

    #[inline(always)]
    fn add(self, a: Self::Reg, b: Self::Reg) -> Self::Reg {
        [self.0.add(a[0], b[0]), self.0.add(a[1], b[1]), self.0.add(a[2], b[2]), self.0.add(a[3], b[3])]
    }

    #[inline(always)]
    fn sub(self, a: Self::Reg, b: Self::Reg) -> Self::Reg {
        [self.0.sub(a[0], b[0]), self.0.sub(a[1], b[1]), self.0.sub(a[2], b[2]), self.0.sub(a[3], b[3])]
    }

    #[inline(always)]
    fn mul(self, a: Self::Reg, b: Self::Reg) -> Self::Reg {
        [self.0.mul(a[0], b[0]), self.0.mul(a[1], b[1]), self.0.mul(a[2], b[2]), self.0.mul(a[3], b[3])]
    }

    #[inline(always)]
    fn div(self, a: Self::Reg, b: Self::Reg) -> Self::Reg {
        [self.0.div(a[0], b[0]), self.0.div(a[1], b[1]), self.0.div(a[2], b[2]), self.0.div(a[3], b[3])]
    }

    #[inline(always)]
    fn sqrt(self, a: Self::Reg) -> Self::Reg {
        [self.0.sqrt(a[0]), self.0.sqrt(a[1]), self.0.sqrt(a[2]), self.0.sqrt(a[3])]
    }

    #[inline(always)]
    fn mul_add(self, a: Self::Reg, b: Self::Reg, c: Self::Reg) -> Self::Reg {
        [
            self.0.mul_add(a[0], b[0], c[0]),
            self.0.mul_add(a[1], b[1], c[1]),
            self.0.mul_add(a[2], b[2], c[2]),
            self.0.mul_add(a[3], b[3], c[3]),
        ]
    }

    #[inline(always)]
    fn max(self, a: Self::Reg, b: Self::Reg) -> Self::Reg {
        [self.0.max(a[0], b[0]), self.0.max(a[1], b[1]), self.0.max(a[2], b[2]), self.0.max(a[3], b[3])]
    }

    #[inline(always)]
    fn min(self, a: Self::Reg, b: Self::Reg) -> Self::Reg {
        [self.0.min(a[0], b[0]), self.0.min(a[1], b[1]), self.0.min(a[2], b[2]), self.0.min(a[3], b[3])]
    }

    #[inline(always)]
    fn round(self, a: Self::Reg) -> Self::Reg {
        [self.0.round(a[0]), self.0.round(a[1]), self.0.round(a[2]), self.0.round(a[3])]
    }

    #[inline(always)]
    fn scale_by_power(self, a: Self::Reg, n: Self::Reg) -> Self::Reg {
        [
            self.0.scale_by_power(a[0], n[0]),
            self.0.scale_by_power(a[1], n[1]),
            self.0.scale_by_power(a[2], n[2]),
            self.0.scale_by_power(a[3], n[3]),
        ]
    }

    #[inline(always)]
    fn less(self, a: Self::Reg, b: Self::Reg) -> Self::Cond {
        [self.0.less(a[0], b[0]), self.0.less(a[1], b[1]), self.0.less(a[2], b[2]), self.0.less(a[3], b[3])]
    }

    #[inline(always)]
    fn select(self, cond: Self::Cond, a: Self::Reg, b: Self::Reg) -> Self::Reg {
        [
            self.0.select(cond[0], a[0], b[0]),
            self.0.select(cond[1], a[1], b[1]),
            self.0.select(cond[2], a[2], b[2]),
            self.0.select(cond[3], a[3], b[3]),
        ]
    }
}
