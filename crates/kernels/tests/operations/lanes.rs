//! Each operation of `Simd` against plain arithmetic of its element type, lane by lane.

use crate::each_isa;
use crate::element::{Real, Work};
use cke_kernels::Cpu;
use cke_kernels::simd::{Op, Simd, dispatch};
use cke_testkit::tolerance::ulp_distance;
use cke_testkit::{Data, Guarded};

#[derive(Clone, Copy, Debug)]
enum Lanewise {
    Add,
    Sub,
    Mul,
    Div,
    Max,
    Min,
    /// a where a < b, else c
    SelectLess,
    MulAdd,
    Sqrt,
    Round,
    ScaleByPower,
}

/// The operation on each (a, b, c); the result replaces a.
struct Evaluate<'a, E>(Lanewise, &'a mut [E], &'a [E], &'a [E]);

impl<E: Real> Work<E> for Evaluate<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) {
        let operands = self.1.chunks_mut(S::LANES).zip(self.2.chunks(S::LANES)).zip(self.3.chunks(S::LANES));
        for ((out, b), c) in operands {
            let (a, b, c) = (s.read(out), s.read(b), s.read(c));
            let result = match self.0 {
                Lanewise::Add => s.add(a, b),
                Lanewise::Sub => s.sub(a, b),
                Lanewise::Mul => s.mul(a, b),
                Lanewise::Div => s.div(a, b),
                Lanewise::Max => s.max(a, b),
                Lanewise::Min => s.min(a, b),
                Lanewise::SelectLess => s.select(s.less(a, b), a, c),
                Lanewise::MulAdd => s.mul_add(a, b, c),
                Lanewise::Sqrt => s.sqrt(a),
                Lanewise::Round => s.round(a),
                Lanewise::ScaleByPower => s.scale_by_power(a, b),
            };
            s.write(out, result);
        }
    }
}

fn evaluate<E: Real>(cpu: &Cpu, operation: Lanewise, a: &[E], b: &[E], c: &[E]) -> Vec<E> {
    let mut out = a.to_vec();
    E::dispatch(cpu, Evaluate(operation, &mut out, b, c));
    out
}

/// Panics where two vectors differ in any bit; one NaN is as good as another.
#[track_caller]
fn assert_same<E: Real>(case: &str, found: &[E], wanted: &[E]) {
    assert_eq!(found.len(), wanted.len(), "{case}");
    for (i, (f, w)) in found.iter().zip(wanted).enumerate() {
        assert_eq!(f.canonical_bits(), w.canonical_bits(), "{case}: element {i}: wanted {w:?}, found {f:?}");
    }
}

fn assert_lanes_match<E: Real>(operation: Lanewise, scalar: fn(E, E, E) -> E) {
    let mut data = Data::new(100);
    let [a, b, c] = [(); 3].map(|()| E::mixed(&mut data, 2011));
    let wanted: Vec<E> = (0..a.len()).map(|i| scalar(a[i], b[i], c[i])).collect();
    each_isa(|cpu| {
        let found = evaluate(cpu, operation, &a, &b, &c);
        let case = format!("{operation:?} of {} on {}", std::any::type_name::<E>(), cpu.isa());
        assert_same(&case, &found, &wanted);
    });
}

fn assert_arithmetic_matches<E: Real>() {
    assert_lanes_match::<E>(Lanewise::Add, |a, b, _| a + b);
    assert_lanes_match::<E>(Lanewise::Sub, |a, b, _| a - b);
    assert_lanes_match::<E>(Lanewise::Mul, |a, b, _| a * b);
    assert_lanes_match::<E>(Lanewise::Div, |a, b, _| a / b);
    assert_lanes_match::<E>(Lanewise::Sqrt, |a, _, _| a.sqrt());
    assert_lanes_match::<E>(Lanewise::Round, |a, _, _| a.round());
}

#[test]
fn arithmetic_on_any_values_matches_scalar_bits() {
    assert_arithmetic_matches::<f32>();
    assert_arithmetic_matches::<f64>();
}

#[test]
fn max_and_min_of_nan_are_the_second_operand() {
    assert_lanes_match::<f32>(Lanewise::Max, |a, b, _| if a > b { a } else { b });
    assert_lanes_match::<f64>(Lanewise::Max, |a, b, _| if a > b { a } else { b });
    assert_lanes_match::<f32>(Lanewise::Min, |a, b, _| if a < b { a } else { b });
    assert_lanes_match::<f64>(Lanewise::Min, |a, b, _| if a < b { a } else { b });
}

#[test]
fn select_by_less_is_false_for_nan() {
    assert_lanes_match::<f32>(Lanewise::SelectLess, |a, b, c| if a < b { a } else { c });
    assert_lanes_match::<f64>(Lanewise::SelectLess, |a, b, c| if a < b { a } else { c });
}

fn assert_mul_add_fuses<E: Real>() {
    let mut data = Data::new(101);
    let [a, b, c] = [(); 3].map(|()| E::mixed(&mut data, 1003));
    each_isa(|cpu| {
        let plain = cpu.isa() == cke_kernels::Isa::Scalar;
        let scalar = |i: usize| if plain { a[i] * b[i] + c[i] } else { a[i].fused(b[i], c[i]) };
        let wanted: Vec<E> = (0..a.len()).map(scalar).collect();
        assert_same(cpu.isa().name(), &evaluate(cpu, Lanewise::MulAdd, &a, &b, &c), &wanted);
    });
}

#[test]
fn mul_add_rounds_once_but_on_scalar() {
    assert_mul_add_fuses::<f32>();
    assert_mul_add_fuses::<f64>();
}

#[test]
fn round_of_ties_gives_the_even_integer() {
    let x = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.499_999_97, 8_388_609.0, -0.2, 1e30, f32::INFINITY];
    let wanted = [0.0, 2.0, 2.0, -0.0, -2.0, -2.0, 0.0, 8_388_609.0, -0.0, 1e30, f32::INFINITY];
    let (wide, wanted_wide) = (x.map(f64::from), wanted.map(f64::from));
    each_isa(|cpu| {
        assert_same(cpu.isa().name(), &evaluate(cpu, Lanewise::Round, &x, &x, &x), &wanted);
        assert_same(cpu.isa().name(), &evaluate(cpu, Lanewise::Round, &wide, &wide, &wide), &wanted_wide);
    });
}

#[test]
fn scale_by_power_of_every_exponent_rounds_as_documented() {
    let significands = [1.0f32, -1.0, 1.25, 0.707_2, 1.999_999_9, 0.500_000_06];
    let extremes =
        [0.0, -0.0, f32::MAX, f32::MIN_POSITIVE, 3e-20, 7e25, f32::from_bits(1), f32::from_bits(0x007f_ffff)];
    let exponents: Vec<f32> = (-300..=300).map(|n| n as f32).collect();
    each_isa(|cpu| {
        for (x, steps) in significands.map(|x| (x, 0)).into_iter().chain(extremes.map(|x| (x, 1))) {
            let found = evaluate(cpu, Lanewise::ScaleByPower, &vec![x; exponents.len()], &exponents, &exponents);
            for (&y, &n) in found.iter().zip(&exponents) {
                let wanted = (f64::from(x) * f64::from(n).exp2()) as f32;
                let allowed = if wanted.abs() < f32::MIN_POSITIVE { steps } else { 0 };
                assert!(ulp_distance(y, wanted) <= allowed, "{}: {x:e}·2^{n}: {y:e}, wanted {wanted:e}", cpu.isa());
                assert_eq!(y.is_sign_negative(), x.is_sign_negative(), "{}: {x:e}·2^{n}", cpu.isa());
            }
        }
        let infinite = evaluate(cpu, Lanewise::ScaleByPower, &[f32::INFINITY; 3], &[-300.0, 0.0, 300.0], &[0.0; 3]);
        assert_eq!(infinite, [f32::INFINITY; 3], "{}", cpu.isa());
    });
}

#[test]
fn scale_by_power_of_f64_rounds_once() {
    let values = [1.0, -1.999_999_999_999_999_8, 0.0, -0.0, f64::INFINITY, 1e300, -3e-250, f64::MIN_POSITIVE, 5e-324];
    let exponents: Vec<f64> = (-300..=300).map(f64::from).collect();
    each_isa(|cpu| {
        for x in values {
            let found = evaluate(cpu, Lanewise::ScaleByPower, &vec![x; exponents.len()], &exponents, &exponents);
            let wanted: Vec<f64> = exponents.iter().map(|n| x * n.exp2()).collect();
            assert_same(&format!("{}: {x:e}", cpu.isa()), &found, &wanted);
        }
    });
}

/// (Σ, largest, LANES) of one vector.
struct Across<'a, E>(&'a [E]);

impl<E: Real> Work<E> for Across<'_, E> {
    type Output = (E, E, usize);

    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) -> (E, E, usize) {
        let x = s.read(self.0);
        (s.sum(x), s.largest(x), S::LANES)
    }
}

fn assert_takes_every_lane<E: Real>() {
    let whole: Vec<E> = Data::new(102).whole(16, 1000).into_iter().map(E::from_f32).collect();
    let high = E::from_f32(2000.0);
    each_isa(|cpu| {
        let (_, _, lanes) = E::dispatch(cpu, Across(&whole));
        for shift in 0..lanes {
            let mut x = whole[..lanes].to_vec();
            x[shift] = high;
            let (sum, largest, _) = E::dispatch(cpu, Across(&x));
            assert_eq!(sum, x.iter().fold(E::default(), |sum, &x| sum + x), "{} lane {shift}", cpu.isa());
            assert_eq!(largest, high, "{} lane {shift}", cpu.isa());
            x[shift] = E::NAN;
            let sum = E::dispatch(cpu, Across(&x)).0;
            assert_eq!(sum.canonical_bits(), E::NAN.bits(), "{} lane {shift}", cpu.isa());
        }
        assert_eq!(E::dispatch(cpu, Across(&[E::NEG_INFINITY; 16])).1, E::NEG_INFINITY);
    });
}

#[test]
fn sum_and_largest_take_every_lane() {
    assert_takes_every_lane::<f32>();
    assert_takes_every_lane::<f64>();
}

/// Loads `lanes` elements with a mask, checks that the others are zero, adds 1 and stores with the mask.
struct AddOneMasked<'a, E: Real>(&'a mut Guarded<E>, usize);

impl<E: Real> Work<E> for AddOneMasked<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) {
        let AddOneMasked(memory, lanes) = self;
        let (p, mask) = (memory.as_mut_ptr(), s.first(lanes));
        // SAFETY: the memory holds min(lanes, LANES) elements and canaries of more than a vector behind them.
        let x = unsafe { s.load_first(p, mask) };
        let mut loaded = [E::NAN; 16];
        // SAFETY: 16 elements are at least a vector.
        unsafe { s.store(loaded.as_mut_ptr(), x) };
        assert!(loaded[lanes.min(S::LANES)..S::LANES].iter().all(|x| x.bits() == 0), "{loaded:?}");
        // SAFETY: as for the load.
        unsafe { s.store_first(p, s.add(x, s.splat(E::from_f32(1.0))), mask) };
    }
}

fn assert_masks_hold<E: Real>() {
    let [two, three] = [2.0, 3.0].map(E::from_f32);
    each_isa(|cpu| {
        let (_, _, vector) = E::dispatch(cpu, Across(&[two; 16]));
        for lanes in (0..=vector).chain([vector + 1, usize::MAX]) {
            let mut memory = Guarded::new(&vec![two; lanes.min(vector)]);
            E::dispatch(cpu, AddOneMasked(&mut memory, lanes));
            memory.check();
            assert!(memory.as_slice().iter().all(|&x| x == three), "{}, {lanes} lanes", cpu.isa());
        }
    });
}

#[test]
fn masked_access_of_each_width_leaves_the_rest_alone() {
    assert_masks_hold::<f32>();
    assert_masks_hold::<f64>();
}

/// x ← x + 1 through `read` and `write`.
struct AddOne<'a, E>(&'a mut [E]);

impl<E: Real> Work<E> for AddOne<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) {
        for part in self.0.chunks_mut(S::LANES) {
            let x = s.add(s.read(part), s.splat(E::from_f32(1.0)));
            s.write(part, x);
        }
    }
}

#[cfg(unix)]
fn assert_stays_on_the_page<E: Real>() {
    use cke_testkit::PageGuarded;
    let [one, two] = [1.0, 2.0].map(E::from_f32);
    each_isa(|cpu| {
        for len in 0..=33 {
            let values = vec![one; len];
            for mut memory in [PageGuarded::at_end(&values), PageGuarded::at_start(&values)] {
                E::dispatch(cpu, AddOne(memory.as_mut_slice()));
                assert!(memory.as_slice().iter().all(|&x| x == two), "{}, {len} elements", cpu.isa());
            }
        }
    });
}

#[cfg(unix)]
#[test]
fn read_and_write_at_the_edge_of_a_page_do_not_fault() {
    assert_stays_on_the_page::<f32>();
    assert_stays_on_the_page::<f64>();
}

/// (Σ, LANES) of the first vector of a slice.
struct Sum<'a>(&'a [f32]);

impl Op for Sum<'_> {
    type Output = (f32, usize);

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) -> (f32, usize) {
        (s.sum(s.read(self.0)), S::LANES)
    }
}

/// [`Sum`] by way of [`Simd::outline`], from vectors of either type.
struct Outlined<'a>(&'a [f32]);

impl<E: Real> Work<E> for Outlined<'_> {
    type Output = (f32, usize);

    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) -> (f32, usize) {
        s.outline(Sum(self.0))
    }
}

#[test]
fn outline_runs_on_the_same_instruction_set() {
    let x = Data::new(103).uniform(16);
    each_isa(|cpu| {
        assert_eq!(<f32 as Real>::dispatch(cpu, Outlined(&x)), dispatch(cpu, Sum(&x)));
        assert_eq!(<f64 as Real>::dispatch(cpu, Outlined(&x)), dispatch(cpu, Sum(&x)));
    });
}
