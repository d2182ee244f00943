//! The tiles of AMX. The compiler knows their instructions in `asm!` alone, and uses none by itself, so that tiles keep what they hold
//! from one block of assembly to the next.

use super::{TileConfig, TileUnit};
use crate::simd::Avx512;
use std::arch::asm;

/// AMX-TILE with AMX-INT8 or AMX-BF16, and AVX-512.
#[derive(Clone, Copy)]
pub(crate) struct Amx(Avx512);

/// Instructions that change tiles, and no memory.
macro_rules! tiles {
    ($($line:literal),+; $($operands:tt)*) => {
        asm!(
            $($line),+,
            $($operands)*,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack, preserves_flags, readonly)
        )
    };
}

// SAFETY: rows are loaded and stored by the one instruction that does it.
unsafe impl TileUnit for Amx {
    type Floats = Avx512;

    #[inline(always)]
    unsafe fn assume() -> Self {
        // SAFETY: promised by the caller.
        Amx(unsafe { Avx512::assume() })
    }

    #[inline(always)]
    fn floats(self) -> Avx512 {
        self.0
    }

    #[inline(always)]
    unsafe fn configure(self, config: &TileConfig) {
        // SAFETY: `self` proves the instruction; it reads the 64 bytes of sizes that the caller vouches for.
        unsafe { tiles!("ldtilecfg [{}]"; in(reg) config) }
    }

    #[inline(always)]
    fn release(self) {
        // SAFETY: `self` proves the instruction, which touches the tiles of this thread alone.
        unsafe { asm!("tilerelease", options(nostack, preserves_flags, nomem)) }
    }

    #[inline(always)]
    unsafe fn zero<const T: u8>(self) {
        // SAFETY: `self` proves the instruction; the tile is configured, as the caller promises.
        unsafe { tiles!("tilezero tmm{}"; const T) }
    }

    #[inline(always)]
    unsafe fn load<const T: u8>(self, rows: *const u8, stride: usize) {
        // SAFETY: as in `zero`; the rows are valid for reads, as the caller promises.
        unsafe { tiles!("tileloadd tmm{}, [{} + {}*1]"; const T, in(reg) rows, in(reg) stride) }
    }

    #[inline(always)]
    unsafe fn load_once<const T: u8>(self, rows: *const u8, stride: usize) {
        // SAFETY: as in `load`.
        unsafe { tiles!("tileloaddt1 tmm{}, [{} + {}*1]"; const T, in(reg) rows, in(reg) stride) }
    }

    #[inline(always)]
    unsafe fn store<const T: u8>(self, rows: *mut u8, stride: usize) {
        // SAFETY: as in `zero`; the rows are valid for writes, as the caller promises.
        unsafe {
            asm!(
                "tilestored [{} + {}*1], tmm{}",
                in(reg) rows, in(reg) stride, const T,
                options(nostack, preserves_flags)
            )
        }
    }

    #[inline(always)]
    unsafe fn add_quads<const C: u8, const A: u8, const B: u8>(self) {
        // SAFETY: as in `zero`, for three tiles that fit each other.
        unsafe { tiles!("tdpbssd tmm{}, tmm{}, tmm{}"; const C, const A, const B) }
    }

    #[inline(always)]
    unsafe fn add_pairs<const C: u8, const A: u8, const B: u8>(self) {
        // SAFETY: as in `zero`, for three tiles that fit each other.
        unsafe { tiles!("tdpbf16ps tmm{}, tmm{}, tmm{}"; const C, const A, const B) }
    }
}
