//! Step 11: the blocks of step 9 spread over threads. Each element of C belongs to one task, so its sum is never split.

use crate::product::Product;
use crate::step5_register_tile::{MR, width};
use crate::step9_panels::{Block, pack_panel};
use cke_kernels::Error;
use cke_kernels::gemm::{Blocking, Ctx};
use cke_kernels::simd::dispatch;
use cke_kernels::threads::for_each_chunk;

pub(crate) fn multiply(
    product: &Product<'_>,
    Blocking { mc, kc, .. }: Blocking,
    c: &mut [f32],
    ctx: &mut Ctx<'_>,
) -> Result<(), Error> {
    let (n, nr, pool) = (product.n, width(product.cpu.isa()), ctx.pool);
    // The same number of blocks for each thread.
    let row_blocks = n.div_ceil(mc).next_multiple_of(pool.threads());
    let mc = n.div_ceil(row_blocks).next_multiple_of(MR);
    let packed = ctx.scratch.take(kc * n.next_multiple_of(nr))?;
    // ANCHOR: loops
    for p0 in (0..n).step_by(kc) {
        let ks = p0..n.min(p0 + kc);
        let packed = &mut packed[..ks.len() * n.next_multiple_of(nr)];
        for_each_chunk(pool, packed, ks.len() * nr, |panel, out| {
            pack_panel(product, ks.clone(), panel * nr, nr, out);
        });
        for_each_chunk(pool, c, mc * n, |block, c| {
            let packed = &*packed;
            dispatch(product.cpu, Block { product, first_row: block * mc, ks: ks.clone(), columns: 0..n, packed, c });
        });
    }
    // ANCHOR_END: loops
    Ok(())
}
