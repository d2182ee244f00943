//! Each operation of `Simd` against plain f32 arithmetic, lane by lane.

use crate::each_isa;
use cke_kernels::Cpu;
use cke_kernels::simd::{Op, Simd, dispatch};
use cke_testkit::tolerance::{assert_identical, ulp_distance};
use cke_testkit::{Data, Guarded, Special};

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
struct Evaluate<'a>(Lanewise, &'a mut [f32], &'a [f32], &'a [f32]);

impl Op for Evaluate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
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

fn evaluate(cpu: &Cpu, operation: Lanewise, a: &[f32], b: &[f32], c: &[f32]) -> Vec<f32> {
    let mut out = a.to_vec();
    dispatch(cpu, Evaluate(operation, &mut out, b, c));
    out
}

/// Ordinary values with every kind of special one among them.
fn mixed(data: &mut Data, len: usize) -> Vec<f32> {
    let mut values = data.normal(len, 0.0, 100.0);
    let kinds = [Special::Denormal, Special::Nan, Special::Infinity, Special::NegativeZero, Special::Huge];
    data.sprinkle(&mut values, 0.3, &kinds);
    values
}

/// One NaN is as good as another.
fn canonical(x: &[f32]) -> Vec<f32> {
    x.iter().map(|&x| if x.is_nan() { f32::NAN } else { x }).collect()
}

fn assert_lanes_match(operation: Lanewise, scalar: fn(f32, f32, f32) -> f32) {
    let mut data = Data::new(100);
    let [a, b, c] = [(); 3].map(|()| mixed(&mut data, 2011));
    let wanted: Vec<f32> = (0..a.len()).map(|i| scalar(a[i], b[i], c[i])).collect();
    each_isa(|cpu| {
        let found = evaluate(cpu, operation, &a, &b, &c);
        assert_identical(&format!("{operation:?} on {}", cpu.isa()), &canonical(&found), &canonical(&wanted));
    });
}

#[test]
fn arithmetic_on_any_values_matches_scalar_bits() {
    assert_lanes_match(Lanewise::Add, |a, b, _| a + b);
    assert_lanes_match(Lanewise::Sub, |a, b, _| a - b);
    assert_lanes_match(Lanewise::Mul, |a, b, _| a * b);
    assert_lanes_match(Lanewise::Div, |a, b, _| a / b);
    assert_lanes_match(Lanewise::Sqrt, |a, _, _| a.sqrt());
    assert_lanes_match(Lanewise::Round, |a, _, _| a.round_ties_even());
}

#[test]
fn max_and_min_of_nan_are_the_second_operand() {
    assert_lanes_match(Lanewise::Max, |a, b, _| if a > b { a } else { b });
    assert_lanes_match(Lanewise::Min, |a, b, _| if a < b { a } else { b });
}

#[test]
fn select_by_less_is_false_for_nan() {
    assert_lanes_match(Lanewise::SelectLess, |a, b, c| if a < b { a } else { c });
}

#[test]
fn mul_add_rounds_once_but_on_scalar() {
    let mut data = Data::new(101);
    let [a, b, c] = [(); 3].map(|()| mixed(&mut data, 1003));
    each_isa(|cpu| {
        let plain = cpu.isa() == cke_kernels::Isa::Scalar;
        let scalar = |i: usize| if plain { a[i] * b[i] + c[i] } else { a[i].mul_add(b[i], c[i]) };
        let wanted: Vec<f32> = (0..a.len()).map(scalar).collect();
        let found = evaluate(cpu, Lanewise::MulAdd, &a, &b, &c);
        assert_identical(cpu.isa().name(), &canonical(&found), &canonical(&wanted));
    });
}

#[test]
fn round_of_ties_gives_the_even_integer() {
    let x = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.499_999_97, 8_388_609.0, -0.2, 1e30, f32::INFINITY];
    let wanted = [0.0, 2.0, 2.0, -0.0, -2.0, -2.0, 0.0, 8_388_609.0, -0.0, 1e30, f32::INFINITY];
    each_isa(|cpu| assert_identical(cpu.isa().name(), &evaluate(cpu, Lanewise::Round, &x, &x, &x), &wanted));
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

/// (Σ, largest, LANES) of one vector.
struct Across<'a>(&'a [f32]);

impl Op for Across<'_> {
    type Output = (f32, f32, usize);

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) -> (f32, f32, usize) {
        let x = s.read(self.0);
        (s.sum(x), s.largest(x), S::LANES)
    }
}

#[test]
fn sum_and_largest_take_every_lane() {
    let whole = Data::new(102).whole(16, 1000);
    each_isa(|cpu| {
        let (_, _, lanes) = dispatch(cpu, Across(&whole));
        for shift in 0..lanes {
            let mut x = whole[..lanes].to_vec();
            x[shift] = 2000.0;
            let (sum, largest, _) = dispatch(cpu, Across(&x));
            assert_eq!(sum, x.iter().sum::<f32>(), "{} lane {shift}", cpu.isa());
            assert_eq!(largest, 2000.0, "{} lane {shift}", cpu.isa());
            x[shift] = f32::NAN;
            assert!(dispatch(cpu, Across(&x)).0.is_nan(), "{} lane {shift}", cpu.isa());
        }
        assert_eq!(dispatch(cpu, Across(&[f32::NEG_INFINITY; 16])).1, f32::NEG_INFINITY);
    });
}

/// Loads `lanes` elements with a mask, checks that the others are zero, adds 1 and stores with the mask.
struct AddOneMasked<'a>(&'a mut Guarded<f32>, usize);

impl Op for AddOneMasked<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let AddOneMasked(memory, lanes) = self;
        let (p, mask) = (memory.as_mut_ptr(), s.mask(lanes));
        // SAFETY: the memory holds min(lanes, LANES) elements and canaries of more than a vector behind them.
        let x = unsafe { s.load_masked(p, mask) };
        let mut loaded = [f32::NAN; 16];
        // SAFETY: 16 elements are at least a vector.
        unsafe { s.store(loaded.as_mut_ptr(), x) };
        assert!(loaded[lanes.min(S::LANES)..S::LANES].iter().all(|x| x.to_bits() == 0), "{loaded:?}");
        // SAFETY: as for the load.
        unsafe { s.store_masked(p, s.add(x, s.splat(1.0)), mask) };
    }
}

#[test]
fn masked_access_of_each_width_leaves_the_rest_alone() {
    each_isa(|cpu| {
        let (_, _, vector) = dispatch(cpu, Across(&[0.0; 16]));
        for lanes in (0..=vector).chain([vector + 1, usize::MAX]) {
            let mut memory = Guarded::new(&vec![2.0f32; lanes.min(vector)]);
            dispatch(cpu, AddOneMasked(&mut memory, lanes));
            memory.check();
            assert!(memory.as_slice().iter().all(|&x| x == 3.0), "{}, {lanes} lanes", cpu.isa());
        }
    });
}

/// x ← x + 1 through `read` and `write`.
struct AddOne<'a>(&'a mut [f32]);

impl Op for AddOne<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        for part in self.0.chunks_mut(S::LANES) {
            let x = s.add(s.read(part), s.splat(1.0));
            s.write(part, x);
        }
    }
}

#[cfg(unix)]
#[test]
fn read_and_write_at_the_edge_of_a_page_do_not_fault() {
    use cke_testkit::PageGuarded;
    each_isa(|cpu| {
        for len in 0..=33 {
            let values = vec![1.0; len];
            for mut memory in [PageGuarded::at_end(&values), PageGuarded::at_start(&values)] {
                dispatch(cpu, AddOne(memory.as_mut_slice()));
                assert!(memory.as_slice().iter().all(|&x| x == 2.0), "{}, {len} elements", cpu.isa());
            }
        }
    });
}

/// The sum of a slice by way of [`Simd::outline`].
struct Outlined<'a>(&'a [f32]);

impl Op for Outlined<'_> {
    type Output = (f32, f32, usize);

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) -> (f32, f32, usize) {
        s.outline(Across(self.0))
    }
}

#[test]
fn outline_runs_on_the_same_instruction_set() {
    let x = Data::new(103).uniform(16);
    each_isa(|cpu| assert_eq!(dispatch(cpu, Outlined(&x)), dispatch(cpu, Across(&x))));
}
