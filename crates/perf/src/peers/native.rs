//! This project's own products, as contestants.

use super::operands::{Element, Operands};
use super::session::Multiply;
use super::worker::WorkerError;
use cke_kernels::gemm::{Ctx, Epilogue, Gemm, GemmPlan, PackedB, Shape, Supported, rivals};
use cke_kernels::scheme::F32;
use cke_kernels::scratch::Scratch;
use cke_kernels::threads::ThreadPool;
use cke_kernels::view::{MatMut, MatRef};
use cke_kernels::{Cpu, Error};

/// What every call works with.
struct Workplace {
    cpu: &'static Cpu,
    pool: ThreadPool,
    scratch: Scratch,
}

impl Workplace {
    fn new(threads: usize) -> Result<Workplace, WorkerError> {
        Ok(Workplace { cpu: Cpu::host()?, pool: ThreadPool::new(threads)?, scratch: Scratch::new() })
    }
}

/// `Gemm`: the operands as they come.
pub(super) struct Unpacked(Workplace);

impl Unpacked {
    /// With so many threads.
    ///
    /// # Errors
    /// Where they cannot be had.
    pub(super) fn new(threads: usize) -> Result<Unpacked, WorkerError> {
        Workplace::new(threads).map(Unpacked)
    }
}

impl<T: Element> Multiply<T> for Unpacked {
    fn repeat(&mut self, operands: &mut Operands<T>, times: usize) -> Result<(), WorkerError> {
        let Workplace { cpu, pool, scratch } = &mut self.0;
        let Views { a, b, mut c } = Views::new(operands)?;
        let gemm = Gemm::<T::Scheme>::new(a, b);
        let mut ctx = Ctx { pool, scratch };
        for _ in 0..times {
            gemm.run(cpu, c.reborrow(), &mut ctx)?;
        }
        Ok(())
    }
}

/// `GemmPlan`: B packed ahead.
pub(super) struct Packed {
    workplace: Workplace,
    /// `None` leaves the choice to dispatch.
    kernel: Option<Supported<F32>>,
    ready: Option<(GemmPlan<F32>, PackedB<F32>)>,
}

impl Packed {
    /// With so many threads, by the kernel that dispatch chooses or by the one of this name.
    ///
    /// # Errors
    /// Where the threads cannot be had, or this CPU cannot run such a kernel.
    pub(super) fn new(threads: usize, kernel: Option<&str>) -> Result<Packed, WorkerError> {
        let workplace = Workplace::new(threads)?;
        let named = |name: &str| {
            let kernel = rivals(workplace.cpu).find(|rival| rival.record().name() == name);
            kernel.ok_or_else(|| WorkerError::NoKernel { name: name.to_owned() })
        };
        let kernel = kernel.map(named).transpose()?;
        Ok(Packed { workplace, kernel, ready: None })
    }
}

impl Multiply<f32> for Packed {
    fn prepare(&mut self, operands: &mut Operands<f32>) -> Result<(), WorkerError> {
        let super::Product { m, n, k, .. } = operands.product();
        let (cpu, shape) = (self.workplace.cpu, Shape { m, n, k });
        // The weights of the product before go first: both together may not fit.
        self.ready = None;
        let plan = match self.kernel {
            Some(kernel) => GemmPlan::with_kernel(cpu, kernel, shape),
            None => GemmPlan::new(cpu, shape),
        };
        self.ready = Some((plan, plan.pack_b(Views::new(operands)?.b)?));
        Ok(())
    }

    fn kernel(&self) -> Option<&'static str> {
        self.ready.as_ref().map(|(plan, _)| plan.kernel().record().name())
    }

    fn repeat(&mut self, operands: &mut Operands<f32>, times: usize) -> Result<(), WorkerError> {
        let (plan, packed) = self.ready.as_ref().ok_or(WorkerError::NotPrepared)?;
        let Views { a, mut c, .. } = Views::new(operands)?;
        let Workplace { pool, scratch, .. } = &mut self.workplace;
        let (mut ctx, epilogue) = (Ctx { pool, scratch }, Epilogue::default());
        for _ in 0..times {
            plan.run(a, packed, c.reborrow(), &epilogue, &mut ctx)?;
        }
        Ok(())
    }
}

/// The operands as the kernels see them.
struct Views<'a, T> {
    /// op(A) (m, k).
    a: MatRef<'a, T>,
    /// op(B) (k, n).
    b: MatRef<'a, T>,
    /// (m, n).
    c: MatMut<'a, T>,
}

impl<'a, T: Element> Views<'a, T> {
    fn new(operands: &'a mut Operands<T>) -> Result<Views<'a, T>, Error> {
        let super::Product { m, n, k, transpose_a, transpose_b } = operands.product();
        let (a, b, c) = operands.matrices();
        let a = if transpose_a { MatRef::new(a, k, m)?.transposed() } else { MatRef::new(a, m, k)? };
        let b = if transpose_b { MatRef::new(b, n, k)?.transposed() } else { MatRef::new(b, k, n)? };
        Ok(Views { a, b, c: MatMut::new(c, m, n)? })
    }
}
