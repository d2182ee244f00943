//! Panels that are expanded for many rows: what every tile of rows would do to its weights is done once for all tiles.

use super::format::PanelFormat;
use super::macro_kernel::{BBlock, Product, TilePanels};
use super::microkernel::Ready;
use super::tile_args::TileFn;
use crate::scheme::Output;
use std::ptr::null_mut;

/// `expand(panel, k, out)`: out ← the packed panel of `k` steps, which begin where a block of K does, expanded.
///
/// # Safety
/// On a CPU that has what the kernel needs, with `panel` valid for reads of the blocks with these steps and `out` for writes of all of them,
/// expanded.
pub(super) type ExpandFn = unsafe fn(panel: *const u8, k: usize, out: *mut u8);

/// How a kernel multiplies many rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expansion<E: Output> {
    /// Expanded panels, with the columns of packed ones.
    pub(super) panel: PanelFormat,
    pub(super) expand: ExpandFn,
    /// As the functions of the kernel, for expanded panels.
    pub(super) functions: &'static [&'static [TileFn<E>]],
}

/// Rows from which on expanding pays.
const LEAST_ROWS: usize = 48;

impl<E: Output> Ready<E> {
    /// The expansion for this many rows.
    fn expansion_for(self, rows: usize) -> Option<&'static Expansion<E>> {
        self.kernel().expansion.as_ref().filter(|_| rows >= LEAST_ROWS)
    }

    /// Bytes of an expanded panel of `k` steps. Saturates.
    fn expanded_panel_bytes(self, expansion: &Expansion<E>, k: usize) -> usize {
        expansion.panel.panel_bytes(k.checked_next_multiple_of(self.panel_format().block_k).unwrap_or(usize::MAX))
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
    pub(super) fn expansion(&self, b: &BBlock, rows: usize) -> Option<&'static Expansion<E>> {
        self.kernel.expansion_for(rows).filter(|_| !b.expanded.is_null())
    }

    /// The panels of `cols` columns of a tile, expanded into the room.
    ///
    /// # Safety
    /// They are packed panels of `k` steps, valid for reads, and the room is valid for writes of the panels of a tile, expanded.
    pub(super) unsafe fn expand(
        &self,
        expansion: &Expansion<E>,
        packed: TilePanels,
        cols: usize,
        k: usize,
        room: *mut u8,
    ) -> TilePanels {
        let panel_stride = self.kernel.expanded_panel_bytes(expansion, k);
        for panel in 0..cols.div_ceil(expansion.panel.cols) {
            let (from, to) =
                (packed.data.wrapping_add(panel * packed.panel_stride), room.wrapping_add(panel * panel_stride));
            // SAFETY: a panel of the tile, and its part of the room, promised by the caller; the CPU has what the kernel needs.
            unsafe { (expansion.expand)(from, k, to) };
        }
        TilePanels { data: room, stride: expansion.panel.block_bytes, panel_stride }
    }
}
