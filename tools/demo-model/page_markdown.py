"""Turns one HTML page written by rustdoc or mdBook into a list of Markdown blocks.

Only the main content is read. Navigation, anchors, version badges, grammar diagrams, tables, footnotes
and hidden example lines are dropped. Paragraphs are unwrapped to one line each; code keeps its layout.
"""

import re
from dataclasses import dataclass
from html.parser import HTMLParser

VOID_TAGS = {"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
DROPPED_TAGS = {
    "button", "form", "nav", "noscript", "rustdoc-toolbar", "script", "style", "svg", "table", "template",
}
DROPPED_CLASSES = {
    "anchor", "blockquote-tag-title", "boring", "buttons", "doc-anchor", "footnote-definition",
    "footnote-reference", "grammar-container", "hideme", "item-info", "item-table", "multi-column", "out-of-band",
    "railroad-production", "rightside", "rule", "rustdoc-breadcrumbs", "since", "src", "stab", "sub-heading",
    "test-arrow", "test-link", "tooltip", "type-contents-toggle",
}
TEXT_BLOCK_TAGS = {"p", "dt", "dd", "figcaption", "summary", "div", "section", "ul", "ol", "li", "blockquote"}
INLINE_MARKS = {"em": "*", "i": "*", "strong": "**", "b": "**", "sup": "^", "sub": "_"}
CLOSED_MARKS = {"em", "i", "strong", "b"}
HEADING_TAGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
LANGUAGE_ALIASES = {name: "rust" for name in ("ignore", "no_run", "rs", "should_panic")}
LANGUAGE_ALIASES |= {name: "console" for name in ("bash", "cmd", "sh", "shell", "terminal")}
LANGUAGE_ALIASES |= {name: "text" for name in ("notrust", "txt")}
ITEM_CLASSES = {"method", "associatedtype", "variant", "structfield", "impl"}
ASCII_PUNCTUATION = str.maketrans({
    "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2026": "...", "\u00a0": " ",
    "\u200b": None, "\ufeff": None,
})


@dataclass
class Block:
    """One piece of a page.

    `kind` is heading, text, code, declaration (of the item a rustdoc page is about), item (the signature of a
    method, variant or field) or zone (where a section of a rustdoc page starts).
    `tag` is the heading level, the language of the code, the id of the zone or the class of the item.
    """

    kind: str
    text: str
    tag: str = ""


@dataclass
class Element:
    tag: str
    classes: set
    dropped: bool


class PageParser(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.blocks = []
        self.title = ""
        self.stack = []
        self.text = []
        self.root = None  # depth of the element that holds the main content
        self.lists = []  # one entry per open list: None for bullets, else the last number used
        self.bullet = None  # marker waiting for the first text of a list item

    def handle_starttag(self, tag, attrs):
        attrs = {name: value or "" for name, value in attrs}
        classes = set(attrs.get("class", "").split())
        if tag == "main" or attrs.get("id") == "main-content" and tag == "section":
            self.root = len(self.stack)
        if tag in VOID_TAGS:
            if tag == "br":
                self.text.append("\n" if self.inside("pre", "code-header") else " ")
            return
        dropped = tag in DROPPED_TAGS or bool(classes & DROPPED_CLASSES) or self.dropping()
        if self.root is not None and not dropped:
            if self.inside("pre", "code-header"):
                self.open_inside_code(tag, classes)
            else:
                self.open_element(tag, attrs, classes)
        self.stack.append(Element(tag, classes, dropped))

    def open_inside_code(self, tag, classes):
        if tag == "code" and self.inside("pre"):
            next(e for e in self.stack if e.tag == "pre").classes.update(classes)  # they name the language
        elif tag == "div":
            self.text.append("\n")  # a where clause

    def open_element(self, tag, attrs, classes):
        if tag in TEXT_BLOCK_TAGS or tag == "pre" or tag in HEADING_TAGS:
            self.end_text()
        if "section-header" in classes:
            self.blocks.append(Block("zone", "", attrs.get("id", "")))
        elif tag in ("ul", "ol"):
            self.lists.append(None if tag == "ul" else int(attrs.get("start") or 1) - 1)
        elif tag == "li":
            self.bullet = self.next_bullet()
        elif tag == "code":
            self.text.append("`")
        elif tag in INLINE_MARKS:
            self.text.append(INLINE_MARKS[tag])

    def next_bullet(self):
        if not self.lists or self.lists[-1] is None:
            return "- "
        self.lists[-1] += 1
        return f"{self.lists[-1]}. "

    def handle_endtag(self, tag):
        if not any(element.tag == tag for element in self.stack):
            return
        while True:
            element = self.stack[-1]
            self.close_element(element)
            self.stack.pop()
            if element.tag == tag:
                break
        if self.root is not None and len(self.stack) <= self.root:
            self.end_text()
            self.root = None

    def close_element(self, element):
        """Called with `element` still on the stack."""
        tag = element.tag
        if element.dropped or self.root is None:
            return
        if "code-header" in element.classes:
            owners = [e.classes & ITEM_CLASSES for e in self.stack if e.classes & ITEM_CLASSES]
            self.blocks.append(Block("item", self.take_raw(), min(owners[-1]) if owners else ""))
        elif tag == "pre":
            self.end_code(element)
        elif self.inside("pre", "code-header"):
            pass
        elif tag == "code":
            self.text.append("`")
        elif tag in CLOSED_MARKS:
            self.text.append(INLINE_MARKS[tag])
        elif tag in HEADING_TAGS:
            self.end_heading(element)
        elif tag in TEXT_BLOCK_TAGS:
            self.end_text()
            if tag in ("ul", "ol") and self.lists:
                self.lists.pop()

    def handle_data(self, data):
        if self.root is None or self.dropping():
            return
        if not self.inside("pre", "code-header"):
            data = re.sub(r"\s+", " ", data)
        self.text.append(data.translate(ASCII_PUNCTUATION))

    def dropping(self):
        return bool(self.stack) and self.stack[-1].dropped

    def inside(self, *names):
        return any(e.tag in names or e.classes & set(names) for e in self.stack[self.root or 0:])

    def take_raw(self):
        text = "".join(self.text)
        self.text = []
        return "\n".join(line.rstrip() for line in text.strip("\n").split("\n")).strip("\n")

    def take_line(self):
        return re.sub(r"\s+", " ", self.take_raw()).strip()

    def end_heading(self, element):
        text = self.take_line()
        if "section-header" in element.classes or not text:
            return
        if element.tag == "h1" and not self.title:
            self.title = text
        self.blocks.append(Block("heading", text, element.tag[1]))

    def end_code(self, element):
        text = self.take_raw()
        named = sorted(name.removeprefix("language-") for name in element.classes if name.startswith("language-"))
        language = named[0].lower() if named else "rust" if "rust" in element.classes else "text"
        if text.strip():
            kind = "declaration" if "item-decl" in element.classes else "code"
            text = self.indent() + text.replace("\n", "\n" + self.indent())
            self.blocks.append(Block(kind, text, LANGUAGE_ALIASES.get(language, language)))

    def end_text(self):
        line = self.take_line()
        if not line:
            return
        prefix = "> " if self.inside("blockquote") else ""
        indent = self.indent()
        if self.bullet:
            indent = "  " * (len(self.lists) - 1)
            prefix += self.bullet
            self.bullet = None
        self.blocks.append(Block("text", indent + prefix + line))

    def indent(self):
        return "  " * len(self.lists)


def parse_page(html):
    """Returns the title of the page and its blocks in order."""
    parser = PageParser()
    parser.feed(html)
    parser.close()
    return parser.title, parser.blocks
