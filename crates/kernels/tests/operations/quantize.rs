//! Numbers of fewer bits against the `half` crate and naive twins, on every instruction set.

use crate::{LENGTHS, each_isa, rows};
use cke_kernels::ops::quantize::{
    from_bf16, from_bf16_reference, from_f16, from_f16_reference, to_bf16, to_bf16_reference, to_f16, to_f16_reference,
    to_int8_asymmetric, to_int8_asymmetric_reference, to_int8_symmetric, to_int8_symmetric_reference,
};
use cke_kernels::{Cpu, Error};
use cke_testkit::{Data, Guarded};
use half::{bf16, f16};

const GROUPS: [usize; 6] = [1, 3, 16, 32, 256, 2000];

type Narrow = fn(&Cpu, &[f32], &mut [u16]) -> Result<(), Error>;
type Widen = fn(&Cpu, &[u16], &mut [f32]) -> Result<(), Error>;

fn narrowed(cpu: &Cpu, narrow: Narrow, x: &[f32]) -> Vec<u16> {
    let mut out = Guarded::unwritten(x.len());
    narrow(cpu, x, out.as_mut_slice()).expect("the lengths agree");
    out.as_slice().to_vec()
}

fn widened(cpu: &Cpu, widen: Widen, x: &[u16]) -> Vec<f32> {
    let mut out = Guarded::unwritten(x.len());
    widen(cpu, x, out.as_mut_slice()).expect("the lengths agree");
    out.as_slice().to_vec()
}

/// f32 round every number of a narrow type: itself, halfway to the next, and what lies beside that; then any bits, NaN among them.
fn points(widen: impl Fn(u16) -> f32) -> Vec<f32> {
    let mut points: Vec<f32> = Vec::new();
    for bits in 0..=u16::MAX {
        let (x, next) = (widen(bits), widen(bits.wrapping_add(1)));
        points.push(x);
        if x.is_finite() && next.is_finite() && x.is_sign_positive() == next.is_sign_positive() {
            let middle = ((f64::from(x) + f64::from(next)) / 2.0) as f32;
            points.extend([middle, middle.next_up(), middle.next_down()]);
        }
    }
    points.extend((0..=u32::MAX).step_by(9973).map(f32::from_bits));
    points.extend([65519.99, 65520.0, -65520.0, 3.396e38, f32::MAX, f32::MIN, 2f32.powi(-25), 1e-45]);
    points
}

/// Compares with the naive twin and with `oracle`, in one call and number by number.
fn assert_narrows(narrow: Narrow, twin: fn(&[f32], &mut [u16]), points: &[f32], oracle: impl Fn(f32) -> u16) {
    let mut by_twin = vec![0; points.len()];
    twin(points, &mut by_twin);
    for (x, found) in points.iter().zip(by_twin) {
        assert_eq!(found, oracle(*x), "{x:e} ({:#x}) by the twin", x.to_bits());
    }
    each_isa(|cpu| {
        for (x, found) in points.iter().zip(narrowed(cpu, narrow, points)) {
            assert_eq!(found, oracle(*x), "{x:e} ({:#x}) on {}", x.to_bits(), cpu.isa());
        }
        for len in LENGTHS {
            let wanted: Vec<u16> = points[1000..][..len].iter().map(|&x| oracle(x)).collect();
            assert_eq!(narrowed(cpu, narrow, &points[1000..][..len]), wanted, "{len} numbers on {}", cpu.isa());
        }
    });
}

#[test]
fn to_bf16_of_every_number_and_tie_is_the_nearest_even() {
    let points = points(|bits| bf16::from_bits(bits).to_f32());
    assert_narrows(to_bf16, to_bf16_reference, &points, |x| bf16::from_f32(x).to_bits());
}

#[test]
fn to_f16_of_every_number_and_tie_is_the_nearest_even() {
    let points = points(|bits| f16::from_bits(bits).to_f32());
    assert_narrows(to_f16, to_f16_reference, &points, |x| f16::from_f32(x).to_bits());
}

fn assert_widens_every_number_as_its_twin(widen: Widen, twin: fn(&[u16], &mut [f32])) {
    let every: Vec<u16> = (0..=u16::MAX).collect();
    let mut wanted = vec![0.0; every.len()];
    twin(&every, &mut wanted);
    each_isa(|cpu| {
        for (bits, (found, wanted)) in every.iter().zip(widened(cpu, widen, &every).iter().zip(&wanted)) {
            assert_eq!(found.to_bits(), wanted.to_bits(), "{bits:#x} on {}", cpu.isa());
        }
    });
}

#[test]
fn every_number_of_16_bits_has_the_bits_of_the_twin() {
    assert_widens_every_number_as_its_twin(from_bf16, from_bf16_reference);
    assert_widens_every_number_as_its_twin(from_f16, from_f16_reference);
}

#[test]
fn from_bf16_of_every_number_is_its_upper_half() {
    let every: Vec<u16> = (0..=u16::MAX).collect();
    each_isa(|cpu| {
        for (bits, found) in every.iter().zip(widened(cpu, from_bf16, &every)) {
            assert_eq!(found.to_bits(), u32::from(*bits) << 16, "{bits:#x} on {}", cpu.isa());
        }
    });
}

#[test]
fn from_f16_of_every_number_is_exact_and_quiet() {
    let every: Vec<u16> = (0..=u16::MAX).collect();
    each_isa(|cpu| {
        for (bits, found) in every.iter().zip(widened(cpu, from_f16, &every)) {
            let wanted = f16::from_bits(*bits);
            // In f64 by way of the definition: the crate may use the same instruction.
            assert!(f64::from(found) == wanted.to_f64() || wanted.is_nan(), "{bits:#x} on {}", cpu.isa());
            if wanted.is_nan() {
                let wanted = 0x7fc0_0000 | u32::from(bits & 0x8000) << 16 | u32::from(bits & 0x3ff) << 13;
                assert_eq!(found.to_bits(), wanted, "{bits:#x} on {}", cpu.isa());
            }
        }
        for len in LENGTHS {
            let found = widened(cpu, from_f16, &every[15_000..][..len]);
            let wanted: Vec<f32> = every[15_000..][..len].iter().map(|&bits| f16::from_bits(bits).to_f32()).collect();
            assert_eq!(found, wanted, "{len} numbers on {}", cpu.isa());
        }
    });
}

/// Rows of every length, with ties, and some with numbers that are not finite or count as zeros.
fn int8_rows() -> Vec<Vec<f32>> {
    let mut all = Vec::new();
    for (mean, deviation) in [(0.0, 1.0), (5.0, 1.0), (-3e30, 1e30), (0.0, 1e-36), (0.0, 1e38), (0.0, 0.0)] {
        all.extend(rows(200, mean, deviation));
    }
    // Quotients that are halves: 127, or 255 from the least to the greatest.
    for len in LENGTHS {
        let mut ties: Vec<f32> = Data::new(201).whole(len, 127).iter().map(|x| x * 0.5).collect();
        if let [first, second, ..] = ties[..] {
            (ties[0], ties[1]) = (127f32.copysign(first), -128f32.copysign(second));
        }
        all.push(ties);
    }
    for (i, bad) in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY].into_iter().enumerate() {
        let mut row = Data::new(202).normal(100, 0.0, 1.0);
        row[i * 30] = bad;
        all.push(row);
    }
    all
}

#[test]
fn to_int8_symmetric_of_each_group_has_the_bits_of_its_twin() {
    for row in int8_rows() {
        for group in GROUPS {
            let (mut wanted, mut scales) = (vec![0; row.len()], Vec::new());
            for (x, out) in row.chunks(group).zip(wanted.chunks_mut(group)) {
                scales.push(to_int8_symmetric_reference(x, out).to_bits());
            }
            each_isa(|cpu| {
                let (mut out, mut found) = (Guarded::unwritten(row.len()), Guarded::unwritten(scales.len()));
                to_int8_symmetric(cpu, &row, group, out.as_mut_slice(), found.as_mut_slice()).expect("the sizes fit");
                assert_eq!(out.as_slice(), wanted, "{} in groups of {group} on {}", row.len(), cpu.isa());
                let found: Vec<u32> = found.as_slice().iter().map(|scale| scale.to_bits()).collect();
                assert_eq!(found, scales, "{} in groups of {group} on {}", row.len(), cpu.isa());
            });
        }
    }
}

#[test]
fn to_int8_asymmetric_of_each_group_has_the_bits_of_its_twin() {
    for row in int8_rows() {
        for group in GROUPS {
            let (mut wanted, mut steps) = (vec![0; row.len()], Vec::new());
            for (x, out) in row.chunks(group).zip(wanted.chunks_mut(group)) {
                let (scale, zero) = to_int8_asymmetric_reference(x, out);
                steps.push((scale.to_bits(), zero));
            }
            each_isa(|cpu| {
                let mut out = Guarded::unwritten(row.len());
                let (mut scales, mut zeros) = (Guarded::unwritten(steps.len()), Guarded::unwritten(steps.len()));
                let (found, found_zeros) = (scales.as_mut_slice(), zeros.as_mut_slice());
                to_int8_asymmetric(cpu, &row, group, out.as_mut_slice(), found, found_zeros).expect("the sizes fit");
                assert_eq!(out.as_slice(), wanted, "{} in groups of {group} on {}", row.len(), cpu.isa());
                let found = scales.as_slice().iter().map(|scale| scale.to_bits()).zip(zeros.as_slice().iter().copied());
                assert_eq!(found.collect::<Vec<_>>(), steps, "{} in groups of {group} on {}", row.len(), cpu.isa());
            });
        }
    }
}

#[test]
fn to_int8_of_finite_numbers_is_within_half_a_step() {
    let is_within = |x: f32, scale: f32, steps: i32| {
        let back = f64::from(scale) * f64::from(steps);
        (f64::from(x) - back).abs() <= 0.5001 * f64::from(scale)
    };
    let (mut out, mut scales, mut zeros) = ([0; 1000], [0.0; 8], [0; 8]);
    each_isa(|cpu| {
        for mean in [0.0, 3.0, -0.5] {
            let x = Data::new(203).normal(1000, mean, 1.0);
            to_int8_symmetric(cpu, &x, 128, &mut out, &mut scales).expect("the sizes fit");
            assert!((0..1000).all(|j| is_within(x[j], scales[j / 128], out[j].into())), "{mean} on {}", cpu.isa());
            to_int8_asymmetric(cpu, &x, 128, &mut out, &mut scales, &mut zeros).expect("the sizes fit");
            let steps = |j: usize| i32::from(out[j]) - i32::from(zeros[j / 128]);
            assert!((0..1000).all(|j| is_within(x[j], scales[j / 128], steps(j))), "{mean} on {}", cpu.isa());
        }
    });
}

#[test]
fn quantize_of_sizes_that_do_not_fit_is_an_error() {
    let is_size = |result: Result<(), Error>| matches!(result, Err(Error::Size { .. }));
    each_isa(|cpu| {
        let (x, halves) = ([1.0; 8], [0; 8]);
        let (mut wide, mut narrow) = ([7.0; 7], [7; 7]);
        assert!(is_size(to_bf16(cpu, &x, &mut narrow)) && is_size(to_f16(cpu, &x, &mut narrow)));
        assert!(is_size(from_bf16(cpu, &halves, &mut wide)) && is_size(from_f16(cpu, &halves, &mut wide)));
        assert_eq!((wide, narrow), ([7.0; 7], [7; 7]));

        let (mut out, mut scales, mut zeros) = ([7; 8], [7.0; 4], [7; 4]);
        for (group, len, count) in [(0, 8, 4), (2, 7, 4), (2, 8, 3), (3, 8, 4), (usize::MAX, 8, 4)] {
            let result = to_int8_symmetric(cpu, &x, group, &mut out[..len], &mut scales[..count]);
            assert!(is_size(result), "{group} {len} {count}");
            let (scales, zeros) = (&mut scales[..count], &mut zeros[..count]);
            assert!(is_size(to_int8_asymmetric(cpu, &x, group, &mut out[..len], scales, zeros)));
        }
        assert!(is_size(to_int8_asymmetric(cpu, &x, 2, &mut out, &mut scales, &mut zeros[..3])));
        assert_eq!((out, scales, zeros), ([7; 8], [7.0; 4], [7; 4]));
        assert_eq!(to_int8_symmetric(cpu, &[], 32, &mut [], &mut []), Ok(()));
        assert_eq!(to_int8_asymmetric(cpu, &[], 32, &mut [], &mut [], &mut []), Ok(()));
    });
}
