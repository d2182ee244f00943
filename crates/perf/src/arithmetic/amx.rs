//! Loops over the tiles of AMX.

use super::{Arithmetic, MultiplyAdds, STEPS};
use cke_kernels::Cpu;
use cke_kernels::cpu::Features;
use std::arch::asm;

/// The loop of a format that AMX multiplies, if it is in use.
pub(super) fn multiply_adds(arithmetic: Arithmetic) -> Option<MultiplyAdds> {
    let is_in_use = |needs| Cpu::host().is_ok_and(|cpu| cpu.has(needs));
    match arithmetic {
        Arithmetic::Int8 | Arithmetic::Int4 if is_in_use(Features::AMX_INT8) => {
            // SAFETY: AMX-INT8 is in use.
            Some(MultiplyAdds { instruction: "tdpbssd", chunk: || unsafe { int8() } })
        }
        Arithmetic::Bf16 if is_in_use(Features::AMX_BF16) => {
            // SAFETY: AMX-BF16 is in use.
            Some(MultiplyAdds { instruction: "tdpbf16ps", chunk: || unsafe { bf16() } })
        }
        _ => None,
    }
}

/// Rows of a tile, and bytes of a row.
const ROWS: usize = 16;
const ROW_BYTES: usize = 64;

/// Eight whole tiles, as `ldtilecfg` reads their sizes.
#[repr(C, align(64))]
struct Sizes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static SIZES: Sizes = {
    let (mut row_bytes, mut rows) = ([0; 16], [0; 16]);
    let mut tile = 0;
    while tile < 8 {
        (row_bytes[tile], rows[tile]) = (ROW_BYTES as u16, ROWS as u8);
        tile += 1;
    }
    Sizes { palette: 1, start_row: 0, reserved: [0; 14], row_bytes, rows }
};

/// A tile of ½ in bf16, and of small numbers in bytes.
static OPERAND: [[u16; ROW_BYTES / 2]; ROWS] = [[0x3f00; ROW_BYTES / 2]; ROWS];

/// Declares a function that multiplies tiles and returns its operations, `$operations` for each word of a row of A and column of B. A step
/// takes eight times as long as one in vectors.
macro_rules! multiply_adds {
    ($name:ident, $instruction:literal, $operations:literal) => {
        /// # Safety
        /// The CPU has the instruction, and the system permits its use.
        unsafe fn $name() -> u64 {
            let steps = STEPS / 8;
            // SAFETY: promised by the caller; reads the sizes of tiles and whole tiles of the operand.
            unsafe {
                asm!(
                    "ldtilecfg [{sizes}]",
                    "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                    "tileloadd tmm4, [{operand} + {stride}*1]",
                    "tileloadd tmm5, [{operand} + {stride}*1]",
                    "tileloadd tmm6, [{operand} + {stride}*1]",
                    "tileloadd tmm7, [{operand} + {stride}*1]",
                    "2:",
                    concat!($instruction, " tmm0, tmm4, tmm6"),
                    concat!($instruction, " tmm1, tmm4, tmm7"),
                    concat!($instruction, " tmm2, tmm5, tmm6"),
                    concat!($instruction, " tmm3, tmm5, tmm7"),
                    "dec {left}",
                    "jnz 2b",
                    "tilerelease",
                    sizes = in(reg) &raw const SIZES,
                    operand = in(reg) OPERAND.as_ptr(),
                    stride = in(reg) ROW_BYTES,
                    left = inout(reg) steps => _,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack, readonly)
                );
            }
            steps * 4 * (ROWS * ROWS * ROW_BYTES / 4) as u64 * $operations
        }
    };
}

multiply_adds!(int8, "tdpbssd", 8);
multiply_adds!(bf16, "tdpbf16ps", 4);
