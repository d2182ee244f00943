"""Checks what cke printed on the machines of tools/arm/pmu.sh: check.py FOLDER, with one.log, two.log and none.log in it."""

import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

RUN = re.compile(r"^=== run (\S+) (\d+)\n(.*?)^=== errors\n(.*?)^=== end$", re.MULTILINE | re.DOTALL)
SIZE = 96
# A vector of NEON has four f32.
LANES = 4
# Instructions for one with a multiply-add: loads, loops and the call. More would be counted twice, or another program's.
MOST_OVERHEAD = 3
# The clock of the emulator goes by instructions, but the kernel's are not counted.
MOST_DEVIATION = 0.05
AVAILABLE = "| available         | cycles, instructions"
MISSING = "| not available     | L1 misses, L2 misses, last-level misses, TLB misses, front-end stalls, back-end stalls"
REFUSED = "the kernel does not allow it (kernel.perf_event_paranoid is 3)"
NO_HARDWARE = "this machine shows no hardware counters"

checks = 0


class Run(NamedTuple):
    """A command on a machine."""

    name: str
    output: str
    errors: str


def check(run: Run, what: str, is_right: bool, found: object) -> None:
    """Counts a check, and ends the program if it fails."""
    global checks
    if not is_right:
        sys.exit(f"pmu: {run.name}: wanted {what}, found {found}")
    checks += 1
    print(f"passed: pmu: {run.name}: {what}")


def runs_of(folder: Path, machine: str) -> dict[str, Run]:
    """The commands of a machine by name. Each must have succeeded."""
    log = folder / f"{machine}.log"
    text = log.read_text(encoding="utf-8", errors="replace").replace("\r", "")
    found = {}
    for name, status, output, errors in RUN.findall(text):
        found[name] = Run(f"{machine}, {name}", output, errors)
        if status != "0":
            sys.exit(f"pmu: {machine}, {name}: wanted exit status 0, found {status}: {errors or output}")
    if not found:
        sys.exit(f"pmu: {machine}: wanted the output of commands, found none in {log}")
    return found


def check_text(run: Run, part: str) -> None:
    text = run.output + run.errors
    check(run, f"“{part}”", part in text, text)


def check_counts(run: Run, counting: dict, flops: float, most_overhead: float) -> float:
    """Checks the counts of work with this number of operations, and returns the instructions."""
    counts = counting["counts"]
    check(run, "cycles and instructions, and nothing else", set(counts) == {"cycles", "instructions"}, counts)
    cycles, instructions = counts["cycles"], counts["instructions"]
    least = flops / 2 / LANES
    is_plausible = least <= instructions <= most_overhead * least
    check(run, f"between {least:.0f} and {most_overhead * least:.0f} instructions", is_plausible, f"{instructions:.0f}")
    check(run, "a cycle for each instruction", abs(cycles / instructions - 1) <= MOST_DEVIATION, cycles / instructions)
    print(f"found: {run.name}: {instructions:.0f} instructions, {instructions / least:.2f} for each with a multiply-add; {cycles:.0f} cycles")
    return instructions


def check_product(run: Run) -> float:
    """Checks the counts of one call, and returns the instructions."""
    [row] = json.loads(run.output)["rows"]
    [entry] = row["entries"]
    check(run, "a right product", entry["verdict"]["is"] == "right", entry["verdict"])
    # Threads that wait execute instructions, too.
    most = MOST_OVERHEAD if row["threads"] == 1 else float("inf")
    return check_counts(run, entry["counted"], 2 * SIZE**3, most)


def check_profile(run: Run, most_overhead: float) -> None:
    for phase in json.loads(run.output)["phases"]:
        check_counts(run._replace(name=f"{run.name}, {phase['name']}"), phase["counters"], phase["total"]["flops"], most_overhead)


def check_doctor(run: Run) -> None:
    check_text(run, AVAILABLE)
    check_text(run, MISSING)


def main() -> None:
    folder = Path(sys.argv[1])

    one = runs_of(folder, "one")
    check_doctor(one["doctor"])
    check_product(one["product"])
    check_product(one["product-of-two-threads"])
    # A model does more than multiply.
    check_profile(one["profile"], 2 * MOST_OVERHEAD)
    check_doctor(one["doctor-of-user"])
    check_text(one["doctor-of-refused-user"], REFUSED)
    refused = one["profile-of-refused-user"]
    check_text(refused, f"no hardware counters: {REFUSED}")
    counters = [phase["counters"]["is"] for phase in json.loads(refused.output)["phases"]]
    check(refused, "no counts in JSON", set(counters) == {"unavailable"}, counters)

    two = runs_of(folder, "two")
    check_doctor(two["doctor"])
    first, second = check_product(two["product-on-first"]), check_product(two["product-on-second"])
    is_equal = abs(first / second - 1) <= MOST_DEVIATION
    check(two["product-on-second"], "as many instructions as on the first core", is_equal, f"{first:.0f} and {second:.0f}")
    check_product(two["product-on-both"])
    check_profile(two["profile"], float("inf"))

    none = runs_of(folder, "none")
    check_text(none["doctor"], NO_HARDWARE)
    check_text(none["product"], f"no hardware counters: {NO_HARDWARE}")

    print(f"pmu: {checks} checks passed on three emulated machines")


main()
