//! AMX: whether the CPU and the system have it, and the system's permission to use it.
//!
//! Sources: Intel SDM volume 2A, CPUID leaves 7 and 1DH, and volume 1, section 13.3, XCR0; Linux, Documentation/arch/x86/xstate.rst.

#![allow(unsafe_code, reason = "a control register and a system call")]

use super::Features;
use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use std::sync::OnceLock;

/// What the kernels take for granted of palette 1: bytes of a tile and of its rows, tiles, rows of a tile.
const PALETTE: [u32; 4] = [1024, 64, 8, 16];

/// Parts of the state that the system saves: the configuration, and the tiles.
const TILE_CONFIG: u32 = 17;
const TILE_DATA: u32 = 18;

/// What there is of it. Use takes [`is_permitted`], too.
pub(super) fn features() -> Features {
    let (has_tiles, bf16, int8) = instructions();
    if !(has_tiles && system_saves_tiles() && palette() == PALETTE) {
        return Features::NONE;
    }
    Features::AMX_INT8.if_there(int8) | Features::AMX_BF16.if_there(bf16)
}

/// AMX-TILE, AMX-BF16 and AMX-INT8.
fn instructions() -> (bool, bool, bool) {
    const LEAF: u32 = 7;
    let edx = if __cpuid(0).eax >= LEAF { __cpuid_count(LEAF, 0).edx } else { 0 };
    let has = |bit: u32| edx >> bit & 1 == 1;
    (has(24), has(22), has(25))
}

fn palette() -> [u32; 4] {
    const LEAF: u32 = 0x1d;
    if __cpuid(0).eax < LEAF {
        return [0; 4];
    }
    let sizes = __cpuid_count(LEAF, 1);
    [sizes.eax >> 16, sizes.ebx & 0xffff, sizes.ebx >> 16, sizes.ecx & 0xffff]
}

fn system_saves_tiles() -> bool {
    const OSXSAVE: u32 = 27;
    const TILES: u64 = 1 << TILE_CONFIG | 1 << TILE_DATA;
    // SAFETY: the CPU has the instruction if the system uses it.
    __cpuid(1).ecx >> OSXSAVE & 1 == 1 && unsafe { xcr0() } & TILES == TILES
}

/// # Safety
/// The CPU has XSAVE, and the system uses it.
#[target_feature(enable = "xsave")]
unsafe fn xcr0() -> u64 {
    // SAFETY: promised by the caller; register 0 exists.
    unsafe { _xgetbv(0) }
}

/// Whether the system lets this process use tiles, for which every thread that does needs 8 KB more, and signal handlers larger stacks. Asks it
/// once.
pub(super) fn is_permitted() -> bool {
    static IS_PERMITTED: OnceLock<bool> = OnceLock::new();
    *IS_PERMITTED.get_or_init(ask)
}

#[cfg(target_os = "linux")]
fn ask() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    // SAFETY: two numbers; the call changes what the system saves of this process, and no memory.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, libc::c_long::from(TILE_DATA)) == 0 }
}

/// Other systems are not asked.
#[cfg(not(target_os = "linux"))]
fn ask() -> bool {
    false
}
