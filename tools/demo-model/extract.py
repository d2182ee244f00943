"""Extracts the prose of the Rust documentation that ships with the toolchain as clean Markdown documents.

    python extract.py OUT_DIR [--html DIR]

writes OUT_DIR/train.jsonl and OUT_DIR/valid.jsonl, one document (a JSON string) per line, and prints what was
kept. The same toolchain always gives the same bytes: pages are read in sorted order and nothing is random.
"""

import argparse
import hashlib
import json
import re
import subprocess
from collections import Counter
from pathlib import Path

from page_markdown import parse_page

# Without the embedded book, whose prose is CC BY-SA 4.0.
BOOKS = [
    "book", "cargo", "clippy", "edition-guide", "error_codes", "nomicon", "reference", "rust-by-example", "rustc",
    "rustdoc", "style-guide", "unstable-book",
]
CRATES = ["std", "core", "alloc", "proc_macro", "test"]
# Older editions of the book are stubs; rust-by-example also comes in other languages.
SKIPPED_FOLDERS = {
    "book/2018-edition", "book/first-edition", "book/second-edition", "core/arch", "core/core_arch", "std/arch",
    "rust-by-example/es", "rust-by-example/ja", "rust-by-example/ko", "rust-by-example/zh",
}
SKIPPED_PAGES = {"404.html", "CHANGELOG.html", "all.html", "print.html", "SUMMARY.html", "title-page.html", "toc.html"}
# Beginnings of section ids; the methods reached through Deref stand on the page of the target type too.
SKIPPED_ZONES = (
    "synthetic-implementations", "blanket-implementations", "implementors", "foreign-impls", "deref-methods",
)
BOILERPLATE = re.compile(r"The tracking issue for this feature is|This feature has no tracking issue|.* Read more$")
DIAGNOSTIC = re.compile(r"^\s*--> ", re.M)  # compiler messages with their source excerpts

MIN_PROSE = 60  # letters outside code a document needs
MAX_DECLARATION = 1200  # characters; longer ones list every method of a trait
MAX_NON_ASCII = 0.02  # share of characters
MAX_REPEATS = 2  # how often the same long paragraph may be seen
LONG_PARAGRAPH = 100  # characters
MAX_KNOWN = 0.5  # share of a document that may have been seen in earlier documents
HOLD_OUT = 80  # every 80th page goes to validation


def pages(html):
    """Yields (relative path, is rustdoc) of the pages worth reading. The crate `std` re-exports most of `core`
    and `alloc`; a page of theirs is read only where `std` has no page of the same name."""
    for root in CRATES + BOOKS:
        for path in sorted((html / root).rglob("*.html")):
            name = path.relative_to(html)
            folders = {str(parent) for parent in name.parents}
            if folders & SKIPPED_FOLDERS or name.name in SKIPPED_PAGES:
                continue
            if root in ("core", "alloc") and (html / "std" / name.relative_to(root)).exists():
                continue
            yield name, root in CRATES


def is_wanted(block):
    if block.kind == "text":
        return not BOILERPLATE.match(block.text)
    return block.kind != "code" or not DIAGNOSTIC.search(block.text)


def item_path(name, title):
    """`std/vec/struct.Vec.html` → (`Struct std::vec::Vec`, `Vec`)."""
    kind, _, item = title.rpartition(" ")
    modules = list(name.parts[:-1])
    if name.name == "index.html":
        return f"{kind} {'::'.join(modules)}", item
    if kind in ("Keyword", "Primitive Type", "Attribute"):
        return title, item
    return f"{kind} {'::'.join(modules + [item])}", item


def member_title(item, signature):
    """`Vec`, `pub fn len(&self) -> usize` → `Method Vec::len`."""
    function = re.search(r"\bfn (\w+)", signature)
    if function is None:
        constant = re.search(r"\b(?:type|const) (\w+)", signature)
        return f"Associated item {item}::{constant[1]}" if constant else f"Associated item of {item}"
    return f"{'Method' if 'self' in signature else 'Function'} {item}::{function[1]}"


def split_rustdoc_page(name, title, blocks):
    """Splits the page of one item into documents: the item itself with its variants and fields, then one document
    per method."""
    heading, item = item_path(name, title)
    head = [("text", heading, "")]
    documents = [head]
    current, zone = head, ""
    for block in filter(is_wanted, blocks):
        if block.kind == "zone":
            zone, current = block.tag, []
        elif block.kind == "item" and block.tag in ("variant", "structfield"):
            head.append(("text", f"`{block.text}`", ""))
            current = head
        elif block.kind == "item":
            current = []
            if block.tag in ("method", "associatedtype") and not zone.startswith(SKIPPED_ZONES):
                current.append(("text", member_title(item, block.text), ""))
                current.append(("code", block.text, "rust"))
                documents.append(current)
        elif block.kind == "declaration":
            if len(block.text) <= MAX_DECLARATION:
                current.append(("code", block.text.replace(",{", ",\n{"), "rust"))
        elif (block.kind, block.tag) != ("heading", "1"):  # the title is in the first line already
            current.append((block.kind, block.text, block.tag))
    return documents


def prose_letters(document):
    return sum(len(re.findall("[A-Za-z]", text)) for kind, text, _ in document[1:] if kind == "text")


def is_prose(document):
    text = "".join(text for _, text, _ in document)
    non_ascii = sum(not char.isascii() for char in text)
    return prose_letters(document) >= MIN_PROSE and non_ascii <= MAX_NON_ASCII * len(text)


def normalized(text):
    """The same for texts that differ only in numbers and in the width of numeric types."""
    return re.sub(r"\d+", "0", re.sub(r"\b([iuf])(8|16|32|64|128|size)\b", "number", text)).lower()


class Seen:
    """Counts the paragraphs of the documents so far, to drop documents and paragraphs that repeat them."""

    def __init__(self):
        self.paragraphs = Counter()

    def filter(self, document):
        """Returns the document without its worn-out paragraphs, or None when most of it is known."""
        # The first line and the signature name the item, so they never match.
        keys = [normalized(text) for _, text, _ in document]
        body = [(key, len(key)) for key, (kind, _, _) in zip(keys[1:], document[1:]) if kind != "heading"]
        known = sum(size for key, size in body if self.paragraphs[key])
        if known > MAX_KNOWN * sum(size for _, size in body):
            return None
        kept = [block for key, block in zip(keys, document)
                if len(key) < LONG_PARAGRAPH or self.paragraphs[key] < MAX_REPEATS]
        self.paragraphs.update(key for key, _ in body)
        return kept


def render(document):
    """Joins the blocks as Markdown, headings raised so that the topmost is `#`."""
    levels = [int(tag) for kind, _, tag in document if kind == "heading"]
    top = min(levels, default=1)
    parts = []
    for index, (kind, text, tag) in enumerate(document):
        is_item = re.match(r"\s*(- |\d+\. )", text) is not None and kind == "text"
        if kind == "heading":
            following = document[index + 1][0] if index + 1 < len(document) else "heading"
            if following == "heading" and index:
                continue  # its text was dropped
            text = f"{'#' * (int(tag) - top + 1)} {text}"
        elif kind == "code":
            indent = re.match(" *", text)[0] if text.startswith("  ") and parts and parts[-1][1] else ""
            text = f"{indent}```{tag}\n{text}\n{indent}```"
        separator = "\n" if is_item and parts and parts[-1][1] else "\n\n"
        parts.append((separator + text, is_item or kind == "code" and text.startswith("  ")))
    return "".join(text for text, _ in parts).strip() + "\n"


def extract(html):
    """Returns the documents as {"train": [...], "valid": [...]} and the number of documents per book or crate."""
    documents, per_root, seen = {"train": [], "valid": []}, Counter(), Seen()
    for name, is_rustdoc in pages(html):
        source = (html / name).read_text(encoding="utf-8")
        if 'http-equiv="refresh"' in source[:2000]:
            continue
        title, blocks = parse_page(source)
        if is_rustdoc:
            candidates = split_rustdoc_page(name, title, blocks)
        else:
            candidates = [[(b.kind, b.text, b.tag) for b in filter(is_wanted, blocks)]]
        held_out = int(hashlib.sha256(str(name).encode()).hexdigest(), 16) % HOLD_OUT == 0
        for document in filter(is_prose, candidates):
            kept = seen.filter(document)
            if kept and is_prose(kept):
                documents["valid" if held_out else "train"].append(render(kept))
                per_root[name.parts[0]] += 1
    return documents, per_root


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--html", type=Path, help="default: the documentation of the active toolchain")
    options = parser.parse_args()
    if options.html is None:
        sysroot = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True).stdout
        options.html = Path(sysroot.strip()) / "share/doc/rust/html"
    documents, per_root = extract(options.html)
    options.out.mkdir(parents=True, exist_ok=True)
    for split, texts in documents.items():
        lines = "".join(json.dumps(text, ensure_ascii=False) + "\n" for text in texts)
        (options.out / f"{split}.jsonl").write_text(lines, encoding="utf-8")
        print(f"{split}: {len(texts)} documents, {sum(map(len, texts))} characters")
    print(", ".join(f"{root} {count}" for root, count in per_root.items()))


if __name__ == "__main__":
    main()
