//! Buffers between canaries: a write outside the buffer is found when it is checked or dropped.

/// Canaries on each side of the data. More than one AVX-512 vector of the smallest element, so that a vector stored at
/// the wrong end still lands on them.
const CANARIES: usize = 128;

/// A number that has a bit pattern set aside as canary.
pub trait Element: Copy + PartialEq + std::fmt::Debug + 'static {
    /// A value that no computation of the code under test gives. Floats: a NaN with a payload of its own, so that a
    /// read of it shows in the result.
    const CANARY: Self;

    /// Whether the bits are those of [`Element::CANARY`].
    fn is_canary(self) -> bool;
}

macro_rules! elements {
    ($($type:ty, $canary:expr, $bits:ident => $as_bits:expr;)*) => { $(
        impl Element for $type {
            const CANARY: Self = $canary;

            fn is_canary(self) -> bool {
                let bits = |$bits: Self| $as_bits;
                bits(self) == bits(Self::CANARY)
            }
        }
    )* };
}

elements! {
    f32, f32::from_bits(0x7fc5_a5a5), x => x.to_bits();
    f64, f64::from_bits(0x7ff8_a5a5_a5a5_a5a5), x => x.to_bits();
    i8, 0x5a, x => x;
    u8, 0xa5, x => x;
    u16, 0x7fa5, x => x; // read as bf16: a NaN
    i32, 0x5a5a_5a5a, x => x;
}

/// Owned values with canaries before and after them.
///
/// Dropping it checks the canaries, so that a test cannot forget to.
#[derive(Debug)]
pub struct Guarded<T: Element> {
    storage: Vec<T>,
}

impl<T: Element> Guarded<T> {
    /// A copy of `values` between canaries.
    pub fn new(values: &[T]) -> Self {
        let mut storage = vec![T::CANARY; CANARIES];
        storage.extend_from_slice(values);
        storage.resize(values.len() + 2 * CANARIES, T::CANARY);
        Self { storage }
    }

    /// `len` canaries between canaries: what is not overwritten can be told afterwards.
    pub fn unwritten(len: usize) -> Self {
        Self::new(&vec![T::CANARY; len])
    }

    /// The values.
    pub fn as_slice(&self) -> &[T] {
        &self.storage[CANARIES..self.storage.len() - CANARIES]
    }

    /// The values, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        let end = self.storage.len() - CANARIES;
        &mut self.storage[CANARIES..end]
    }

    /// A pointer to the first value that may also reach the canaries, for code that works with raw pointers.
    pub fn as_mut_ptr(&mut self) -> *mut T {
        self.storage.as_mut_ptr().wrapping_add(CANARIES)
    }

    /// Checks that every canary is as it was.
    ///
    /// # Panics
    /// When one is not; the message gives its distance from the data.
    #[track_caller]
    pub fn check(&self) {
        let end = self.storage.len() - CANARIES;
        for (i, &value) in self.storage.iter().enumerate() {
            if i < CANARIES {
                assert!(value.is_canary(), "{value:?} was written {} elements before the buffer", CANARIES - i);
            } else if i >= end {
                assert!(value.is_canary(), "{value:?} was written {} elements past the buffer's last", i - end + 1);
            }
        }
    }
}

impl<T: Element> Drop for Guarded<T> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guarded_write_inside_passes_the_check() {
        let mut buffer = Guarded::new(&[1.0f32, 2.0]);
        buffer.as_mut_slice()[1] = 3.0;
        buffer.check();
        assert_eq!(buffer.as_slice(), [1.0, 3.0]);
    }

    #[test]
    #[should_panic(expected = "7 was written 1 elements past")]
    fn guarded_write_past_the_end_panics_on_drop() {
        let mut buffer = Guarded::new(&[1u8, 2]);
        buffer.storage[CANARIES + 2] = 7;
    }

    #[test]
    #[should_panic(expected = "NaN was written 2 elements before")]
    fn guarded_other_nan_before_the_start_panics() {
        let mut buffer = Guarded::<f32>::unwritten(0);
        buffer.storage[CANARIES - 2] = f32::NAN;
    }
}
