//! The sizes of tiles, as the unit reads them from memory.

/// What `ldtilecfg` loads: palette 1, which has eight tiles. A tile without rows is not configured.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct TileConfig {
    pub(super) palette: u8,
    pub(super) start_row: u8,
    pub(super) reserved: [u8; 14],
    pub(super) row_bytes: [u16; 16],
    pub(super) rows: [u8; 16],
}

impl TileConfig {
    /// No tile.
    pub(crate) const NONE: TileConfig =
        TileConfig { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };

    /// The same with a tile of these sizes, or without it if it has no rows.
    pub(crate) const fn with(mut self, tile: u8, rows: usize, row_bytes: usize) -> TileConfig {
        self.rows[tile as usize] = rows as u8;
        self.row_bytes[tile as usize] = if rows > 0 { row_bytes as u16 } else { 0 };
        self
    }
}
