//! Loops 5 to 3: the product cut into blocks, which are spread over the threads.

use super::blocking::Blocking;
use super::macro_kernel::{Block, Product};
use crate::scheme::Scheme;
use crate::threads::Parallel;

impl<S: Scheme> Product<'_, S> {
    /// Computes the whole product. Each task is one block of C with all of its K, so no sum is ever split between threads.
    ///
    /// # Safety
    /// The fields are valid as they say, and nobody else uses C meanwhile.
    pub(crate) unsafe fn run(&self, blocking: Blocking, pool: &dyn Parallel) {
        let Blocking { mc, kc, nc } = blocking;
        if self.m == 0 || self.n == 0 {
            return;
        }
        let nr = self.kernel.tile().nr;
        let (panels, panels_per_block) = (self.n.div_ceil(nr), nc / nr);
        let column_blocks = panels.div_ceil(panels_per_block);
        let row_blocks = self.m.div_ceil(mc);

        // Loops 3 and 5: neighbouring tasks share their rows of A.
        pool.run(row_blocks * column_blocks, &|task, _worker| {
            let (row_block, column_block) = (task / column_blocks, task % column_blocks);
            let rows = row_block * mc..self.m.min((row_block + 1) * mc);
            let panels = column_block * panels_per_block..panels.min((column_block + 1) * panels_per_block);
            // Loop 4. An empty K still has one block, which finishes a tile of zeros.
            for start in (0..self.k.max(1)).step_by(kc) {
                let ks = start..self.k.min(start + kc);
                // SAFETY: promised by the caller; tasks own disjoint blocks of C.
                unsafe { self.run_block(Block { rows: rows.clone(), panels: panels.clone(), ks }) };
            }
        });
    }
}
