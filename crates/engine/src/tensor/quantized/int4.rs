//! Four bits around zero points in groups, as GPTQ and AWQ have them.
//!
//! ```text
//! weight[o][i] = scales[g][o] · (q[i][o] − z[g][o]),   g = g_idx[i], or ⌊i / group_size⌋ without g_idx
//!
//! GPTQ   qweight (inputs / 8, outputs), qzeros (groups, outputs / 8) of 32 bits; g_idx (inputs)
//!        bits 4·j … of qweight[r][o] are q[8·r + j][o], of qzeros[g][c] z[g][8·c + j], often less one
//! AWQ    qweight (inputs, outputs / 8), qzeros (groups, outputs / 8) of 32 bits
//!        bits 4·j … of either are those of output 8·c + ORDER[j]
//! both   scales (groups, outputs)
//! ```

use std::ops::Range;

use super::{Part, Parts, QuantizedError, scale_at};
use crate::config::quantization::StoredZeros;
use crate::dtype::Dtype;
use crate::load_error::LoadError;

/// Numbers of four bits in a word.
const IN_WORD: usize = 8;

/// The place in its word of each of AWQ's eight outputs: the inverse of the order 0 2 4 6 1 3 5 7.
const AWQ_PLACES: [usize; IN_WORD] = [0, 4, 1, 5, 2, 6, 3, 7];

/// Weights of a block of [`Dtype::INT4_128`].
const BLOCK: usize = Dtype::INT4_128.block_len();

/// Weights of a layer.
#[derive(Debug)]
pub(crate) struct Int4 {
    inputs: usize,
    outputs: usize,
    packing: Packing,
    weights: Part,
    zeros: Part,
    scales: Part,
    groups: Groups,
}

/// How numbers lie in words.
#[derive(Debug, Clone, Copy)]
enum Packing {
    /// Along the inputs; what is to be added to the zero points.
    Gptq { offset: u8 },
    /// Along the outputs.
    Awq,
}

/// The group of each input.
#[derive(Debug)]
enum Groups {
    /// So many inputs one after the other.
    Even(usize),
    /// As the tensor says.
    Of(Part),
}

/// The tensors of a layer while one of its functions runs.
struct Bytes<'a> {
    weights: &'a [u8],
    zeros: &'a [u8],
    scales: &'a [u8],
    groups: Option<&'a [u8]>,
}

fn word_at(bytes: &[u8], index: usize) -> u32 {
    let bytes = &bytes[4 * index..][..4];
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn nibble(word: u32, place: usize) -> u8 {
    (word >> (4 * place) & 15) as u8
}

impl Int4 {
    /// The layer of GPTQ that `weights` belongs to, and the names of its tensors.
    pub(super) fn gptq(
        layer: &str,
        weights: &Part,
        parts: &impl Parts,
        group_size: Option<usize>,
        stored: StoredZeros,
    ) -> Result<(Int4, Vec<String>), LoadError> {
        let [words, outputs] = weights.matrix()?;
        let inputs = words * IN_WORD;
        let packing = Packing::Gptq { offset: 0 };
        let mut own = Int4::new(layer, weights, parts, (inputs, outputs), packing, group_size)?;
        let is_less_one = match stored {
            StoredZeros::Same => false,
            StoredZeros::LessOne => true,
            StoredZeros::Symmetric => own.zeros.bytes()?.first().is_none_or(|byte| byte & 15 == 7),
        };
        own.packing = Packing::Gptq { offset: u8::from(is_less_one) };
        let mut names = own.names();
        if let Some(indices) = parts.part(&format!("{layer}.g_idx")) {
            names.push(indices.entry.name.clone());
            own.order_by(indices)?;
        }
        Ok((own, names))
    }

    /// The layer of AWQ that `weights` belongs to, and the names of its tensors.
    pub(super) fn awq(
        layer: &str,
        weights: &Part,
        parts: &impl Parts,
        group_size: Option<usize>,
    ) -> Result<(Int4, Vec<String>), LoadError> {
        let [inputs, words] = weights.matrix()?;
        let own = Int4::new(layer, weights, parts, (inputs, words * IN_WORD), Packing::Awq, group_size)?;
        let names = own.names();
        Ok((own, names))
    }

    fn new(
        layer: &str,
        weights: &Part,
        parts: &impl Parts,
        (inputs, outputs): (usize, usize),
        packing: Packing,
        group_size: Option<usize>,
    ) -> Result<Int4, LoadError> {
        let words = "numbers of four bits in I32";
        weights.expect_type(&[Dtype::I32], words)?;
        if !outputs.is_multiple_of(IN_WORD) {
            return Err(weights.wrong(QuantizedError::Outputs { found: outputs }));
        }
        let part = |name: &str| parts.required(format!("{layer}.{name}"));
        let (zeros, scales) = (part("qzeros")?, part("scales")?);
        let group_size = group_size.unwrap_or(inputs).max(1);
        let groups = inputs.div_ceil(group_size);
        zeros.expect_type(&[Dtype::I32], words)?;
        zeros.expect_shape(&[groups, outputs / IN_WORD])?;
        scales.expect_scales()?;
        scales.expect_shape(&[groups, outputs])?;
        let (weights, groups) = (weights.clone(), Groups::Even(group_size));
        Ok(Int4 { inputs, outputs, packing, weights, zeros, scales, groups })
    }

    /// Takes the groups of inputs from a tensor.
    fn order_by(&mut self, indices: Part) -> Result<(), LoadError> {
        indices.expect_type(&[Dtype::I32], "groups as I32")?;
        indices.expect_shape(&[self.inputs])?;
        let groups = self.scales.entry.shape[0];
        let Groups::Even(size) = self.groups else { return Ok(()) };
        let bytes = indices.bytes()?;
        let mut is_even = true;
        for input in 0..self.inputs {
            let found = word_at(bytes, input) as i32;
            if usize::try_from(found).ok().is_none_or(|group| group >= groups) {
                return Err(indices.wrong(QuantizedError::Group { input, found, groups }));
            }
            is_even &= found as usize == input / size;
        }
        if !is_even {
            self.groups = Groups::Of(indices);
        }
        Ok(())
    }

    fn names(&self) -> Vec<String> {
        [&self.weights, &self.zeros, &self.scales].map(|part| part.entry.name.clone()).to_vec()
    }

    /// Blocks, if those of 128 inputs have one scale each and that is an f16.
    pub(super) fn dtype(&self) -> Dtype {
        let has_blocks = matches!(self.groups, Groups::Even(size) if size.is_multiple_of(BLOCK) || size >= self.inputs);
        let is_whole = self.inputs.is_multiple_of(BLOCK) && self.scales.entry.dtype == Dtype::F16;
        if has_blocks && is_whole { Dtype::INT4_128 } else { Dtype::INT4 }
    }

    pub(super) fn shape(&self) -> [usize; 2] {
        [self.outputs, self.inputs]
    }

    pub(super) fn bytes(&self) -> usize {
        let indices = if let Groups::Of(indices) = &self.groups { indices.entry.range.len() } else { 0 };
        [&self.weights, &self.zeros, &self.scales].iter().map(|part| part.entry.range.len()).sum::<usize>() + indices
    }

    fn parts(&self) -> Result<Bytes<'_>, LoadError> {
        let groups = if let Groups::Of(indices) = &self.groups { Some(indices.bytes()?) } else { None };
        Ok(Bytes { weights: self.weights.bytes()?, zeros: self.zeros.bytes()?, scales: self.scales.bytes()?, groups })
    }

    fn group(&self, bytes: &Bytes<'_>, input: usize) -> usize {
        match (&self.groups, bytes.groups) {
            (Groups::Of(_), Some(indices)) => word_at(indices, input) as usize,
            (Groups::Even(size), _) => input / size,
            (Groups::Of(_), None) => 0,
        }
    }

    /// Group and output of a scale as the place of a word of zero points, and of one in it.
    fn zero(&self, bytes: &Bytes<'_>, group: usize, output: usize) -> u8 {
        let word = word_at(bytes.zeros, group * (self.outputs / IN_WORD) + output / IN_WORD);
        match self.packing {
            Packing::Gptq { offset } => nibble(word, output % IN_WORD) + offset,
            Packing::Awq => nibble(word, AWQ_PLACES[output % IN_WORD]),
        }
    }

    /// The numbers of four bits of some outputs: (outputs, inputs).
    fn levels(&self, bytes: &Bytes<'_>, rows: &Range<usize>) -> Result<Vec<u8>, LoadError> {
        let (inputs, mut levels) = (self.inputs, Vec::new());
        self.weights.room(&mut levels, rows.len() * inputs)?;
        match self.packing {
            // Words of one row of the file lie side by side.
            Packing::Gptq { .. } => {
                for first in (0..inputs).step_by(IN_WORD) {
                    for (row, output) in rows.clone().enumerate() {
                        let word = word_at(bytes.weights, first / IN_WORD * self.outputs + output);
                        for (place, level) in levels[row * inputs + first..][..IN_WORD].iter_mut().enumerate() {
                            *level = nibble(word, place);
                        }
                    }
                }
            }
            Packing::Awq => {
                for input in 0..inputs {
                    let words = input * (self.outputs / IN_WORD);
                    for (row, output) in rows.clone().enumerate() {
                        let word = word_at(bytes.weights, words + output / IN_WORD);
                        levels[row * inputs + input] = nibble(word, AWQ_PLACES[output % IN_WORD]);
                    }
                }
            }
        }
        Ok(levels)
    }

    pub(super) fn read_rows(&self, rows: Range<usize>, out: &mut [f32]) -> Result<(), LoadError> {
        let (bytes, dtype) = (self.parts()?, self.scales.entry.dtype);
        let levels = self.levels(&bytes, &rows)?;
        let (groups, mut scaled) = (self.scales.entry.shape[0], Vec::new());
        self.scales.room(&mut scaled, groups)?;
        let width = self.inputs.max(1);
        for (output, (levels, out)) in rows.zip(levels.chunks(width).zip(out.chunks_mut(width))) {
            for (group, pair) in scaled.iter_mut().enumerate() {
                let scale = scale_at(dtype, bytes.scales, group * self.outputs + output);
                *pair = (scale, f32::from(self.zero(&bytes, group, output)));
            }
            for (input, (weight, &level)) in out.iter_mut().zip(levels).enumerate() {
                let (scale, zero) = scaled[self.group(&bytes, input)];
                *weight = scale * (f32::from(level) - zero);
            }
        }
        Ok(())
    }

    /// Rows as blocks of [`Dtype::INT4_128`]: the scale as f16, the zero point, and 64 bytes: byte 32·i + p holds number 64·i + p of the
    /// block below number 64·i + 32 + p.
    pub(super) fn blocks(&self, rows: Range<usize>) -> Result<Vec<u8>, LoadError> {
        let bytes = self.parts()?;
        let levels = self.levels(&bytes, &rows)?;
        let (blocks_in_row, block_bytes) = (self.inputs / BLOCK, Dtype::INT4_128.block_bytes());
        let mut out = Vec::new();
        self.weights.room(&mut out, rows.len() * blocks_in_row * block_bytes)?;
        for (index, (block, levels)) in out.chunks_mut(block_bytes).zip(levels.chunks(BLOCK)).enumerate() {
            let (output, input) = (rows.start + index / blocks_in_row, index % blocks_in_row * BLOCK);
            let group = self.group(&bytes, input);
            block[..2].copy_from_slice(&bytes.scales[2 * (group * self.outputs + output)..][..2]);
            block[2] = self.zero(&bytes, group, output);
            for (place, byte) in block[3..].iter_mut().enumerate() {
                let low = place / 32 * 64 + place % 32;
                *byte = levels[low] | levels[low + 32] << 4;
            }
        }
        Ok(out)
    }
}
