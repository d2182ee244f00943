//! Steps 8 and 9: the library, with nothing prepared and with B packed ahead of time.

use crate::product::Product;
use cke_kernels::Error;
use cke_kernels::gemm::{Ctx, Epilogue, Gemm, GemmPlan, PackedB, Shape};
use cke_kernels::scheme::F32;
use cke_kernels::view::{MatMut, MatRef};

/// The product with nothing prepared: what packing there is happens within the call.
pub(crate) fn multiply(product: &Product<'_>, c: &mut [f32], ctx: &mut Ctx<'_>) -> Result<(), Error> {
    let Product { cpu, n, a, b } = *product;
    // ANCHOR: one_off
    let product = Gemm::<F32>::new(MatRef::new(a, n, n)?, MatRef::new(b, n, n)?);
    product.run(cpu, MatMut::new(c, n, n)?, ctx)
    // ANCHOR_END: one_off
}

/// A plan and its packed B, made once.
pub(crate) struct Planned {
    plan: GemmPlan<F32>,
    packed: PackedB<F32>,
}

impl Planned {
    pub(crate) fn new(product: &Product<'_>) -> Result<Planned, Error> {
        let Product { cpu, n, b, .. } = *product;
        // ANCHOR: plan
        let plan = GemmPlan::<F32>::new(cpu, Shape { m: n, n, k: n });
        let packed = plan.pack_b(MatRef::new(b, n, n)?)?;
        // ANCHOR_END: plan
        Ok(Planned { plan, packed })
    }

    pub(crate) fn multiply(&self, product: &Product<'_>, c: &mut [f32], ctx: &mut Ctx<'_>) -> Result<(), Error> {
        let Product { n, a, .. } = *product;
        // ANCHOR: run
        self.plan.run(MatRef::new(a, n, n)?, &self.packed, MatMut::new(c, n, n)?, &Epilogue::default(), ctx)
        // ANCHOR_END: run
    }
}
