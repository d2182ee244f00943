//! In which numbers the weights of linear layers are held, and multiplied.

use std::fmt;
use std::str::FromStr;

/// The numbers of linear layers; embedding tables, norms and attention stay in f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WeightFormat {
    /// 32 bits, as the checkpoint's numbers widen to.
    #[default]
    F32,
    /// Eight bits with a scale for every 128 inputs of an output: a bit more than a quarter of the memory. Activations are quantised on
    /// the way; see [`cke_kernels::gemm::int8`].
    Int8,
    /// Four bits with a scale for every 32 inputs of an output: a bit more than an eighth of the memory. Activations are quantised on the
    /// way; see [`cke_kernels::gemm::grouped`].
    Int4,
}

impl WeightFormat {
    /// All of them.
    pub const ALL: [WeightFormat; 3] = [WeightFormat::F32, WeightFormat::Int8, WeightFormat::Int4];

    /// The name that users type.
    pub const fn name(self) -> &'static str {
        match self {
            WeightFormat::F32 => "f32",
            WeightFormat::Int8 => "int8",
            WeightFormat::Int4 => "int4",
        }
    }
}

impl fmt::Display for WeightFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What was found instead of the name of a [`WeightFormat`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("wanted f32, int8 or int4, found `{0}`")]
pub struct UnknownFormat(String);

impl FromStr for WeightFormat {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<WeightFormat, UnknownFormat> {
        WeightFormat::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for format in WeightFormat::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        let error = "fp4".parse::<WeightFormat>().unwrap_err().to_string();
        assert_eq!(error, "wanted f32, int8 or int4, found `fp4`");
        assert!(WeightFormat::ALL.iter().all(|format| error.contains(format.name())));
    }
}
