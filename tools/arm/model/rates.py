"""Cycles of a kernel's loop for a step of K: the loop cut out of the machine code, written out as it runs, and given to llvm-mca.

Forms of loops:
- outer: the innermost loop that multiplies is all there is.
- groups: the loop that multiplies a group and scales its sums, with the loops inside as often as they run.
- whole: the loop over the groups of a row, which multiplies and scales nothing.
"""

import functools
from dataclasses import dataclass

import assembly
import mca
from instructions import counted_trips


class NoLoop(Exception):
    """A kernel without the loop that its form has."""


@dataclass(frozen=True)
class Steady:
    """What a kernel's loop does once and again."""

    instructions: tuple
    operations: int


class Code:
    """The functions of the kernels of one instruction set, as the compiler made them."""

    def __init__(self, machine, functions, program):
        self.machine, self.functions, self.program = machine, functions, program
        self.steady = functools.cache(self._steady_of)
        self.cycles_per_step = functools.cache(self._cycles_per_step)

    def _steady_of(self, kernel, rows, vectors):
        """The loop of a kernel for a tile of `rows` and `vectors`."""
        name = kernel.function_of(rows, vectors)
        if name not in self.functions:
            raise NoLoop(f"{kernel.name}: wanted the function {name}, found none")
        return _steady(self.machine, kernel, assembly.loops(self.functions[name]))

    def _cycles_per_step(self, kernel, core, rows, vectors):
        """Cycles of one step of K for a whole tile of that size."""
        steady = self.steady(kernel, rows, vectors)
        cols = vectors * kernel.lanes
        steps = steady.operations / (2 * kernel.computed_rows(rows) * cols)
        return mca.cycles(self.program, self.machine, core, steady.instructions) / steps


def _steady(machine, kernel, outermost):
    multiplying = [path for path in _paths(outermost) if _multiplies(machine, kernel, path[-1])]
    if not multiplying:
        raise NoLoop(f"{kernel.name}: wanted a loop that multiplies, found none")
    if kernel.form == "outer":
        candidates = [path[-1] for path in multiplying]
    else:
        candidates = [loop for loop in (_around(machine, kernel, path) for path in multiplying) if loop]
    made = [_written_out(machine, kernel, loop) for loop in candidates]
    if not made:
        raise NoLoop(f"{kernel.name}: wanted a loop that multiplies and scales a group, found none")
    # The largest share of multiplications: other loops prefetch or copy beside, or are for the rest of a sum.
    largest = max(steady.operations for steady in made)
    return max(
        (steady for steady in made if 2 * steady.operations > largest),
        key=lambda steady: steady.operations / len(steady.instructions),
    )


def _paths(loops, outside=()):
    """All loops, each behind those that it lies in."""
    for loop in loops:
        path = (*outside, loop)
        yield path
        yield from _paths([part for part in loop.body if isinstance(part, assembly.Loop)], path)


def _multiplies(machine, kernel, loop):
    own = [part for part in loop.body if not isinstance(part, assembly.Loop)]
    return machine.operations(kernel.form, own) > 0


def _around(machine, kernel, path):
    """The innermost loop of a path that does all that a group takes."""
    if kernel.form == "whole":
        return path[-1]
    for loop in reversed(path):
        lines = list(loop.instructions())
        if machine.operations(kernel.form, lines) and any(machine.conversion.search(line) for line in lines):
            return loop
    return None


def _written_out(machine, kernel, loop):
    lines = machine.straight(_run(machine, kernel, loop))
    return Steady(tuple(lines), machine.operations(kernel.form, lines))


def _run(machine, kernel, loop):
    """The instructions of one run through a loop, those of loops inside as often as they run."""
    lines = []
    for part in loop.body:
        if isinstance(part, assembly.Loop):
            lines += _run(machine, kernel, part) * _trips(machine, kernel, part)
        else:
            lines.append(part)
    return lines


def _trips(machine, kernel, loop):
    """How often a loop inside runs: as it counts, or for the words of a group."""
    own = [part for part in loop.body if not isinstance(part, assembly.Loop)]
    counted = counted_trips(own)
    if counted is None and machine.operations(kernel.form, own):
        return kernel.group // kernel.depth
    return counted or 1
