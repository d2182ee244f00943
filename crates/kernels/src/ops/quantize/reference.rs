//! The naive twins of conversions.

/// A binary format of 16 bits: sign, exponent, fraction.
struct Format {
    /// Bits of the fraction.
    fraction: u32,
    /// The exponent of 1.
    bias: i32,
}

const BF16: Format = Format { fraction: 7, bias: 127 };
const F16: Format = Format { fraction: 10, bias: 15 };

impl Format {
    /// The least exponent, which denormal numbers have, too.
    fn least(&self) -> i32 {
        1 - self.bias
    }

    fn infinity(&self) -> u16 {
        (2 * self.bias as u16 + 1) << self.fraction
    }

    /// The number nearest to x, the even one of two; of a NaN what fits, made quiet.
    fn narrow(&self, x: f32) -> u16 {
        let sign = (x.to_bits() >> 16) as u16 & 0x8000;
        if x.is_nan() {
            let payload = (x.to_bits() & 0x007f_ffff) >> (23 - self.fraction);
            return sign | self.infinity() | 1 << (self.fraction - 1) | payload as u16;
        }
        let magnitude = f64::from(x.abs());
        if magnitude == 0.0 || magnitude.is_infinite() {
            return sign | if magnitude == 0.0 { 0 } else { self.infinity() };
        }
        let exponent = (magnitude.log2().floor() as i32).max(self.least());
        let steps = (magnitude / 2f64.powi(exponent - self.fraction as i32)).round_ties_even();
        // Where the exponent is the least one, steps count from zero; else they have the leading one above the fraction.
        let bits = f64::from((exponent - self.least()) << self.fraction) + steps;
        sign | bits.min(self.infinity().into()) as u16
    }

    /// The number, which f32 has exactly; of a NaN the bits.
    fn widen(&self, half: u16) -> f32 {
        let sign = u32::from(half & 0x8000) << 16;
        let (exponent, fraction) = (i32::from(half & 0x7fff) >> self.fraction, half & ((1 << self.fraction) - 1));
        if half & self.infinity() == self.infinity() {
            return f32::from_bits(sign | f32::INFINITY.to_bits() | u32::from(fraction) << (23 - self.fraction));
        }
        let one = if exponent == 0 { 0.0 } else { 1.0 };
        let significand = one + f64::from(fraction) / 2f64.powi(self.fraction as i32);
        let magnitude = significand * 2f64.powi(exponent.max(1) - self.bias);
        f32::from_bits(sign | (magnitude as f32).to_bits())
    }
}

/// The naive twin of [`to_bf16`](super::to_bf16).
///
/// # Panics
/// If the lengths differ.
pub fn to_bf16_reference(x: &[f32], out: &mut [u16]) {
    assert_eq!(x.len(), out.len());
    for j in 0..x.len() {
        out[j] = BF16.narrow(x[j]);
    }
}

/// The naive twin of [`from_bf16`](super::from_bf16).
///
/// # Panics
/// If the lengths differ.
pub fn from_bf16_reference(x: &[u16], out: &mut [f32]) {
    assert_eq!(x.len(), out.len());
    for j in 0..x.len() {
        out[j] = BF16.widen(x[j]);
    }
}

/// The naive twin of [`to_f16`](super::to_f16).
///
/// # Panics
/// If the lengths differ.
pub fn to_f16_reference(x: &[f32], out: &mut [u16]) {
    assert_eq!(x.len(), out.len());
    for j in 0..x.len() {
        out[j] = F16.narrow(x[j]);
    }
}

/// The naive twin of [`from_f16`](super::from_f16).
///
/// # Panics
/// If the lengths differ.
pub fn from_f16_reference(x: &[u16], out: &mut [f32]) {
    assert_eq!(x.len(), out.len());
    for j in 0..x.len() {
        let wide = F16.widen(x[j]);
        let quiet = if wide.is_nan() { 1 << 22 } else { 0 };
        out[j] = f32::from_bits(wide.to_bits() | quiet);
    }
}

/// The naive twin of [`to_int8_symmetric`](super::to_int8_symmetric) for one group: its scale.
///
/// # Panics
/// If the lengths differ.
pub fn to_int8_symmetric_reference(x: &[f32], out: &mut [i8]) -> f32 {
    assert_eq!(x.len(), out.len());
    out.fill(0);
    let largest = x.iter().fold(0f32, |largest, x| largest.max(x.abs()));
    if x.iter().any(|x| !x.is_finite()) {
        return f32::NAN;
    }
    if largest < 1e-35 {
        return 0.0;
    }
    for j in 0..x.len() {
        out[j] = (x[j] * (127.0 / largest)).round_ties_even() as i8;
    }
    largest / 127.0
}

/// The naive twin of [`to_int8_asymmetric`](super::to_int8_asymmetric) for one group: its scale and zero point.
///
/// # Panics
/// If the lengths differ.
pub fn to_int8_asymmetric_reference(x: &[f32], out: &mut [i8]) -> (f32, i8) {
    assert_eq!(x.len(), out.len());
    out.fill(0);
    let (low, high) = x.iter().fold((0f32, 0f32), |(low, high), &x| (low.min(x), high.max(x)));
    if x.iter().any(|x| !x.is_finite()) {
        return (f32::NAN, 0);
    }
    if high.max(-low) < 1e-35 {
        return (0.0, 0);
    }
    let scale = high / 255.0 - low / 255.0;
    let zero = (-128.0 - low * (1.0 / scale)).round_ties_even().clamp(-128.0, 127.0);
    for j in 0..x.len() {
        // A float that is out of range becomes the nearest i8.
        out[j] = ((x[j] * (1.0 / scale)).round_ties_even() + zero) as i8;
    }
    (scale, zero as i8)
}
