//! Choose once, pack once, run often.

use super::blocking::Blocking;
use super::epilogue::Epilogue;
use super::epilogue::TileFinish;
use super::macro_kernel::Product;
use super::microkernel::{Form, Supported};
use super::pack::PackedB;
use super::select::{Shape, choose};
use super::strided::Strided;
use crate::cpu::{Caches, Cpu};
use crate::error::{Error, expect_size};
use crate::scheme::{Real, Scheme};
use crate::scratch::{Scratch, Zeroable};
use crate::threads::Parallel;
use crate::view::{MatMut, MatRef};

/// What a call works with: the threads, and memory that is reused from call to call.
#[allow(missing_debug_implementations, reason = "a caller's pool need not implement Debug")]
pub struct Ctx<'a> {
    /// Threads to spread the work over.
    pub pool: &'a dyn Parallel,
    /// Working memory.
    pub scratch: &'a mut Scratch,
}

/// The kernel for products with one B: C (m, n) = act(scale · A (m, k) · B (k, n) + bias) + residual.
///
/// One plan and one packed B serve every m. The order of summation depends on k alone: a row of C has the same bits whatever
/// the other rows are, and whatever the number of threads.
#[derive(Clone, Copy, Debug)]
pub struct GemmPlan<S: Scheme> {
    kernel: Supported<S>,
    caches: Caches,
    blocking: Option<Blocking>,
    n: usize,
    k: usize,
}

impl<S: Scheme> GemmPlan<S> {
    /// The plan for B (k, n) and products of up to about `shape.m` rows.
    pub fn new(cpu: &Cpu, shape: Shape) -> Self {
        Self::with_kernel(cpu, choose(cpu, shape), shape)
    }

    /// As [`GemmPlan::new`], with a kernel of the caller's choice.
    ///
    /// # Panics
    /// Where it is no kernel of [`Form::Outer`].
    pub fn with_kernel(cpu: &Cpu, kernel: Supported<S>, shape: Shape) -> Self {
        assert_eq!(kernel.record().form(), Form::Outer, "{} reads B along k", kernel.record().name());
        GemmPlan { kernel, caches: cpu.caches(), blocking: None, n: shape.n, k: shape.k }
    }

    /// The same plan with blocks of the caller's choice: mc and kc at least 1, nc a multiple of the kernel's nr.
    ///
    /// # Errors
    /// Where they are not.
    pub fn with_blocking(self, blocking: Blocking) -> Result<Self, Error> {
        let nr = self.kernel.tile().nr;
        for (what, size, unit) in [("mc", blocking.mc, 1), ("kc", blocking.kc, 1), ("nc", blocking.nc, nr)] {
            if size == 0 || size % unit != 0 {
                return Err(Error::Size { what, wanted: unit, found: size });
            }
        }
        Ok(GemmPlan { blocking: Some(blocking), ..self })
    }

    /// The kernel.
    pub fn kernel(&self) -> Supported<S> {
        self.kernel
    }

    /// Columns of B.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Rows of B.
    pub fn k(&self) -> usize {
        self.k
    }

    /// B in the panels that this plan's kernel reads.
    ///
    /// # Errors
    /// Where B is not (k, n), or its memory cannot be had.
    pub fn pack_b(&self, b: MatRef<'_, S::B>) -> Result<PackedB<S>, Error> {
        expect_size("rows of B", self.k, b.rows())?;
        expect_size("columns of B", self.n, b.cols())?;
        let mut packed = self.empty_b()?;
        packed.write(0, 0, b)?;
        Ok(packed)
    }

    /// Room for B, to be filled piece by piece with [`PackedB::write`].
    ///
    /// # Errors
    /// Where its memory cannot be had.
    pub fn empty_b(&self) -> Result<PackedB<S>, Error> {
        PackedB::zeroed(self.kernel, self.k, self.n)
    }

    /// Bytes that packed B takes; no memory is allocated for the answer. Saturates.
    pub fn packed_b_bytes(&self) -> usize {
        PackedB::<S>::len_for(self.kernel, self.k, self.n).saturating_mul(size_of::<S::B>())
    }
}

impl<S: Scheme<Finish = TileFinish>> GemmPlan<S> {
    /// C = act(scale · A·B + bias) + residual. A (m, k) and C (m, n) may have any strides; C is not read.
    ///
    /// # Errors
    /// Where the sizes do not belong together, or B was packed for another kernel. C is then untouched.
    pub fn run(
        &self,
        a: MatRef<'_, S::A>,
        b: &PackedB<S>,
        mut c: MatMut<'_, S::Acc>,
        epilogue: &Epilogue<'_>,
        ctx: &mut Ctx<'_>,
    ) -> Result<(), Error> {
        let (m, n, k) = (a.rows(), self.n, self.k);
        expect_size("columns of A", k, a.cols())?;
        expect_size("rows of packed B", k, b.k())?;
        expect_size("columns of packed B", n, b.n())?;
        expect_size("rows of C", m, c.rows())?;
        expect_size("columns of C", n, c.cols())?;
        epilogue.check(m, n)?;
        let record = self.kernel.record();
        if b.nr() != record.tile().nr {
            return Err(Error::PackedForAnotherKernel {
                kernel: record.name(),
                wanted: record.tile().nr,
                found: b.nr(),
            });
        }
        let product = Product {
            kernel: self.kernel,
            m,
            n,
            k,
            c: c.as_mut_ptr(),
            c_row_stride: c.row_stride(),
            c_col_stride: c.col_stride(),
            alpha: S::Acc::one(),
            beta: S::Acc::zero(),
            epilogue: Some(epilogue),
        };
        let a = Strided::of(&a);
        let blocking = self.blocking.unwrap_or_else(|| {
            Blocking::choose(record.tile(), size_of::<S::B>(), self.caches, ctx.pool.threads(), Shape { m, n, k })
        });
        // SAFETY: the views vouch for A and C, PackedB for the panels, and all sizes were checked; C is borrowed exclusively.
        unsafe { product.run(a, b.whole(), blocking, ctx.pool) };
        Ok(())
    }
}
