"""Reads the inner loops of the 6×64 tiles of a program, of the steps and of the library, from its machine code: counts their instructions
as a table, or prints one loop.

The program must be built for x86-64 (any CPU will do, nothing is run); needs objdump of the binutils.

Usage: python3 tools/book/inner_loops.py target/release/cke-steps [--show step|solution|library]
"""

import argparse
import re
import subprocess
from collections.abc import Iterator

Instruction = tuple[int, str]
# Functions that hold such loops: those of the book's steps and their exercises, and the library's microkernels.
STEPS, LIBRARY = "simd::dispatch::run_avx512", "simd::avx512::run_body"
NAMES = {"step": "step 8, safe Rust", "solution": "solution of the exercise, safe Rust", "library": "library"}
# Those of a 6×64 tile with vectors of 16.
MULTIPLY_ADDS, BROADCASTS = 24, 6
BRANCH = re.compile(r"(cmp|test|j)")


def functions(program: str) -> Iterator[tuple[str, list[Instruction]]]:
    """Name and instructions of each function."""
    command = ["objdump", "--disassemble", "--demangle", "-M", "intel", "--no-show-raw-insn", program]
    name, body = "", []
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        if head := re.match(r"[0-9a-f]+ <(.*)>:", line):
            yield name, body
            name, body = head[1], []
        elif instruction := re.match(r"\s+([0-9a-f]+):\s+(.*)", line):
            body.append((int(instruction[1], 16), instruction[2].strip()))
    yield name, body


def inner_loops(body: list[Instruction]) -> Iterator[list[str]]:
    """The instructions between a jump backwards and its target, if there is no other loop in between."""
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


def branches(loop: list[str]) -> int:
    return sum(bool(BRANCH.match(text)) for text in loop)


def owner(function: str, loop: list[str]) -> str | None:
    if LIBRARY in function:
        return "library"
    if STEPS not in function:
        return None
    # A loop has one compare and one jump; checks of lengths have more.
    return "step" if branches(loop) > 2 else "solution"


def tile_loops(program: str) -> dict[str, list[str]]:
    """The shortest loop of each owner."""
    shortest: dict[str, list[str]] = {}
    for function, body in functions(program):
        if STEPS not in function and LIBRARY not in function:
            continue
        for loop in inner_loops(body):
            counts = sum("vfmadd" in text for text in loop), sum("vbroadcastss" in text for text in loop)
            name = owner(function, loop)
            if name and counts == (MULTIPLY_ADDS, BROADCASTS) and len(loop) <= len(shortest.get(name, loop)):
                shortest[name] = loop
    return shortest


def print_table(loops: dict[str, list[str]]) -> None:
    print("| inner loop of 6×64 | instructions | multiply-adds | compare and jump | instructions a cycle at the peak |")
    print("| :--- | ---: | ---: | ---: | ---: |")
    for name, shown in NAMES.items():
        if loop := loops.get(name):
            at_peak = len(loop) / (MULTIPLY_ADDS / 2)
            print(f"| {shown} | {len(loop)} | {MULTIPLY_ADDS} | {branches(loop)} | {at_peak:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description="The inner loops of 6×64 tiles, from machine code.")
    parser.add_argument("program")
    parser.add_argument("--show", choices=NAMES, help="print this loop instead of the table")
    arguments = parser.parse_args()
    loops = tile_loops(arguments.program)
    if not arguments.show:
        print_table(loops)
    elif loop := loops.get(arguments.show):
        for number, text in enumerate(loop, 1):
            # Without the name of the function that a jump stays in.
            print(f"{number:2}  {text.partition(' <')[0]}")
    else:
        parser.error(f"no loop of the {arguments.show} with {MULTIPLY_ADDS} multiply-adds in {arguments.program}")


if __name__ == "__main__":
    main()
