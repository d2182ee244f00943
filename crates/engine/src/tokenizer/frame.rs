//! The special tokens that a tokenizer puts round each text.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::error::TokenizerFileError;

/// The ids before and after each text: `[CLS] … [SEP]` for BERT, none for GPT-2.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Frame {
    pub(super) before: Vec<u32>,
    pub(super) after: Vec<u32>,
}

impl Frame {
    /// Reads the `post_processor` of a `tokenizer.json`. What it does with pairs of texts is passed over.
    pub(super) fn read(part: Option<Value>, model_vocab: usize) -> Result<Self, TokenizerFileError> {
        let Some(part) = part else { return Ok(Self::default()) };
        let malformed = |reason: String| TokenizerFileError::PostProcessor { reason };
        let frame = serde_json::from_value::<PostProcessor>(part)
            .map_err(|error| malformed(error.to_string()))?
            .frame()
            .map_err(malformed)?;
        let outside = frame.ids().find(|&id| id as usize >= model_vocab);
        match outside {
            Some(id) => Err(malformed(format!("wanted ids below the model's vocabulary of {model_vocab}, found {id}"))),
            None => Ok(frame),
        }
    }

    /// The number of special tokens.
    pub(super) fn len(&self) -> usize {
        self.before.len() + self.after.len()
    }

    fn ids(&self) -> impl Iterator<Item = u32> {
        self.before.iter().chain(&self.after).copied()
    }

    /// This frame with `outer` round it.
    fn within(self, outer: Self) -> Self {
        Self { before: [outer.before, self.before].concat(), after: [self.after, outer.after].concat() }
    }
}

/// The post-processors that GPT-2's and BERT's tokenizers have.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum PostProcessor {
    /// Corrects positions of tokens in the text, which are not kept here.
    ByteLevel {},
    BertProcessing {
        cls: (String, u32),
        sep: (String, u32),
    },
    RobertaProcessing {
        cls: (String, u32),
        sep: (String, u32),
    },
    TemplateProcessing {
        single: Vec<Piece>,
        special_tokens: HashMap<String, Special>,
    },
    Sequence {
        processors: Vec<PostProcessor>,
    },
}

/// An element of a template.
#[derive(Deserialize)]
enum Piece {
    Sequence { id: String },
    SpecialToken { id: String },
}

#[derive(Deserialize)]
struct Special {
    ids: Vec<u32>,
}

impl PostProcessor {
    fn frame(self) -> Result<Frame, String> {
        match self {
            Self::ByteLevel {} => Ok(Frame::default()),
            Self::BertProcessing { cls, sep } | Self::RobertaProcessing { cls, sep } => {
                Ok(Frame { before: vec![cls.1], after: vec![sep.1] })
            }
            Self::TemplateProcessing { single, special_tokens } => template_frame(&single, &special_tokens),
            Self::Sequence { processors } => {
                processors.into_iter().try_fold(Frame::default(), |inner, outer| Ok(inner.within(outer.frame()?)))
            }
        }
    }
}

/// A template must hold the text, its sequence `A`, once.
fn template_frame(pieces: &[Piece], special_tokens: &HashMap<String, Special>) -> Result<Frame, String> {
    let (mut frame, mut texts) = (Frame::default(), 0);
    for piece in pieces {
        match piece {
            Piece::Sequence { id } if id == "A" => texts += 1,
            Piece::Sequence { id } => return Err(format!("wanted sequence A alone in `single`, found {id:?}")),
            Piece::SpecialToken { id } => {
                let special = special_tokens.get(id).ok_or_else(|| format!("special_tokens has no {id:?}"))?;
                let side = if texts == 0 { &mut frame.before } else { &mut frame.after };
                side.extend_from_slice(&special.ids);
            }
        }
    }
    if texts == 1 { Ok(frame) } else { Err(format!("wanted sequence A once in `single`, found it {texts} times")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn frame(part: Value) -> Result<Frame, String> {
        Frame::read(Some(part), 1000).map_err(|error| error.to_string())
    }

    #[test]
    fn template_gives_the_tokens_on_each_side() {
        let template = json!({
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
            ],
            "pair": [],
            "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [7], "tokens": ["[CLS]"]}, "[SEP]": {"ids": [8, 9]}},
        });
        let wanted = Frame { before: vec![7], after: vec![8, 9] };
        assert_eq!(frame(template.clone()).unwrap(), wanted);
        let bert = json!({"type": "BertProcessing", "cls": ["a", 1], "sep": ["b", 2]});
        let sequence = json!({"type": "Sequence", "processors": [template, {"type": "ByteLevel"}, bert]});
        assert_eq!(frame(sequence).unwrap(), Frame { before: vec![1, 7], after: vec![8, 9, 2] });
    }

    #[test]
    fn template_that_cannot_be_applied_is_refused() {
        let template = |single: Value| json!({"type": "TemplateProcessing", "single": single, "special_tokens": {}});
        let text = json!({"Sequence": {"id": "A", "type_id": 0}});
        for (single, reason) in [
            (json!([text, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}]), "no \"[SEP]\""),
            (json!([text, {"Sequence": {"id": "B", "type_id": 1}}]), "found \"B\""),
            (json!([text, text]), "2 times"),
            (json!([]), "0 times"),
            (json!([1]), "post_processor"),
        ] {
            let message = frame(template(single)).unwrap_err();
            assert!(message.contains(reason), "{message}");
        }
        let outside = json!({"type": "BertProcessing", "cls": ["a", 1], "sep": ["b", 1000]});
        assert!(frame(outside).unwrap_err().ends_with("below the model's vocabulary of 1000, found 1000"));
    }
}
