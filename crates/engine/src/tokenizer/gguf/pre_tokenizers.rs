//! What splits a text into words before byte-level BPE, by the names that `tokenizer.ggml.pre` has for it.
//!
//! The names and what they stand for are those of llama.cpp (`llama-vocab.cpp` and `convert_hf_to_gguf_update.py`); the parts are those
//! of the `tokenizer.json` that each name was made for. A name is here only if it is known what else that file has: Unicode
//! composition (NFC), and whether merges count for a word that is a token.

use serde_json::{Value, json};

use crate::tokenizer::bpe_parts::split;
use crate::tokenizer::error::TokenizerFileError;
use crate::tokenizer::patterns::{GPT4O, LLAMA3, QWEN2, QWEN35, TEKKEN};

/// A part that splits a text.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Round what a regular expression matches.
    Pattern(&'static str),
    /// Round each digit.
    EachDigit,
}

/// What splits a text into words.
#[derive(Debug)]
pub(super) struct Words {
    names: &'static [&'static str],
    /// Whether a text is composed (NFC) first.
    pub(super) composes: bool,
    steps: &'static [Step],
    /// Whether GPT-2's regular expression splits what the steps leave.
    pub(super) ends_with_gpt2: bool,
    /// Whether a word that is a token is not made by merges.
    pub(super) ignores_merges: bool,
    /// Whether a text begins with `bos` unless the file says otherwise.
    pub(super) begins_with_bos: bool,
}

/// The name for files without one.
const NONE: &str = "gpt-2";

/// Nothing but the steps.
const PLAIN: Words = Words {
    names: &[],
    composes: false,
    steps: &[],
    ends_with_gpt2: false,
    ignores_merges: false,
    begins_with_bos: false,
};

static ALL: [Words; 17] = [
    Words { names: &["gpt-2", "phi-2"], ends_with_gpt2: true, ..PLAIN },
    Words { names: &["mpt", "olmo"], composes: true, ends_with_gpt2: true, ..PLAIN },
    Words {
        names: &[
            "llama-bpe",
            "llama3",
            "llama-v3",
            "falcon3",
            "falcon-h1",
            "pixtral",
            "midm-2.0",
            "lfm2",
            "jina-v5-nano",
        ],
        steps: &[Step::Pattern(LLAMA3)],
        ignores_merges: true,
        begins_with_bos: true,
        ..PLAIN
    },
    Words { names: &["dbrx", "smaug-bpe", "chatglm-bpe"], steps: &[Step::Pattern(LLAMA3)], ..PLAIN },
    Words { names: &["glm4"], steps: &[Step::Pattern(LLAMA3)], ignores_merges: true, ..PLAIN },
    Words { names: &["qwen2", "deepseek-r1-qwen", "f2llmv2"], composes: true, steps: &[Step::Pattern(QWEN2)], ..PLAIN },
    Words { names: &["megrez", "kormo"], steps: &[Step::Pattern(QWEN2)], ..PLAIN },
    Words { names: &["qwen35"], composes: true, steps: &[Step::Pattern(QWEN35)], ..PLAIN },
    Words { names: &["tekken"], steps: &[Step::Pattern(TEKKEN)], ignores_merges: true, begins_with_bos: true, ..PLAIN },
    Words { names: &["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"], steps: &[Step::Pattern(GPT4O)], ..PLAIN },
    Words {
        names: &["smollm", "starcoder", "refact", "codeshell"],
        steps: &[Step::EachDigit],
        ends_with_gpt2: true,
        ..PLAIN
    },
    Words { names: &["command-r"], composes: true, steps: &[Step::EachDigit], ends_with_gpt2: true, ..PLAIN },
    Words { names: &["deepseek-llm"], steps: &DEEPSEEK_LLM, ..PLAIN },
    Words { names: &["deepseek-coder"], steps: &DEEPSEEK_CODER, ..PLAIN },
    Words { names: &["deepseek-v3"], steps: &DEEPSEEK_V3, ..PLAIN },
    Words { names: &["falcon"], steps: &FALCON, ..PLAIN },
    Words { names: &["default"], steps: &DEFAULT, ..PLAIN },
];

const DEEPSEEK_LLM: [Step; 6] = [
    Step::Pattern(r"[\r\n]"),
    Step::Pattern(CASED),
    Step::Pattern(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"),
    Step::Pattern(r"\s+$"),
    Step::Pattern(EAST_ASIAN),
    Step::EachDigit,
];

const DEEPSEEK_CODER: [Step; 5] = [
    Step::Pattern(r"[\r\n]"),
    Step::Pattern(r"\s?\p{L}+"),
    Step::Pattern(r"\s?\p{P}+"),
    Step::Pattern(EAST_ASIAN),
    Step::EachDigit,
];

const DEEPSEEK_V3: [Step; 3] = [
    Step::Pattern(r"\p{N}{1,3}"),
    Step::Pattern(r"[一-龥぀-ゟ゠-ヿ]+"),
    Step::Pattern(
        r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##,
    ),
];

/// The words of GPT-2 among what the other steps leave.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

const FALCON: [Step; 3] =
    [Step::Pattern(r"[\p{P}\$\+<=>\^~\|`]+"), Step::Pattern(GPT2), Step::Pattern("[0-9][0-9][0-9]")];

/// What llama.cpp falls to for files of unknown origin.
const DEFAULT: [Step; 4] = [
    Step::Pattern(r"[\p{P}\$\+<=>\^~\|]+"),
    Step::Pattern(GPT2),
    Step::Pattern(r"\p{N}+"),
    Step::Pattern("[0-9][0-9][0-9]"),
];

/// Letters with case, as Unicode had them.
const CASED: &str = r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+";

/// Chinese characters and Korean syllables.
const EAST_ASIAN: &str = r"[一-龥ࠀ-一가-퟿]+";

impl Words {
    /// Those of a name; without one, GPT-2's.
    pub(super) fn named(name: Option<&str>) -> Result<&'static Self, TokenizerFileError> {
        let name = name.unwrap_or(NONE);
        let unknown = || {
            let known: Vec<&str> = ALL.iter().flat_map(|words| words.names).copied().collect();
            TokenizerFileError::Gguf {
                key: "pre",
                wanted: format!("one of {}", known.join(", ")),
                found: format!("`{name}`"),
            }
        };
        ALL.iter().find(|words| words.names.contains(&name)).ok_or_else(unknown)
    }

    /// The steps as `tokenizer.json` writes them.
    pub(super) fn steps(&self) -> Vec<Value> {
        let written = |step: &Step| match step {
            Step::Pattern(pattern) => split(pattern),
            Step::EachDigit => json!({"type": "Digits", "individual_digits": true}),
        };
        self.steps.iter().map(written).collect()
    }
}
