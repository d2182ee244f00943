//! The tensors of a model, one by one or layer by layer.

use cke_engine::formats::packed_file::{Content, EntryInfo, PackedFile};
use cke_engine::weight_format::WeightFormat;
use cke_engine::weights::{Checkpoint, Dtype, TensorInfo};
use cke_perf::report::format_bytes;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

/// A tensor as the file has it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct TensorRow<'a> {
    pub(super) name: &'a str,
    /// The name that a GGUF file has for it, as errors say it too.
    #[serde(skip)]
    name_in_file: Option<String>,
    pub(super) dtype: String,
    pub(super) shape: Cow<'a, [usize]>,
    pub(super) bytes: usize,
    file: &'a Path,
}

impl<'a> TensorRow<'a> {
    /// Weights of a packed file; `None` for an entry that holds something else.
    pub(super) fn of_entry(info: EntryInfo<'a>, file: &'a PackedFile) -> Option<TensorRow<'a>> {
        let EntryInfo { name, holds, bytes } = info;
        let (dtype, shape) = match *holds {
            Content::File => return None,
            Content::F32 { rows: 1, cols } => ("F32", vec![cols as usize]),
            Content::F32 { rows, cols } => ("F32", vec![rows as usize, cols as usize]),
            Content::Panels { ref layout, k, n, .. } => {
                let dtype = match file.weight_format() {
                    WeightFormat::Stored => Dtype::of_layout(layout).name(),
                    format => format.name(),
                };
                (dtype, vec![k as usize, n as usize])
            }
        };
        Some(TensorRow {
            name,
            name_in_file: None,
            dtype: dtype.to_owned(),
            shape: shape.into(),
            bytes,
            file: file.path(),
        })
    }

    /// A tensor of a checkpoint.
    pub(super) fn of_checkpoint(info: TensorInfo<'a>, checkpoint: &Checkpoint) -> TensorRow<'a> {
        let TensorInfo { name, dtype, shape, bytes, file } = info;
        let name_in_file = Some(checkpoint.name_in_file(name));
        TensorRow { name, name_in_file, dtype: format!("{dtype:?}"), shape: shape.into(), bytes, file }
    }

    /// The name in tables.
    fn shown_name(&self) -> &str {
        self.name_in_file.as_deref().unwrap_or(self.name)
    }

    /// Number of elements.
    pub(super) fn elements(&self) -> u64 {
        self.shape.iter().map(|&length| length as u64).product()
    }
}

/// Whether a tensor holds a constant of the architecture that older exporters wrote out: GPT-2's causal mask, BERT's
/// positions.
pub(super) fn is_buffer(name: &str) -> bool {
    [".attn.bias", ".attn.masked_bias", "position_ids"].iter().any(|suffix| name.ends_with(suffix))
}

/// Tensors that differ in the number of their layer alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TensorGroup<'a> {
    /// What stands before and behind the number; without one all of the name stands before it.
    before: &'a str,
    behind: &'a str,
    first: Option<usize>,
    last: Option<usize>,
    count: usize,
    dtype: &'a str,
    shape: &'a [usize],
    bytes: usize,
}

impl<'a> TensorGroup<'a> {
    /// A tensor on its own.
    pub(super) fn of_one(tensor: &'a TensorRow<'a>) -> TensorGroup<'a> {
        TensorGroup::new(tensor, (tensor.shown_name(), None, ""))
    }

    fn new(tensor: &'a TensorRow<'a>, (before, layer, behind): (&'a str, Option<usize>, &'a str)) -> TensorGroup<'a> {
        let TensorRow { dtype, shape, bytes, .. } = tensor;
        TensorGroup { before, behind, first: layer, last: layer, count: 1, dtype, shape, bytes: *bytes }
    }

    /// `14 of 30` if layers between the first and the last have another type or shape.
    fn count(&self) -> String {
        match self.first.zip(self.last).map(|(first, last)| last - first + 1) {
            Some(layers) if layers > self.count => format!("{} of {layers}", self.count),
            _ => self.count.to_string(),
        }
    }

    /// The cells of its line: name, count, dtype, shape, size of all.
    pub(super) fn cells(&self) -> Vec<String> {
        let layers = match (self.first, self.last) {
            (Some(first), Some(last)) if first < last => format!("{{{first}…{last}}}"),
            (Some(only), _) => only.to_string(),
            (None, _) => String::new(),
        };
        vec![
            format!("{}{layers}{}", self.before, self.behind),
            self.count(),
            self.dtype.to_owned(),
            format!("{:?}", self.shape),
            format_bytes(self.bytes as u64),
        ]
    }
}

/// The groups in the order of their first tensors.
pub(super) fn groups<'a>(tensors: &'a [TensorRow<'a>]) -> Vec<TensorGroup<'a>> {
    let mut groups: Vec<TensorGroup<'a>> = Vec::new();
    let mut index_of = HashMap::new();
    for tensor in tensors {
        let (before, layer, behind) = split_at_layer(tensor.shown_name());
        let key = (before, layer.is_some(), behind, &tensor.dtype, &tensor.shape);
        match index_of.get(&key) {
            Some(&index) => {
                let group: &mut TensorGroup<'_> = &mut groups[index];
                group.first = group.first.min(layer);
                group.last = group.last.max(layer);
                group.count += 1;
                group.bytes += tensor.bytes;
            }
            None => {
                index_of.insert(key, groups.len());
                groups.push(TensorGroup::new(tensor, (before, layer, behind)));
            }
        }
    }
    groups
}

/// A name round its first part that is a number: `h.11.ln_1.bias` is `h.`, 11 and `.ln_1.bias`.
fn split_at_layer(name: &str) -> (&str, Option<usize>, &str) {
    let mut start = 0;
    for part in name.split('.') {
        let end = start + part.len();
        // Only numbers written the usual way, so that the name can be told from the number.
        if let Some(layer) = part.parse::<usize>().ok().filter(|layer| layer.to_string() == part) {
            return (&name[..start], Some(layer), &name[end..]);
        }
        start = end + 1;
    }
    (name, None, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor<'a>(name: &'a str, dtype: &str, shape: &'a [usize]) -> TensorRow<'a> {
        TensorRow {
            name,
            name_in_file: None,
            dtype: dtype.to_owned(),
            shape: shape.into(),
            bytes: 8,
            file: Path::new("model.safetensors"),
        }
    }

    #[test]
    fn groups_layers_of_one_shape_share_a_line() {
        let tensors = [
            tensor("wte.weight", "F32", &[5, 2]),
            tensor("h.1.ln_1.bias", "F32", &[2]),
            tensor("h.0.ln_1.bias", "F32", &[2]),
            tensor("h.10.ln_1.bias", "F32", &[2]),
            tensor("h.2.ln_1.bias", "BF16", &[2]),
        ];
        let lines: Vec<String> = groups(&tensors).iter().map(|group| group.cells().join(" ")).collect();
        assert_eq!(
            lines,
            ["wte.weight 1 F32 [5, 2] 8 B", "h.{0…10}.ln_1.bias 3 of 11 F32 [2] 24 B", "h.2.ln_1.bias 1 BF16 [2] 8 B"]
        );
    }

    #[test]
    fn split_at_layer_finds_whole_numbers_only() {
        assert_eq!(split_at_layer("h.11.ln_1.bias"), ("h.", Some(11), ".ln_1.bias"));
        assert_eq!(split_at_layer("12"), ("", Some(12), ""));
        assert_eq!(split_at_layer("ln_1.bias"), ("ln_1.bias", None, ""));
        assert_eq!(split_at_layer("h.01.bias"), ("h.01.bias", None, ""));
        assert_eq!(split_at_layer("é..7"), ("é..", Some(7), ""));
    }

    #[test]
    fn is_buffer_finds_masks_and_positions() {
        assert!(is_buffer("h.0.attn.bias") && is_buffer("embeddings.position_ids"));
        assert!(!is_buffer("h.0.attn.c_attn.bias") && !is_buffer("h.0.ln_1.bias"));
    }
}
