"""Functions of an assembly file by their Rust names, and the loops in them.

A loop is what lies between a label and the last branch back to it. Compilers put what a loop runs through between the two, so loops lie
inside of each other as intervals do.
"""

import re
import subprocess
from dataclasses import dataclass, field

LABEL = re.compile(r"(\.L\w+):")
BRANCH = re.compile(r"\t(?:b|b\.\w+|cbn?z|tbn?z|j\w+)\t(?:.*[ ,])?(\.L\w+)$")
INSTRUCTION = re.compile(r"\t[a-z]")
COMMENT = re.compile(r"\s*(?://|#[A-Z# ]).*")


@dataclass
class Loop:
    """A loop: its instructions, among them the loops inside, in the order of the file; without the branch back."""

    start: int
    end: int
    body: list = field(default_factory=list)

    def instructions(self):
        """All of its instructions, each once."""
        for part in self.body:
            if isinstance(part, Loop):
                yield from part.instructions()
            else:
                yield part

    def inner(self):
        """The loops inside, the outer before the inner."""
        for part in self.body:
            if isinstance(part, Loop):
                yield part
                yield from part.inner()


def functions(path, demangler="llvm-cxxfilt-19"):
    """The lines of each function of Rust by its name, such as `krate::module::name::<f32, 8>`."""
    found, lines = {}, None
    with open(path, encoding="utf-8") as file:
        for line in file:
            line = line.rstrip("\n")
            if match := re.match(r"(_R\S+):", line):
                lines = found.setdefault(match[1], [])
            elif line.startswith(".Lfunc_end"):
                lines = None
            elif lines is not None:
                lines.append(line)
    names = subprocess.run([demangler], input="\n".join(found), capture_output=True, text=True, check=True).stdout
    return dict(zip(names.split("\n"), found.values()))


def disassembled(program, name, objdump="aarch64-linux-gnu-objdump"):
    """The lines of a function of an object file as a compiler would write them, with a label wherever a branch goes."""
    command = [objdump, "--disassemble=" + name, "--no-show-raw-insn", program]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = [match.groups() for line in text.split("\n") if (match := re.match(r"\s+([0-9a-f]+):\t(\S+)\s*(.*)", line))]
    target = re.compile(r"\b([0-9a-f]+) <[^>]*>")
    targets = {match[1] for _, _, operands in found if (match := target.search(operands))}
    lines = []
    for address, mnemonic, operands in found:
        if address in targets:
            lines.append(f".L{address}:")
        operands = target.sub(r".L\1", operands)
        lines.append(f"\t{mnemonic}\t{operands}")
    return lines


def loops(lines):
    """The outermost loops of a function, the others inside of them."""
    lines = [COMMENT.sub("", line) for line in lines]
    labels = {match[1]: index for index, line in enumerate(lines) if (match := LABEL.match(line))}
    ends = {}
    for index, line in enumerate(lines):
        branch = BRANCH.match(line)
        if branch and labels.get(branch[1], index) < index:
            ends[labels[branch[1]]] = index
    found = nest([Loop(start, end) for start, end in sorted(ends.items(), key=lambda ends: (ends[0], -ends[1]))])
    for loop in found:
        fill(loop, lines)
    return found


def nest(intervals):
    """The outermost of some loops, sorted by their starts, with the others as parts. What overlaps an earlier one and goes on after it
    makes that one longer."""
    outermost = []
    for loop in intervals:
        holder, level = None, outermost
        while level and level[-1].end > loop.start:
            holder = level[-1]
            holder.end = max(holder.end, loop.end)
            level = holder.body
        level.append(loop)
    return outermost


def fill(loop, lines):
    """Puts the instructions between the loops inside, down to the innermost."""
    inside, body, index = loop.body, [], loop.start + 1
    for inner in inside:
        body += filter(INSTRUCTION.match, lines[index : inner.start])
        fill(inner, lines)
        body.append(inner)
        index = inner.end + 1
    loop.body = body + list(filter(INSTRUCTION.match, lines[index : loop.end]))
