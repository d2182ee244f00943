//! Memory whose lack is an error.

use crate::error::Error;

fn out_of_memory<T>(len: usize) -> Error {
    cke_kernels::Error::OutOfMemory { bytes: len.saturating_mul(size_of::<T>()) }.into()
}

/// `len` zeros.
///
/// # Errors
/// Fails if the allocation does.
pub(crate) fn zeros(len: usize) -> Result<Vec<f32>, Error> {
    let mut list = with_capacity(len)?;
    list.resize(len, 0.0);
    Ok(list)
}

/// An empty list with room for `capacity` elements.
///
/// # Errors
/// Fails if the allocation does.
pub(crate) fn with_capacity<T>(capacity: usize) -> Result<Vec<T>, Error> {
    let mut list = Vec::new();
    reserve(&mut list, capacity)?;
    Ok(list)
}

/// Room for `additional` more elements.
///
/// # Errors
/// Fails if the allocation does.
pub(crate) fn reserve<T>(list: &mut Vec<T>, additional: usize) -> Result<(), Error> {
    list.try_reserve(additional).map_err(|_| out_of_memory::<T>(additional))
}

/// Checks that `bytes` of memory can be allocated now, before calling other crates' code that aborts the process if it cannot.
///
/// # Errors
/// Fails if the allocation does.
pub(crate) fn check_available(bytes: usize) -> Result<(), cke_kernels::Error> {
    let mut probe: Vec<u8> = Vec::new();
    probe.try_reserve_exact(bytes).map_err(|_| cke_kernels::Error::OutOfMemory { bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_no_machine_has_is_an_error() {
        assert!(matches!(zeros(usize::MAX / 2), Err(Error::Kernel(cke_kernels::Error::OutOfMemory { .. }))));
        assert!(with_capacity::<u64>(usize::MAX).is_err());
        assert!(check_available(isize::MAX as usize).is_err());
        assert_eq!(zeros(3).unwrap(), [0.0; 3]);
    }
}
