//! The kernels of AVX-VNNI where a CPU has `vpdpbusd` as a part of AVX-512 alone: their bodies, with the instruction in that encoding, have
//! the bits of plain Rust.

use super::grouped::{self, Preparation};
use super::{Microkernel, int8, plain_rust};
use crate::cpu::{Cpu, Features, Isa};
use crate::scheme::{Grouped, Int8By, Scheme};
use crate::simd::QuadRows;
use crate::threads::Serial;
use cke_testkit::Data;

const NEEDS: Features = Isa::Avx512.needs().union(Features::AVX512_VNNI);

/// On both sides of quads, groups and blocks of rows.
const DEPTHS: [usize; 9] = [1, 5, 31, 64, 127, 130, 256, 259, 515];

/// Compares a kernel with that in plain Rust, on every number of rows of two tiles.
fn check<S: Scheme<A = f32, B = f32, C = f32>>(record: &'static Microkernel<S>) {
    let Some(kernel) = record.on(Cpu::host().unwrap()) else { return };
    for k in DEPTHS {
        let (most, n) = (2 * kernel.tile().mr, 5 + k % 29);
        let mut data = Data::new(k as u64);
        let (a, b) = (data.normal(most * k, 0.0, 1.0), data.normal(k * n, 0.0, 1.0));
        for m in 1..=most {
            let [found, wanted] = [kernel, plain_rust::kernel()]
                .map(|kernel| plain_rust::product(kernel, (m, n, k), (&a[..m * k], &b), &Serial));
            assert_eq!(found, wanted, "{}, {m} rows of {k}", record.name());
        }
    }
}

macro_rules! check_int8 {
    ($group:literal, $whole:literal, [$($rows:literal)*]) => {{
        static KERNEL: Microkernel<Int8By<$group, $whole>> = int8::record(
            stringify!($group, $whole),
            NEEDS,
            &[$(&[int8::tile::avx_vnni_in_evex::<$group, $whole, $rows>]),*],
            1,
            QuadRows::Offset,
            None,
        );
        check(&KERNEL);
    }};
}

#[test]
fn int8_of_every_height_has_the_bits_of_plain_rust() {
    check_int8!(16, false, [1 2 3 4 5 6 7 8 9 10 11 12]);
    check_int8!(32, false, [1 2 3 4 5 6 7 8 9 10 11 12]);
    check_int8!(128, false, [1 2 3 4 5 6 7 8 9 10 11 12]);
    check_int8!(256, false, [1 2 3 4 5 6 7 8 9 10 11 12]);
    check_int8!(128, true, [1 2 3 4 5 6 7 8 9 10 11 12]);
}

macro_rules! check_formats {
    ($($format:ident)*) => {$({
        // SAFETY: functions of the format; AVX-512 contains AVX2.
        static KERNEL: Microkernel<Grouped<grouped::$format>> = unsafe {
            grouped::record::<grouped::$format>(
                stringify!($format),
                NEEDS,
                &[
                    &[grouped::tile::avx_vnni_in_evex::<grouped::$format, 1>],
                    &[grouped::tile::avx_vnni_in_evex::<grouped::$format, 2>],
                    &[grouped::tile::avx_vnni_in_evex::<grouped::$format, 3>],
                    &[grouped::tile::avx_vnni_in_evex::<grouped::$format, 4>],
                ],
                1,
                Preparation::Avx2,
            )
        };
        check(&KERNEL);
    })*};
}

#[test]
fn grouped_weights_of_every_format_have_the_bits_of_plain_rust() {
    check_formats!(Int4_128 Iq4Nl Iq4Xs Q2_K Q3_K Q4_0 Q4_1 Q4_K Q5_0 Q5_1 Q5_K Q6_K Q8_0);
}
