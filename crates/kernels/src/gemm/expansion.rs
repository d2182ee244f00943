//! Panels that are expanded for many rows: what every tile of rows would do to its weights is done once for all tiles.

use super::macro_kernel::{BBlock, Block, Product};
use super::microkernel::{Ready, TileKernel};
use super::strided::Strided;
use crate::scheme::Output;
use std::ptr::null_mut;

/// `expand(panel, k, out)`: out ← the whole blocks of a packed panel that hold `k` steps, from where a block of K begins, expanded.
///
/// # Safety
/// On a CPU that has what the kernel needs, with `panel` valid for reads of ⌈k / block⌉ blocks and `out` for writes of as many, expanded.
pub(super) type ExpandFn = unsafe fn(panel: *const u8, k: usize, out: *mut u8);

/// How a kernel multiplies many rows.
#[derive(Debug)]
pub(super) struct Expansion<E: Output> {
    pub(super) expand: ExpandFn,
    /// The kernel's tiles by expanded panels.
    pub(super) tiles: &'static TileKernel<E>,
}

/// Rows of a block from which on expanding pays.
const LEAST_ROWS: usize = 48;

impl<E: Output> Ready<E> {
    /// The expansion for blocks of this many rows.
    fn expansion_for(self, rows: usize) -> Option<&'static Expansion<E>> {
        self.kernel().expansion.as_ref().filter(|_| rows >= LEAST_ROWS)
    }

    /// Bytes of an expanded panel of `k` steps. Saturates.
    fn expanded_panel_bytes(self, expansion: &Expansion<E>, k: usize) -> usize {
        let whole_blocks = k.checked_next_multiple_of(self.panel_format().block_k).unwrap_or(usize::MAX);
        expansion.tiles.panel.panel_bytes(whole_blocks)
    }

    /// Bytes of the panels of a tile, expanded, for `m` rows and up to `k` steps at a time; 0 if they are read as they are. Saturates.
    pub(super) fn expanded_bytes(self, m: usize, k: usize) -> usize {
        let bytes = |expansion| self.expanded_panel_bytes(expansion, k).saturating_mul(self.kernel().panels_of_tile());
        self.expansion_for(m).map_or(0, bytes)
    }
}

impl<E: Output> Product<'_, E> {
    /// The room of a worker for the panels of a tile, for blocks of K of `kc` steps; null if they are read as they are.
    pub(super) fn room_for_panels(&self, kc: usize, room: &mut [f32]) -> *mut u8 {
        let bytes = self.kernel.expanded_bytes(self.m, kc.min(self.k));
        assert!(size_of_val(room) >= bytes, "wanted room for expanded panels");
        if bytes == 0 { null_mut() } else { room.as_mut_ptr().cast() }
    }

    /// The expansion for `rows` rows of a block.
    #[inline(always)]
    pub(super) fn expansion(&self, b: &BBlock, rows: usize) -> Option<&'static Expansion<E>> {
        if b.expanded.is_null() { None } else { self.kernel.expansion_for(rows) }
    }

    /// As [`Product::run_block`], the panels of each tile's columns expanded into the room.
    ///
    /// # Safety
    /// As [`Product::run_block`].
    #[inline(never)] // Products that expand nothing are also called on small stacks.
    pub(super) unsafe fn run_expanded(&self, expansion: &Expansion<E>, block: &Block, a: Strided<u8>, b: BBlock) {
        let (kernel, k, room) = (self.kernel.kernel(), block.ks.len(), b.expanded);
        let (panels, stride) = (kernel.panels_of_tile(), self.kernel.expanded_panel_bytes(expansion, k));
        let expanded = Product { kernel: self.kernel.by_expanded(expansion), ..*self };
        let _session = expanded.kernel.begin_session();
        for (index, panel) in block.panels.clone().enumerate() {
            let packed = b.data.wrapping_add(index * b.panel_stride);
            let cols = kernel.tile.nr.min(self.n - panel * kernel.tile.nr);
            for i in 0..cols.div_ceil(kernel.panel.cols) {
                // SAFETY: a panel of these columns, and its part of the room, promised by the caller; the CPU has what the kernel needs.
                unsafe {
                    (expansion.expand)(packed.wrapping_add(i * b.panel_stride / panels), k, room.add(i * stride))
                };
            }
            let block = Block { panels: panel..panel + 1, ..block.clone() };
            let b =
                BBlock { panel_stride: panels * stride, ..BBlock::of_rows(room, expansion.tiles.panel.block_bytes) };
            // SAFETY: promised by the caller, of the expanded panels.
            unsafe { expanded.run_block(&block, a, b) };
        }
    }
}
