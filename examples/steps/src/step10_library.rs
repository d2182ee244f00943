//! Steps 10 and 12: the library, with nothing prepared.

use crate::product::Product;
use cke_kernels::Error;
use cke_kernels::gemm::{Ctx, Gemm};
use cke_kernels::scheme::F32;
use cke_kernels::view::{MatMut, MatRef};

pub(crate) fn multiply(product: &Product<'_>, c: &mut [f32], ctx: &mut Ctx<'_>) -> Result<(), Error> {
    let Product { cpu, n, a, b } = *product;
    // ANCHOR: one_off
    let product = Gemm::<F32>::new(MatRef::new(a, n, n)?, MatRef::new(b, n, n)?);
    product.run(cpu, MatMut::new(c, n, n)?, ctx)
    // ANCHOR_END: one_off
}
