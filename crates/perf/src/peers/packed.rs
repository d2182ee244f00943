//! This project's own products with B packed ahead, as contestants.

use super::native::{Views, Workplace};
use super::operands::Operands;
use super::product::Product;
use super::session::{Multiply, Route};
use super::weights::Weights;
use super::worker::WorkerError;
use cke_kernels::gemm::{Ctx, Epilogue, Form, GemmPlan, PackedB, RowBuf, Shape, Supported, supported};
use cke_kernels::scheme::Scheme;
use cke_kernels::scratch::HugePages;

/// `GemmPlan`: B packed ahead.
pub(super) struct Packed<S: Scheme> {
    workplace: Workplace,
    /// `None` leaves the choice to dispatch.
    kernel: Option<Supported<S>>,
    weights: Weights,
    ready: Option<Ready<S>>,
}

/// A product whose B is packed.
struct Ready<S: Scheme> {
    plan: GemmPlan<S>,
    copies: Vec<PackedB<S>>,
    /// The copy that is read next.
    next: usize,
}

impl<S: Scheme> Packed<S> {
    /// With `threads` threads, by the kernel that dispatch chooses or by the one of this name.
    ///
    /// # Errors
    /// If the threads cannot be started, or this CPU cannot run such a kernel.
    pub(super) fn new(threads: usize, kernel: Option<&str>, weights: Weights) -> Result<Packed<S>, WorkerError> {
        let workplace = Workplace::new(threads)?;
        let named = |name: &str| {
            let forms = [Form::Outer, Form::Blocks].into_iter();
            let mut kernels = forms.flat_map(|form| supported(workplace.cpu, form));
            let kernel = kernels.find(|kernel| kernel.record().name() == name);
            kernel.ok_or_else(|| WorkerError::NoKernel { name: name.to_owned() })
        };
        let kernel = kernel.map(named).transpose()?;
        Ok(Packed { workplace, kernel, weights, ready: None })
    }
}

impl<S: Scheme<B = f32>> Ready<S> {
    fn new(plan: GemmPlan<S>, operands: &mut Operands<f32>, copies: usize) -> Result<Ready<S>, WorkerError> {
        let first = plan.pack_b(Views::new(operands)?.b)?;
        let pages = HugePages::new();
        // The one that they are made of is packed wherever there was room: it is not among several.
        let copies = match copies {
            0 | 1 => vec![first],
            _ => (0..copies).map(|_| first.copy_in(&pages)).collect::<Result<_, _>>()?,
        };
        Ok(Ready { plan, copies, next: 0 })
    }

    /// The plan, and the copy whose turn it is.
    fn next(&mut self) -> (&GemmPlan<S>, &PackedB<S>) {
        let copy = &self.copies[self.next];
        self.next = (self.next + 1) % self.copies.len();
        (&self.plan, copy)
    }
}

impl<S: Scheme<A = f32, B = f32, C = f32>> Multiply<f32> for Packed<S> {
    fn prepare(&mut self, operands: &mut Operands<f32>) -> Result<(), WorkerError> {
        let Product { m, n, k, .. } = operands.product();
        let (cpu, shape) = (self.workplace.cpu, Shape { m, n, k });
        // The weights of the product before go first: both together may not fit.
        self.ready = None;
        let plan = match self.kernel {
            Some(kernel) => GemmPlan::with_kernel(cpu, kernel, shape),
            None => GemmPlan::new(cpu, shape),
        };
        let copies = self.weights.copies(plan.packed_b_bytes(), cpu);
        self.ready = Some(Ready::new(plan, operands, copies)?);
        Ok(())
    }

    fn route(&self) -> Route {
        Route { kernel: self.ready.as_ref().map(|ready| ready.plan.kernel().record().name().to_owned()), path: None }
    }

    fn repeat(&mut self, operands: &mut Operands<f32>, times: usize) -> Result<(), WorkerError> {
        let ready = self.ready.as_mut().ok_or(WorkerError::NotPrepared)?;
        let Views { a, mut c, .. } = Views::new(operands)?;
        let Workplace { pool, scratch, .. } = &mut self.workplace;
        let (mut ctx, epilogue) = (Ctx { pool, scratch }, Epilogue::default());
        for _ in 0..times {
            let (plan, packed) = ready.next();
            plan.run(a, packed, c.reborrow(), &epilogue, &mut ctx)?;
        }
        Ok(())
    }
}

/// [`Packed`], with the rows of A prepared ahead as well.
pub(super) struct Prepared<S: Scheme> {
    packed: Packed<S>,
    rows: RowBuf,
}

impl<S: Scheme> Prepared<S> {
    /// With `threads` threads, by the kernel that dispatch chooses.
    ///
    /// # Errors
    /// If the threads cannot be started.
    pub(super) fn new(threads: usize, weights: Weights) -> Result<Prepared<S>, WorkerError> {
        Ok(Prepared { packed: Packed::new(threads, None, weights)?, rows: RowBuf::new() })
    }
}

impl<S: Scheme<A = f32, B = f32, C = f32>> Multiply<f32> for Prepared<S> {
    fn prepare(&mut self, operands: &mut Operands<f32>) -> Result<(), WorkerError> {
        self.packed.prepare(operands)?;
        self.prepare_rows(operands, 1).map(|_| ())
    }

    fn route(&self) -> Route {
        self.packed.route()
    }

    fn repeat(&mut self, operands: &mut Operands<f32>, times: usize) -> Result<(), WorkerError> {
        let ready = self.packed.ready.as_mut().ok_or(WorkerError::NotPrepared)?;
        let mut c = Views::new(operands)?.c;
        let Workplace { pool, scratch, .. } = &mut self.packed.workplace;
        let (mut ctx, epilogue) = (Ctx { pool, scratch }, Epilogue::default());
        for _ in 0..times {
            let (plan, packed) = ready.next();
            plan.run_prepared(&self.rows, packed, c.reborrow(), &epilogue, &mut ctx)?;
        }
        Ok(())
    }

    fn prepare_rows(&mut self, operands: &mut Operands<f32>, times: usize) -> Result<bool, WorkerError> {
        let ready = self.packed.ready.as_ref().ok_or(WorkerError::NotPrepared)?;
        let a = Views::new(operands)?.a;
        for _ in 0..times {
            self.rows.prepare(ready.plan.kernel(), a, &self.packed.workplace.pool)?;
        }
        Ok(true)
    }
}
