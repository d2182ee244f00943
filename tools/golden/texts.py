"""Texts that the tokenizer and sentence cases run over, and the small vocabularies built for them."""

# What a tokenizer meets in the wild. Escapes keep invisible characters visible in this file.
TOKENIZER_TEXTS = [
    "",
    " ",
    "   \t \n\n  ",
    "a",
    "hello world",
    " hello world",
    "hello  world   again    and     on",
    "The quick brown fox jumps over the lazy dog.",
    "THE Quick bRoWn FOX",
    "It's what they're saying: we've, I'll, he'd, don't, I'm, 'tis",
    "IT'S THEY'RE",
    "line one\nline two\r\nline three\n\n\n  indented\ttabbed",
    "trailing spaces   ",
    "1234567890 3.14159 1,000,000 0x1F 12e-7",
    "fn main() { println!(\"{}\", x[0] + y->z); } // done_now && !later",
    "user@example.com https://example.com/a?b=c&d=%20#top",
    "unbelievable tokenization of embeddings",
    "snake_case camelCase kebab-case SCREAMING_CASE",
    "caf\u00e9 na\u00efve r\u00e9sum\u00e9 \u00c5ngstr\u00f6m \u00d1and\u00fa",
    "cafe\u0301 nai\u0308ve A\u030angstro\u0308m",
    "Stra\u00dfe \u0130stanbul \u0131\u015f\u0131k \ufb01ne \u01c5",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u0419\u043e\u0434",
    "\u039a\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1 \u03ba\u03cc\u03c3\u03bc\u03b5 \u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002",
    "mixed\u4e2d\u6587and English\u65e5\u672c\u8a9e\u3067\u3059\u30ab\u30bf\u30ab\u30ca",
    "\ud55c\uad6d\uc5b4 \ud14d\uc2a4\ud2b8 \u1112\u1161\u11ab",
    "\u0627\u0644\u0633\u0644\u0627\u0645 \u0639\u0644\u064a\u0643\u0645 \u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "\U00020000\U0002a6d6 rare ideographs",
    "smile \U0001f600\U0001f602 flag \U0001f1e9\U0001f1ea",
    "family \U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 thumb \U0001f44d\U0001f3fd heart \u2764\ufe0f",
    "nul\x00bell\x07escape\x1bdelete\x7fc1\x85end",
    "zero\u200bwidth soft\u00adhyphen \ufeffmark \ufffd",
    "no\u00a0break em\u2003space ideographic\u3000space line\u2028sep",
    "\u201cquotes\u201d \u2018single\u2019 \u2014 dash \u2026 \u20ac \u00a3 \u00a5 \u2122 \u00bd \u2162 \u2460",
    "!!! ??? ... ,,, ### $$$ +-*/=<> ^~` |\\",
    "<|endoftext|>",
    "before<|endoftext|>after <|endoftext|> end <|EndOfText|>",
    "[CLS] masked [MASK] word [SEP] and [UNK] or [sep] [PAD]",
    "a" * 100,
    "a" * 101,
    "ab" * 300,
]

# Training text of the byte-level BPE. A few characters of several scripts, so that merges run inside a character too.
BPE_CORPUS = [
    "hello world, the quick brown fox jumps over the lazy dog and the other dog",
    "it's what they're saying: we've seen that I'll go where he'd been and don't I'm",
    "tokenization of embeddings: the token, the tokens, the embedding, an unbelievable encoding",
    "fn main() { let mut total = 0; for value in values { total += value; } }",
    "line one\nline two\n\n    indented line\n        more indented line",
    "1234567890 10 100 1000 1,000,000 3.14159",
    "caf\u00e9 caf\u00e9 na\u00efve r\u00e9sum\u00e9 \u00fcber \u00fcber",
    "\u4f60\u597d\u4e16\u754c \u4f60\u597d \u4e16\u754c \u4e2d\u6587 \u4e2d\u6587 \u65e5\u672c\u8a9e",
    "\u043f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440 \u043f\u0440\u0438\u0432\u0435\u0442",
    "\U0001f600 \U0001f602 \U0001f600 \U0001f44d",
]

WORDPIECE_WORDS = (
    "the quick brown fox jump over lazy dog hello world again and on what they we say line one two three don "
    "token un believe em bed ding caf\u00e9 cafe naive resume user example com https a model sentence word search "
    "bank river money small large cat sat mat"
).split()
WORDPIECE_CASED_WORDS = "The THE Hello English It Quick FOX".split()
WORDPIECE_SUFFIXES = "s ing ed able ization er ly tion ings ble ar ie es".split()
WORDPIECE_SYMBOLS = "\u4f60\u597d\u4e16\u4e2d\u65e5\u8a9e\uff0c\u3002\u00e9\u00df\u20ac\u201c\u201d\u043f\u043c\u0438\u03c3\u03c2\U0001f600"


def wordpiece_vocabulary(cased: bool) -> list[str]:
    """Special tokens, printable ASCII, some symbols, continuation pieces and words; id = place in the list."""
    ascii_characters = [chr(code) for code in range(33, 127)]
    if not cased:
        ascii_characters = [character for character in ascii_characters if not character.isupper()]
    letters = [character for character in ascii_characters if character.isalnum()]
    words = WORDPIECE_WORDS + (WORDPIECE_CASED_WORDS if cased else [])
    pieces = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces += ascii_characters + list(WORDPIECE_SYMBOLS)
    pieces += ["##" + piece for piece in letters + ["\u00e9", "\u0438", "\u03c3"] + WORDPIECE_SUFFIXES]
    pieces += words
    return list(dict.fromkeys(pieces))


# The tiny sentence models cut at 24 tokens; the last two texts are longer.
TINY_SENTENCES = [
    "",
    "hello",
    "The quick brown fox jumps over the lazy dog.",
    "  the   cat sat\ton the\nmat ",
    "caf\u00e9 \u4f60\u597d\uff0c\u4e16 \U0001f600 [MASK]",
    "a river bank and a money bank",
    "search the small model and the large model " * 3,
    "don't " * 30,
]
