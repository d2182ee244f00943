//! The read bandwidth from memory, measured.
//!
//! Threads read a buffer far larger than the last-level cache, each its own part, over and over in order, so that every
//! line has left the caches before it is read again. [`crate::cache_bandwidth`] reads smaller ones.

#![allow(unsafe_code, reason = "wide loads by intrinsics")]

use std::hint::black_box;
use std::time::Duration;

use serde::Serialize;

use crate::buffer::{Buffer, HUGE_PAGE, Pages};
use crate::throughput::{Effort, MeasureError, best_rate, check_threads};

/// A measured read bandwidth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bandwidth {
    /// GB/s (10⁹ bytes) of all threads together.
    pub gb_per_s: f64,
    /// The number of threads that read at once.
    pub threads: usize,
    /// Size of the buffer that they read, bytes.
    pub buffer_bytes: usize,
}

const MIB: usize = 1 << 20;
/// What a thread reads between two looks at the clock: about 30 µs or more if all of it comes from memory.
const CHUNK_BYTES: usize = MIB;
const EFFORT: Effort = Effort { rounds: 30, window: Duration::from_millis(5) };

/// A buffer size that defeats the caches: 4 × the machine's last-level caches together, at least 256 MiB, at most 2 GiB
/// and a quarter of the memory that is available; a multiple of 2 MiB. Facts that are not known are left out.
pub fn buffer_bytes(last_level_cache: Option<u64>, available_memory: Option<u64>) -> usize {
    let wanted = last_level_cache.unwrap_or(0).saturating_mul(4).clamp(256 * MIB as u64, 2048 * MIB as u64);
    let allowed = available_memory.map_or(u64::MAX, |bytes| bytes / 4);
    (wanted.min(allowed) as usize / HUGE_PAGE).max(1) * HUGE_PAGE
}

/// Measures the read bandwidth of `threads` threads at once from a buffer of `bytes` (see [`buffer_bytes`]), rounded up
/// so that each thread has an equal part of whole MiB: the best of 30 rounds of 5 ms.
///
/// Each thread writes its part once before, in huge pages if the system gives them. It counts towards the process's
/// peak memory: read that figure before.
///
/// # Errors
///
/// Returns [`MeasureError::Memory`] if the buffer cannot be allocated; also the errors of [`best_rate`].
pub fn measure_read_bandwidth(threads: usize, bytes: usize) -> Result<Bandwidth, MeasureError> {
    check_threads(threads)?;
    let part_bytes = bytes.div_ceil(threads).max(1).checked_next_multiple_of(CHUNK_BYTES);
    let total = part_bytes.and_then(|part| part.checked_mul(threads)).ok_or(MeasureError::Memory { bytes })?;
    let rate = read_rate(threads, total / threads, CHUNK_BYTES, EFFORT)?;
    Ok(Bandwidth { gb_per_s: rate / 1e9, threads, buffer_bytes: total })
}

/// Bytes per second of `threads` threads that each read `part_bytes` of their own over and over. Between two looks at the
/// clock a thread reads at most `chunk_bytes`: equal slices of a part that is larger, repetitions of one that is smaller.
pub(crate) fn read_rate(
    threads: usize,
    part_bytes: usize,
    chunk_bytes: usize,
    effort: Effort,
) -> Result<f64, MeasureError> {
    check_threads(threads)?;
    let sum = best_sum();
    let reader = |mut part: Buffer| {
        let mut next = 0;
        move || {
            let (words, chunk) = (part.words(), chunk_bytes / size_of::<u64>());
            let length = words.len() / words.len().div_ceil(chunk);
            let repeats = (chunk / length).max(1);
            next = if next + length > words.len() { 0 } else { next };
            let slice = &words[next..next + length];
            next += length;
            black_box(sum(slice, repeats));
            (size_of_val(slice) * repeats) as u64
        }
    };
    let parts: Result<Vec<Buffer>, _> = (0..threads).map(|_| Buffer::reserve(part_bytes, Pages::Huge)).collect();
    best_rate(parts?.into_iter().map(reader).collect(), effort)
}

/// The loop with the widest loads that this CPU has. Several streams at once and software prefetch bring nothing over
/// one stream in order, which the hardware's own prefetch follows.
fn best_sum() -> fn(&[u64], usize) -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the CPU has AVX-512F.
            return |words, repeats| unsafe { x86::sum_avx512(words, repeats) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU has AVX2.
            return |words, repeats| unsafe { x86::sum_avx2(words, repeats) };
        }
    }
    sum
}

/// Wrapping sum of all words, read `repeats` times.
fn sum(words: &[u64], repeats: usize) -> u64 {
    let once = |words: &[u64]| words.iter().fold(0u64, |sum, &word| sum.wrapping_add(word));
    (0..repeats).fold(0, |total: u64, _| total.wrapping_add(once(black_box(words))))
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{black_box, sum};
    use std::arch::x86_64::{
        __m256i, _mm256_add_epi64, _mm256_loadu_si256, _mm256_setzero_si256, _mm256_storeu_si256, _mm512_add_epi64,
        _mm512_loadu_si512, _mm512_reduce_add_epi64, _mm512_setzero_si512,
    };

    /// Independent sums, so that no addition waits for the one before.
    const SUMS: usize = 8;

    /// [`sum`] in 512-bit loads.
    #[target_feature(enable = "avx512f")]
    pub(super) fn sum_avx512(words: &[u64], repeats: usize) -> u64 {
        const LANES: usize = 8;
        let (blocks, rest) = words.as_chunks::<{ LANES * SUMS }>();
        let mut sums = [_mm512_setzero_si512(); SUMS];
        for _ in 0..repeats {
            for block in black_box(blocks) {
                for (i, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: the 8 words from `LANES * i` lie within the block of `LANES * SUMS`.
                    let loaded = unsafe { _mm512_loadu_si512(block.as_ptr().add(LANES * i).cast()) };
                    *sum = _mm512_add_epi64(*sum, loaded);
                }
            }
        }
        let total = sum(rest, repeats);
        sums.into_iter().fold(total, |total, sum| total.wrapping_add(_mm512_reduce_add_epi64(sum) as u64))
    }

    /// [`sum`] in 256-bit loads.
    #[target_feature(enable = "avx2")]
    pub(super) fn sum_avx2(words: &[u64], repeats: usize) -> u64 {
        const LANES: usize = 4;
        let (blocks, rest) = words.as_chunks::<{ LANES * SUMS }>();
        let mut sums = [_mm256_setzero_si256(); SUMS];
        for _ in 0..repeats {
            for block in black_box(blocks) {
                for (i, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: the 4 words from `LANES * i` lie within the block of `LANES * SUMS`.
                    let loaded = unsafe { _mm256_loadu_si256(block.as_ptr().add(LANES * i).cast::<__m256i>()) };
                    *sum = _mm256_add_epi64(*sum, loaded);
                }
            }
        }
        let mut total = sum(rest, repeats);
        for lanes in sums {
            let mut words = [0u64; LANES];
            // SAFETY: `words` is 32 bytes that we own.
            unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast::<__m256i>(), lanes) };
            total = total.wrapping_add(sum(&words, 1));
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measure_read_bandwidth_small_buffer_is_positive() {
        let measured = measure_read_bandwidth(2, 3 * MIB).expect("a small buffer");
        assert!(measured.gb_per_s.is_finite() && measured.gb_per_s > 0.0);
        assert_eq!((measured.threads, measured.buffer_bytes), (2, 4 * MIB));
    }

    #[test]
    fn measure_read_bandwidth_impossible_buffer_is_refused() {
        assert!(matches!(measure_read_bandwidth(1, usize::MAX), Err(MeasureError::Memory { .. })));
        assert!(matches!(measure_read_bandwidth(1, usize::MAX / 2), Err(MeasureError::Memory { .. })));
    }

    #[test]
    fn measure_read_bandwidth_no_threads_is_refused() {
        assert!(matches!(measure_read_bandwidth(0, MIB), Err(MeasureError::Threads { found: 0 })));
    }

    #[test]
    fn buffer_bytes_stays_within_cache_and_memory_limits() {
        let mib = |count: u64| Some(count << 20);
        assert_eq!(buffer_bytes(None, None), 256 * MIB);
        assert_eq!(buffer_bytes(mib(32), mib(100_000)), 256 * MIB);
        assert_eq!(buffer_bytes(mib(128), mib(100_000)), 512 * MIB);
        assert_eq!(buffer_bytes(mib(4096), mib(100_000)), 2048 * MIB);
        assert_eq!(buffer_bytes(mib(128), mib(400)), 100 * MIB);
        assert_eq!(buffer_bytes(None, Some(0)), 2 * MIB);
    }

    #[test]
    fn sum_of_every_width_equals_plain_sum() {
        let words: Vec<u64> = (0..201u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        for (length, repeats) in [(0, 1), (1, 3), (31, 1), (32, 2), (33, 1), (63, 1), (64, 2), (65, 3), (201, 1)] {
            let words = &words[..length];
            let once = words.iter().map(|&word| u128::from(word)).sum::<u128>();
            let expected = ((once * repeats as u128) & u128::from(u64::MAX)) as u64;
            assert_eq!(sum(words, repeats), expected, "{length} words");
            assert_eq!(best_sum()(words, repeats), expected, "{length} words");
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the CPU has AVX2.
                assert_eq!(unsafe { x86::sum_avx2(words, repeats) }, expected, "{length} words");
            }
        }
    }
}
