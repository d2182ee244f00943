"""Checks the pages of a built book: every link inside it leads to a page, and to a place on that page, that exists, and every
include was resolved and brought something. In the sources, every block of Rust is included from a program, which the compiler has seen.

Usage: python3 tools/book/check.py target/book
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


# What an include leaves whose anchor does not exist in the file.
EMPTY_CODE = re.compile(r"<code[^>]*>\s*</code>")


# A block of Rust in a source, and what it may consist of.
RUST_BLOCK = re.compile(r"^```rust\b[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INCLUDE = re.compile(r"\{\{#include [^}]+\.rs(:\w+)?\}\}")


def loose_rust(source: Path) -> list[str]:
    """Lines in blocks of Rust that are no includes."""
    blocks = RUST_BLOCK.findall(source.read_text(encoding="utf-8"))
    lines = [line for block in blocks for line in block.splitlines() if not INCLUDE.fullmatch(line)]
    return [f"{source.name}: `{line}` is Rust that nothing compiles: include it from a program" for line in lines if line.strip()]


class Page(HTMLParser):
    """What a page offers and what it asks for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.places: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and (name == "id" or (tag == "a" and name == "name")):
                self.places.add(value)
            elif value and name in ("href", "src"):
                self.links.append(value)


def broken_links(path: Path, pages: dict[Path, Page]) -> list[str]:
    broken = []
    for link in pages[path].links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if target.is_dir():
            target /= "index.html"
        if not target.exists():
            broken.append(f"{path.name}: {link} leads nowhere")
        elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].places:
            broken.append(f"{path.name}: {link} names no place on that page")
    return broken


def main() -> int:
    book = Path(sys.argv[1]).resolve()
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(book.rglob("*.html"))}
    pages = {path: Page(text) for path, text in texts.items()}
    # The 404 page is served for any address, so its relative links are not those of a file.
    checked = [path for path in pages if path.name not in ("404.html", "toc.html")]
    faults = [fault for path in checked for fault in broken_links(path, pages)]
    faults += [f"{path.name}: an include was not resolved" for path in checked if "{{#" in texts[path]]
    faults += [f"{path.name}: a block of code is empty" for path in checked if EMPTY_CODE.search(texts[path])]
    faults += [fault for source in sorted(Path("docs/src").rglob("*.md")) for fault in loose_rust(source)]
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    print(f"{len(checked)} pages, {sum(len(pages[path].links) for path in checked)} links, {len(faults)} faults")
    return 1 if faults or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
