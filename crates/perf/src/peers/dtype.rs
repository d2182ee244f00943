//! The numbers that a product is computed in.

use cke_kernels::gemm::grouped::AnyFormat;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// The numbers that a product is computed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE binary32.
    #[default]
    F32,
    /// IEEE binary64.
    F64,
    /// Weights rounded to bf16, packed ahead; A, B and C are f32, here and in what follows.
    Bf16,
    /// Weights rounded to f16, packed ahead.
    F16,
    /// Weights in eight bits with scales, packed ahead, and rows rounded to eight bits as they come.
    Int8,
    /// The same with one scale for each row and column.
    Int8PerChannel,
    /// Weights of few bits in groups, packed ahead, and rows rounded to eight bits as they come.
    Grouped(AnyFormat),
}

/// Those that are not of weights in groups.
const PLAIN: [Dtype; 6] = [Dtype::F32, Dtype::F64, Dtype::Bf16, Dtype::F16, Dtype::Int8, Dtype::Int8PerChannel];

/// What files call the format of [`Dtype::INT4`].
pub const INT4_IN_FILES: &str = "q4_0";

impl Dtype {
    /// Every format.
    pub const ALL: [Dtype; PLAIN.len() + AnyFormat::ALL.len()] = {
        let mut all = [Dtype::F32; PLAIN.len() + AnyFormat::ALL.len()];
        let mut i = 0;
        while i < all.len() {
            all[i] = if i < PLAIN.len() { PLAIN[i] } else { Dtype::Grouped(AnyFormat::ALL[i - PLAIN.len()]) };
            i += 1;
        }
        all
    };

    /// Those that matrices themselves are in.
    pub const OF_MATRICES: [Dtype; 2] = [Dtype::F32, Dtype::F64];

    /// Weights of four bits in groups of 32.
    pub const INT4: Dtype = Dtype::Grouped(AnyFormat::Q4_0);

    /// Whether it is one of weights alone, which are packed ahead.
    pub const fn is_of_weights(self) -> bool {
        !matches!(self, Dtype::F32 | Dtype::F64)
    }

    /// The name used in flags and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "f32",
            Dtype::F64 => "f64",
            Dtype::Bf16 => "bf16",
            Dtype::F16 => "f16",
            Dtype::Int8 => "int8",
            Dtype::Int8PerChannel => "int8_channel",
            Dtype::Grouped(format) => format.name(),
        }
    }

    /// Bytes of a number of A, B and C.
    pub const fn bytes(self) -> usize {
        match self {
            Dtype::F64 => 8,
            Dtype::F32 | Dtype::Bf16 | Dtype::F16 | Dtype::Int8 | Dtype::Int8PerChannel | Dtype::Grouped(_) => 4,
        }
    }

    /// Bytes of `numbers` numbers of B as the product reads them. Saturates.
    pub(super) const fn bytes_of_b(self, numbers: u64) -> u64 {
        match self {
            Dtype::F32 | Dtype::F64 => numbers.saturating_mul(self.bytes() as u64),
            Dtype::Bf16 | Dtype::F16 => numbers.saturating_mul(2),
            // A byte each, and four of scale and four of sum for each 128.
            Dtype::Int8 | Dtype::Int8PerChannel => numbers.saturating_add(numbers / 16),
            Dtype::Grouped(format) => {
                let (weights, bytes) = format.block();
                (numbers as u128 * bytes as u128 / weights as u128) as u64
            }
        }
    }

    /// How far the rounding of A and B alone moves the product of two numbers from [−1, 1): the standard deviation.
    pub(super) fn rounding(self) -> f64 {
        match self {
            Dtype::F32 | Dtype::F64 => 0.0,
            // Either operand by up to its 2⁻⁹.
            Dtype::Bf16 => (2.0f64 / 3.0).sqrt() / 3.0 / 512.0,
            // B by up to its 2⁻¹².
            Dtype::F16 => (1.0f64 / 3.0).sqrt() / 3.0 / 4096.0,
            // Either operand by up to half a step, times the other. A step is a 127th of the largest of 128 sums and differences, which are
            // normal more or less: some 2.7 times their deviation.
            Dtype::Int8 => (2.0f64 / 3.0 / 12.0).sqrt() * (2.7 / 3.0f64.sqrt()) / 127.0,
            // A 127th of the largest number.
            Dtype::Int8PerChannel => (2.0f64 / 3.0 / 12.0).sqrt() / 127.0,
            // Either operand by up to half a step; that of B is a part of the distance from −1 to 1, but its scale may be rounded too.
            Dtype::Grouped(format) => {
                let step = |bits: u32| 2.0 / (f64::from(1u32 << bits) - 2.0);
                (1.0f64 / 3.0 / 12.0).sqrt() * step(bits(format)).hypot(step(8))
            }
        }
    }
}

/// Bits of a weight without its share of the scales: the first digit of every format's name.
pub(super) fn bits(format: AnyFormat) -> u32 {
    format.name().chars().find_map(|letter| letter.to_digit(10)).unwrap_or(8)
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dtype {
    type Err = String;

    fn from_str(text: &str) -> Result<Dtype, String> {
        let name = if text == INT4_IN_FILES { Dtype::INT4.name() } else { text };
        let named = Dtype::ALL.into_iter().find(|dtype| dtype.name() == name);
        named.ok_or_else(|| format!("wanted one of {}, found `{text}`", Dtype::ALL.map(Dtype::name).join(", ")))
    }
}

impl Serialize for Dtype {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Dtype {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Dtype, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dtype_names_differ_and_are_read_back() {
        for dtype in Dtype::ALL {
            assert_eq!(dtype.name().parse(), Ok(dtype));
            let json = serde_json::to_string(&dtype).expect("a text");
            assert_eq!(serde_json::from_str::<Dtype>(&json).expect("as written"), dtype);
        }
        assert_eq!("q4_0".parse(), Ok(Dtype::INT4));
        let error = "q9_0".parse::<Dtype>().expect_err("no such format");
        assert!(error.contains("q8_0") && error.ends_with("found `q9_0`"), "{error}");
    }

    #[test]
    fn weights_take_the_bytes_of_their_blocks() {
        for (name, bytes) in
            [("int8", 272), ("int4", 144), ("q8_0", 272), ("q6_k", 210), ("q4_k", 148), ("int4_128", 134)]
        {
            let dtype: Dtype = name.parse().expect("a format");
            assert_eq!(dtype.bytes_of_b(256), bytes, "{name}");
        }
        assert_eq!(Dtype::INT4.bytes_of_b(u64::MAX), (u128::from(u64::MAX) * 18 / 32) as u64);
    }

    #[test]
    fn every_format_has_its_bits_in_its_name() {
        for &format in AnyFormat::ALL {
            // Scales and minimums take less than two and a half bits a weight.
            let (weights, bytes) = format.block();
            let all = 8.0 * bytes as f64 / weights as f64 - f64::from(bits(format));
            assert!(all > 0.0 && all < 2.5, "{format:?}: {all}");
        }
    }
}
