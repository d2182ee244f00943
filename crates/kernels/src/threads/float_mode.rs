//! The floating-point mode of the thread that called: how it rounds, whether it flushes denormals to zero, which exceptions it traps.
//! Each thread has its own, so without care the bits of a result would depend on which thread computed them.
//!
//! Tasks run in the caller's mode on every thread, with exceptions masked. What they raise is noted and raised again on the calling
//! thread, where a trap belongs. Source: Intel SDM volume 1, section 10.2.3 (MXCSR).

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

/// The mode of a calling thread, and the exceptions that tasks on other threads raised.
pub(super) struct CallersMode {
    caller: ThreadKey,
    /// Control bits alone, every exception masked.
    control: u32,
    /// Exception flags.
    raised: AtomicU32,
}

impl CallersMode {
    /// The mode of this thread.
    pub(super) fn capture() -> CallersMode {
        let control = (csr::read() & !csr::FLAGS) | csr::MASKS;
        CallersMode { caller: ThreadKey::of_this_thread(), control, raised: AtomicU32::new(0) }
    }

    /// Runs `task` in this mode, whichever thread this is.
    #[inline]
    pub(super) fn keep_during(&self, task: impl FnOnce()) {
        if self.caller == ThreadKey::of_this_thread() {
            return task();
        }
        let before = csr::read();
        let foreign_flags = before & csr::FLAGS & !self.raised.load(Ordering::Relaxed);
        let is_adopted = before & !csr::FLAGS == self.control && foreign_flags == 0;
        if !is_adopted {
            csr::write(self.control);
        }
        let _leave = Leave {
            mode: self,
            restore: (!is_adopted && !THREAD.with(|thread| thread.is_worker.get())).then_some(before),
        };
        task();
    }

    /// Raises on this thread, the caller's, what tasks raised on others.
    pub(super) fn raise_in_caller(&self) {
        let raised = self.raised.load(Ordering::Relaxed);
        let now = csr::read();
        let new = raised & !now & csr::FLAGS;
        if new == 0 {
            return;
        }
        let masked = (now & csr::MASKS) >> csr::MASKS_OVER_FLAGS;
        csr::write(now | (new & masked));
        // Setting a flag traps nothing: a trap wants an operation.
        csr::trap(new & !masked);
    }
}

/// Notes what a task raised, and gives a thread that is not ours its own mode back; when a task unwinds as well.
struct Leave<'a> {
    mode: &'a CallersMode,
    restore: Option<u32>,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let flags = csr::read() & csr::FLAGS;
        if flags & !self.mode.raised.load(Ordering::Relaxed) != 0 {
            self.mode.raised.fetch_or(flags, Ordering::Relaxed);
        }
        if let Some(before) = self.restore {
            csr::write(before);
        }
    }
}

/// Makes the calling thread one that keeps whatever mode its last task had.
pub(super) fn become_worker() {
    THREAD.with(|thread| thread.is_worker.set(true));
}

/// Clears what earlier tasks raised on the calling thread, so that it is not taken for what the next one raises.
pub(super) fn clear_flags() {
    let now = csr::read();
    if now & csr::FLAGS != 0 {
        csr::write(now & !csr::FLAGS);
    }
}

struct Thread {
    is_worker: Cell<bool>,
}

thread_local! {
    static THREAD: Thread = const { Thread { is_worker: Cell::new(false) } };
}

/// What tells threads that live at the same time apart: where they have their [`THREAD`].
#[derive(Clone, Copy, PartialEq, Eq)]
struct ThreadKey(usize);

impl ThreadKey {
    fn of_this_thread() -> ThreadKey {
        ThreadKey(THREAD.with(|thread| std::ptr::from_ref(thread).addr()))
    }
}

/// The control and status register of SSE and AVX.
#[cfg(target_arch = "x86_64")]
mod csr {
    use std::arch::asm;
    use std::hint::black_box;

    /// Invalid, denormal, division by zero, overflow, underflow, inexact.
    pub(super) const FLAGS: u32 = 0x3F;
    /// Which of them are masked: the same bits, further up.
    pub(super) const MASKS: u32 = FLAGS << MASKS_OVER_FLAGS;
    pub(super) const MASKS_OVER_FLAGS: u32 = 7;

    pub(super) fn read() -> u32 {
        let mut value = 0u32;
        // SAFETY: writes four bytes, which `value` has.
        unsafe { asm!("stmxcsr [{}]", in(reg) &mut value, options(nostack, preserves_flags)) };
        value
    }

    /// The register ← a value that was read, perhaps with other flags and masks.
    pub(super) fn write(value: u32) {
        // SAFETY: reads four bytes, which `value` has. No reserved bit is set, since the value was made of one that was read.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &value, options(nostack, preserves_flags, readonly)) };
    }

    /// Raises exceptions by operations that have them.
    pub(super) fn trap(flags: u32) {
        let operations: [fn(f32) -> f32; 6] = [
            |zero| zero / black_box(0.0),
            |zero| zero + black_box(f32::from_bits(1)),
            |zero| black_box(1.0) / zero,
            |zero| black_box(f32::MAX) * black_box(f32::MAX) + zero,
            |zero| black_box(f32::MIN_POSITIVE) * black_box(f32::MIN_POSITIVE) + zero,
            |zero| black_box(1.0) / black_box(3.0) + zero,
        ];
        for (bit, operation) in operations.iter().enumerate() {
            if flags & (1 << bit) != 0 {
                black_box(operation(black_box(0.0)));
            }
        }
    }
}

/// Not read on this architecture: every thread computes in the mode that it has.
#[cfg(not(target_arch = "x86_64"))]
mod csr {
    pub(super) const FLAGS: u32 = 0;
    pub(super) const MASKS: u32 = 0;
    pub(super) const MASKS_OVER_FLAGS: u32 = 0;

    pub(super) fn read() -> u32 {
        0
    }

    pub(super) fn write(_value: u32) {}

    pub(super) fn trap(_flags: u32) {}
}
