"""Sentences for all-MiniLM-L6-v2: short, long, longer than its 256 tokens, several scripts, and nothing at all."""

RIVER = (
    "The river rises in the hills north of the town, where three springs meet under an old stone bridge, and for the "
    "first ten miles it is little more than a brook. Sheep graze on both banks, and in dry summers the children of the "
    "farms cross it without wetting their knees. Below the mill it grows broad and slow, bending twice around the "
    "church before it reaches the lock, and the boats that wait there carry timber, gravel and, on Sundays, visitors. "
)

MINILM_TEXTS = [
    "",
    " ",
    ".",
    "a",
    "Hello",
    "hello",
    "Hello, world!",
    "The cat sits on the mat.",
    "A cat is sitting on a rug.",
    "The stock market fell sharply on Tuesday.",
    "How do I reset my password?",
    "I forgot my password and cannot log in.",
    "What is the capital of France?",
    "Paris is the capital of France.",
    "She didn't say they weren't coming, did she?",
    "Matrix multiplication is bound by memory bandwidth when one operand is a vector.",
    "A compiler translates source code into machine instructions.",
    "The bank raised its interest rates; the river burst its banks.",
    "Water boils at 100 \u00b0C (212 \u00b0F) at sea level.",
    "In 1969, Apollo 11 landed on the Moon; 600 million people watched.",
    "Prices rose 3.7% to $1,299.99 \u2014 a record.",
    "Visit https://example.com/docs?page=2#install for details.",
    "fn add(a: i32, b: i32) -> i32 { a + b }",
    "SELECT name FROM users WHERE age > 30 ORDER BY name;",
    "error[E0382]: borrow of moved value: `buffer`",
    "THIS SENTENCE IS SHOUTED",
    "tHiS oNe Is MiXeD",
    "  spaces   before,\tbetween\n\nand after   ",
    "Caf\u00e9 au lait, cr\u00e8me br\u00fbl\u00e9e and \u00c5ngstr\u00f6m units",
    "Cafe\u0301 au lait with a combining accent",
    "Die Stra\u00dfe f\u00fchrt \u00fcber die Br\u00fccke.",
    "El r\u00edo crece despu\u00e9s de la lluvia.",
    "\u041c\u0430\u043c\u0430 \u043c\u044b\u043b\u0430 \u0440\u0430\u043c\u0443.",
    "\u039a\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1 \u03ba\u03cc\u03c3\u03bc\u03b5",
    "\u4eca\u5929\u5929\u6c14\u5f88\u597d\u3002",
    "\u6771\u4eac\u306f\u65e5\u672c\u306e\u9996\u90fd\u3067\u3059\u3002",
    "\uc11c\uc6b8\uc740 \ud55c\uad6d\uc758 \uc218\ub3c4\uc785\ub2c8\ub2e4.",
    "\u0627\u0644\u0633\u0644\u0627\u0645 \u0639\u0644\u064a\u0643\u0645",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e",
    "I love it \U0001f60d\U0001f525 thumbs up \U0001f44d\U0001f3fd",
    "zero\u200bwidth, soft\u00adhyphen, nul\x00 and bell\x07",
    "antidisestablishmentarianism and pneumonoultramicroscopicsilicovolcanoconiosis",
    "x" * 120,
    "The token [MASK] and the token [SEP] stand in the text itself.",
    "buffalo " * 40,
    RIVER,
    RIVER * 2,
    RIVER * 4,
]
