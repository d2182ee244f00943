"""Counts the instructions in the inner loops of the 6×64 tiles of a program, of the steps and of the library, as a table.

Reads the disassembly, so the program must be built for x86-64; needs objdump of the binutils.

Usage: python3 tools/book/inner_loops.py target/release/cke-steps
"""

import re
import subprocess
import sys
from collections.abc import Iterator

Instruction = tuple[int, str]
OWNERS = {"run_avx512": "step 4, safe Rust", "outer6avx512": "library"}
# Those of a 6×64 tile with vectors of 16.
MULTIPLY_ADDS, BROADCASTS = 24, 6


def functions(program: str) -> Iterator[tuple[str, list[Instruction]]]:
    """Name and instructions of each function."""
    command = ["objdump", "--disassemble", "--no-show-raw-insn", program]
    name, body = "", []
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        if head := re.match(r"[0-9a-f]+ <(.*)>:", line):
            yield name, body
            name, body = head[1], []
        elif instruction := re.match(r"\s+([0-9a-f]+):\s+(.*)", line):
            body.append((int(instruction[1], 16), instruction[2].strip()))
    yield name, body


def inner_loops(body: list[Instruction]) -> Iterator[list[str]]:
    """The instructions between a jump backwards and its target, where no other loop lies in between."""
    index_of = {address: index for index, (address, _) in enumerate(body)}
    loops = []
    for end, (_, text) in enumerate(body):
        jump = re.match(r"j\w+\s+([0-9a-f]+)", text)
        start = index_of.get(int(jump[1], 16)) if jump else None
        if start is not None and start <= end:
            loops.append((start, end))
    for start, end in loops:
        if not any(other != (start, end) and start <= other[0] and other[1] <= end for other in loops):
            yield [text for _, text in body[start : end + 1]]


def tile_loops(program: str) -> Iterator[tuple[str, list[str]]]:
    for name, body in functions(program):
        owner = next((owner for part, owner in OWNERS.items() if part in name), None)
        for loop in inner_loops(body) if owner else []:
            counts = sum("vfmadd" in text for text in loop), sum("vbroadcastss" in text for text in loop)
            if counts == (MULTIPLY_ADDS, BROADCASTS):
                yield owner, loop


def main() -> None:
    shortest: dict[str, list[str]] = {}
    for owner, loop in tile_loops(sys.argv[1]):
        if owner not in shortest or len(loop) < len(shortest[owner]):
            shortest[owner] = loop
    print("| inner loop of 6×64 | instructions | multiply-adds | compare and jump | instructions a cycle at the peak |")
    print("| :--- | ---: | ---: | ---: | ---: |")
    for owner, loop in sorted(shortest.items(), reverse=True):
        branches = sum(bool(re.match(r"(cmp|test|j)", text)) for text in loop)
        at_peak = len(loop) / (MULTIPLY_ADDS / 2)
        print(f"| {owner} | {len(loop)} | {MULTIPLY_ADDS} | {branches} | {at_peak:.1f} |")


if __name__ == "__main__":
    main()
