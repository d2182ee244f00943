//! A tiny Llama that can chat.

use std::io;

use super::byte_level::byte_entries;
use super::{Dtype, ModelDir, Tensor};
use crate::data::Data;

/// Shape and template of a Llama with random weights and a tokenizer of bytes, in which the id of a byte is the byte's value.
///
/// Its likeliest tokens are ASCII characters that print and the end of a turn, so that its answers are text. The dimensions are
/// awkward on purpose: none is a multiple of a vector's length.
#[derive(Clone, Debug, PartialEq)]
pub struct Llama {
    /// Seed of the weights.
    pub seed: u64,
    /// Most positions.
    pub context: usize,
    /// `chat_template` of `tokenizer_config.json`; none is written if it is empty.
    pub template: &'static str,
}

impl Default for Llama {
    fn default() -> Self {
        Self { seed: 3, context: 400, template: Self::CHAT_ML }
    }
}

const VOCABULARY: usize = 261;
const WIDTH: usize = 36;
const INNER: usize = 44;
const HEADS: usize = 6;
const KEY_HEADS: usize = 2;
const LAYERS: usize = 2;

/// The tokens after the bytes.
const SPECIAL_TOKENS: [&str; 3] = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"];

impl Llama {
    /// The id of `<|im_end|>`, which ends a turn.
    pub const TURN_END: usize = 257;

    /// Turns between `<|im_start|>` and `<|im_end|>`. The generation prompt opens the thinking if `enable_thinking` is true, and
    /// closes it if it is false.
    pub const CHAT_ML: &str = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n\
        {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n\
        {% if enable_thinking is defined %}<think>\n{% if not enable_thinking %}\n</think>\n\n{% endif %}{% endif %}{% endif %}";

    /// Writes weights, `config.json`, `tokenizer.json` and `tokenizer_config.json`.
    ///
    /// # Errors
    /// Fails if a file cannot be written.
    pub fn write(&self) -> io::Result<ModelDir> {
        let texts = [
            ("config.json", self.config()),
            ("tokenizer.json", tokenizer()),
            ("tokenizer_config.json", self.tokenizer_config()),
        ];
        ModelDir::write(self.tensors(), Dtype::F32, 1, &texts)
    }

    /// The text of `config.json`.
    pub fn config(&self) -> String {
        let end = Self::TURN_END;
        format!(
            r#"{{"architectures":["LlamaForCausalLM"],"model_type":"llama","vocab_size":{VOCABULARY},
"max_position_embeddings":{},"hidden_size":{WIDTH},"intermediate_size":{INNER},"num_hidden_layers":{LAYERS},
"num_attention_heads":{HEADS},"num_key_value_heads":{KEY_HEADS},"hidden_act":"silu","rms_norm_eps":1e-06,"rope_theta":10000.0,
"tie_word_embeddings":false,"attention_bias":false,"mlp_bias":false,"eos_token_id":{end}}}"#,
            self.context
        )
    }

    /// The text of `tokenizer_config.json`.
    pub fn tokenizer_config(&self) -> String {
        let template = match self.template {
            "" => String::new(),
            text => format!(r#","chat_template":"{}""#, text.replace('\n', "\\n").replace('"', "\\\"")),
        };
        format!(r#"{{"tokenizer_class":"PreTrainedTokenizerFast","eos_token":"<|im_end|>"{template}}}"#)
    }

    /// The weights.
    pub fn tensors(&self) -> Vec<Tensor> {
        let mut data = Data::new(self.seed);
        let kv_width = WIDTH / HEADS * KEY_HEADS;
        let mut tensors = vec![Tensor::normal(&mut data, "model.embed_tokens.weight", &[VOCABULARY, WIDTH], 0.0, 1.0)];
        for i in 0..LAYERS {
            let block = format!("model.layers.{i}");
            for (name, outputs, inputs) in [
                ("self_attn.q_proj", WIDTH, WIDTH),
                ("self_attn.k_proj", kv_width, WIDTH),
                ("self_attn.v_proj", kv_width, WIDTH),
                ("self_attn.o_proj", WIDTH, WIDTH),
                ("mlp.gate_proj", INNER, WIDTH),
                ("mlp.up_proj", INNER, WIDTH),
                ("mlp.down_proj", WIDTH, INNER),
            ] {
                let (name, deviation) = (format!("{block}.{name}.weight"), 1.0 / (inputs as f32).sqrt());
                tensors.push(Tensor::normal(&mut data, name, &[outputs, inputs], 0.0, deviation));
            }
            tensors.push(gains(&mut data, &format!("{block}.input_layernorm")));
            tensors.push(gains(&mut data, &format!("{block}.post_attention_layernorm")));
        }
        tensors.push(gains(&mut data, "model.norm"));
        tensors.push(head(&mut data));
        tensors
    }
}

/// The gains of a norm.
fn gains(data: &mut Data, name: &str) -> Tensor {
    Tensor::normal(data, format!("{name}.weight"), &[WIDTH], 1.0, 0.1)
}

/// The output projection: zero for all tokens that are neither ASCII characters that print nor the end of a turn.
fn head(data: &mut Data) -> Tensor {
    let mut head = Tensor::normal(data, "lm_head.weight", &[VOCABULARY, WIDTH], 0.0, 0.3);
    for (token, row) in head.values.chunks_mut(WIDTH).enumerate() {
        if !matches!(token, 0x20..=0x7e | Llama::TURN_END) {
            row.fill(0.0);
        }
    }
    head
}

/// The text of `tokenizer.json`.
fn tokenizer() -> String {
    let added: Vec<String> = (256..)
        .zip(SPECIAL_TOKENS)
        .map(|(id, token)| {
            format!(
                r#"{{"id":{id},"content":"{token}","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}}"#
            )
        })
        .collect();
    let byte_level = r#"{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#;
    format!(
        r#"{{"version":"1.0","truncation":null,"padding":null,"added_tokens":[{}],"normalizer":null,"pre_tokenizer":{byte_level},
"post_processor":null,"decoder":{byte_level},"model":{{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,
"end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":{{{}}},"merges":[]}}}}"#,
        added.join(","),
        byte_entries().join(",")
    )
}
