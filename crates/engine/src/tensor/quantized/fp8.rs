//! Floating-point numbers of eight bits (E4M3) with scales for all of a matrix, for its rows, or for blocks.
//!
//! ```text
//! weight[r][c] = number[r][c] · scale[⌊r / block rows⌋][⌊c / block columns⌋]
//! ```
//!
//! Source of the numbers: Micikevicius et al., "FP8 Formats for Deep Learning", 2022.

use std::ops::Range;

use super::{Part, Parts, QuantizedError, scale_at};
use crate::load_error::LoadError;

/// Weights of a layer.
#[derive(Debug)]
pub(crate) struct Fp8 {
    rows: usize,
    cols: usize,
    weights: Part,
    scales: Part,
    /// Rows and columns with one scale.
    block: [usize; 2],
}

/// The names of scales, both of which multiply, and of what belongs to activations.
const SCALES: [&str; 2] = ["weight_scale_inv", "weight_scale"];
const OF_ACTIVATIONS: [&str; 2] = ["input_scale", "activation_scale"];

impl Fp8 {
    /// The layer that `weights` belongs to, and the names of its tensors.
    pub(super) fn new(
        layer: &str,
        weights: &Part,
        parts: &impl Parts,
        block: Option<[usize; 2]>,
    ) -> Result<(Fp8, Vec<String>), LoadError> {
        let [rows, cols] = weights.matrix()?;
        let scales = match parts.part(&format!("{layer}.{}", SCALES[0])) {
            Some(scales) => scales,
            None => parts.required(format!("{layer}.{}", SCALES[1]))?,
        };
        scales.expect_scales()?;
        let block = match (&scales.entry.shape[..], block) {
            ([] | [1] | [1, 1], _) => [rows.max(1), cols.max(1)],
            (&[count] | &[count, 1], None) if count == rows => [1, cols.max(1)],
            (&[down, across], Some([height, width]))
                if down == rows.div_ceil(height) && across == cols.div_ceil(width) =>
            {
                [height, width]
            }
            (found, _) => return Err(scales.wrong(QuantizedError::Scales { rows, found: found.to_vec() })),
        };
        let of_activations = OF_ACTIVATIONS.iter().map(|name| format!("{layer}.{name}"));
        let of_activations = of_activations.filter(|name| parts.part(name).is_some());
        let own = [weights, &scales].map(|part| part.entry.name.clone());
        let names = own.into_iter().chain(of_activations).collect();
        Ok((Fp8 { rows, cols, weights: weights.clone(), scales, block }, names))
    }

    pub(super) fn shape(&self) -> [usize; 2] {
        [self.rows, self.cols]
    }

    pub(super) fn bytes(&self) -> usize {
        self.weights.entry.range.len() + self.scales.entry.range.len()
    }

    pub(super) fn read_rows(&self, rows: Range<usize>, out: &mut [f32]) -> Result<(), LoadError> {
        let (bytes, scales) = (self.weights.bytes()?, self.scales.bytes()?);
        let [height, width] = self.block;
        let scales_in_row = self.cols.div_ceil(width);
        for (row, out) in rows.zip(out.chunks_mut(self.cols.max(1))) {
            let numbers = &bytes[row * self.cols..][..self.cols];
            for (column, (out, numbers)) in out.chunks_mut(width).zip(numbers.chunks(width)).enumerate() {
                let scale = scale_at(self.scales.entry.dtype, scales, row / height * scales_in_row + column);
                for (weight, &number) in out.iter_mut().zip(numbers) {
                    *weight = VALUES[usize::from(number)] * scale;
                }
            }
        }
        Ok(())
    }
}

/// What each byte stands for.
const VALUES: [f32; 256] = {
    let (mut values, mut byte) = ([0.0; 256], 0);
    while byte < 256 {
        values[byte] = value(byte as u8);
        byte += 1;
    }
    values
};

/// A sign, four bits of exponent with a bias of 7, three of fraction; all ones are not a number, and nothing is infinite.
const fn value(byte: u8) -> f32 {
    let (exponent, fraction) = ((byte >> 3 & 15) as u32, (byte & 7) as u32);
    let magnitude = match (exponent, fraction) {
        (15, 7) => f32::NAN,
        // Subnormal: as many times 2⁻⁹.
        (0, _) => fraction as f32 / 512.0,
        // The bias of f32 is 127.
        _ => f32::from_bits((exponent + 120) << 23 | fraction << 20),
    };
    if byte & 0x80 == 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_the_numbers_of_the_format() {
        let cases =
            [(0x00, 0.0), (0x01, 1.0 / 512.0), (0x07, 7.0 / 512.0), (0x08, 1.0 / 64.0), (0x38, 1.0), (0x7E, 448.0)];
        for (byte, wanted) in cases {
            assert_eq!((VALUES[byte], VALUES[byte | 0x80]), (wanted, -wanted), "{byte:#x}");
        }
        assert!(VALUES[0x7F].is_nan() && VALUES[0xFF].is_nan() && VALUES[0x80].is_sign_negative());
        assert_eq!(VALUES.iter().filter(|x| !x.is_finite()).count(), 2);
    }
}
