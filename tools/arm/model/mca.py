"""Cycles of a run of instructions by llvm-mca: operands in the first cache level, branches foreseen."""

import functools
import re
import subprocess

# Instructions of a measurement, and the smallest number of runs.
LENGTH = 6000
LEAST_RUNS = 8


def cycles(program, machine, core, instructions):
    """Cycles of one run among many, one after the other: what twice as many take longer."""
    text = "\n".join(instructions) + "\n"
    runs = max(LENGTH // len(instructions), LEAST_RUNS)
    once, twice = (_total(program, machine.flags, core, text, runs * times) for times in (1, 2))
    return (twice - once) / runs


@functools.lru_cache(maxsize=None)
def _total(program, flags, core, text, runs):
    command = [program, *flags, f"-mcpu={core}", f"-iterations={runs}", "-instruction-info=0", "-resource-pressure=0"]
    result = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    found = re.search(r"Total Cycles:\s+(\d+)", result.stdout)
    if result.returncode != 0 or not found:
        raise RuntimeError(f"{' '.join(command)}: wanted cycles, found: {result.stderr.strip()[:400]}")
    return int(found[1])
