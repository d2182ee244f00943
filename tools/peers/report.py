"""The results as a file that is committed, and as tables.

    report.py [RESULTS.json]        prints the tables of a file (default: docs/results/models.json)
    report.py DOCUMENT.md …         makes the tables of documents anew

A document has tables of docs/results/NAME.json between the lines `<!-- NAME.json -->` and `<!-- end of NAME.json -->`; behind a colon the first
may name the suites that are wanted.
"""

import importlib.metadata
import json
import os
import platform
import re
import statistics
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import lowp_tables
import workloads

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"

# Rounds that differ by more than this share of their median are shown.
WIDE = 0.1

PACKAGES = ("torch", "transformers", "onnx", "onnxruntime", "openvino", "tokenizers", "numpy")


def machine():
    """The processor, its number of CPUs, and the system."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return {"cpu": model, "cpus": len(os.sched_getaffinity(0)), "system": f"{platform.system()} {platform.release()}"}


def now():
    """Such as `2025-03-31 17:05 UTC`."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def commit():
    """The commit that this tree is at, with a mark where it was changed since."""
    describe = ["git", "-C", Path(__file__).parent, "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(describe, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def packages():
    """The versions of the packages that are installed."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def header(program, lists, rounds, seconds):
    """What all results of a file share; `command` measures the same on another machine, paths are left out."""
    parts = [f"{flag} {','.join(map(str, values))}" for flag, values in lists.items()]
    return {
        "kind": "models",
        "machine": machine(),
        "date": now(),
        "commit": commit(),
        "command": " ".join([f"tools/peers/{program}", *parts, f"--rounds {rounds} --seconds {seconds}"]),
        "rounds": rounds,
        "seconds_per_turn": seconds,
    }


def contestants(versions):
    """Everyone's name, title and version, in the order of the charts' colours."""
    return [{"name": name, "title": title, "version": versions.get(name, "")} for name, title in workloads.TITLES.items()]


def write(results, file):
    """Writes them in a form that shows changes line by line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def print_tables(results):
    """All tables, on standard output."""
    print(tables(results))


def tables(results):
    """All tables of a file of results, in Markdown."""
    return lowp_tables.tables(results) if results["kind"] == "low-precision" else tables_of_models(results)


def tables_of_models(results):
    """A table for each suite: median rates, how many times as fast CKE is, and its share of the limit."""
    lines = []
    for suite in dict.fromkeys(test["suite"] for test in results["tests"]):
        tests = [test for test in results["tests"] if test["suite"] == suite]
        names = [name for name in workloads.ALL if any(entry_of(test, name) for test in tests)]
        titles = " | ".join(workloads.TITLES[name] for name in names)
        what = f"{tests[0]['title']}, {tests[0]['unit']}"
        lines += ["", f"| {what} | threads | {titles} | CKE of the limit |", f"|---|---:|{'---:|' * len(names)}---:|"]
        for test in tests:
            cells = " | ".join(cell(test, name, tests) for name in names)
            lines.append(f"| {test['label']} | {test['threads']} | {cells} | {share_of_limit(test)} |")
    return "\n".join(lines)


def in_f32(test, tests):
    """CKE's entry of the same test in f32, if this is one of another dtype."""
    if test.get("dtype", "f32") == "f32":
        return None
    same = (other for other in tests if (other["dtype"], other["threads"]) == ("f32", test["threads"]))
    return entry_of(next(same, {"entries": []}), workloads.CKE)


MARKED = re.compile(r"(<!-- (?P<name>[\w.-]+\.json)(?:: (?P<suites>[\w ,.-]+?))? -->\n).*?(\n<!-- end of (?P=name) -->)", re.DOTALL)


def update(document):
    """Makes the tables between the marks of a document anew."""

    def anew(mark):
        results = json.loads((RESULTS / mark["name"]).read_text(encoding="utf-8"))
        if mark["suites"]:
            wanted = mark["suites"].split(", ")
            results["tests"] = [test for test in results["tests"] if test["suite"] in wanted]
        return mark[1] + tables(results) + "\n" + mark[4]

    text, count = MARKED.subn(anew, document.read_text(encoding="utf-8"))
    if count == 0:
        sys.exit(f"error: {document}: wanted the lines <!-- NAME.json --> and <!-- end of NAME.json -->, found none")
    document.write_text(text, encoding="utf-8")


def entry_of(test, name):
    """A contestant's entry of a test, if any."""
    return next((entry for entry in test["entries"] if entry["contestant"] == name), None)


def cell(test, name, tests):
    """A contestant's median rate, the range of its rounds where it is wide, and how many times as fast CKE is; of CKE, as it is in f32."""
    entry, own = entry_of(test, name), entry_of(test, workloads.CKE)
    if not entry:
        return ""
    parts = [number(entry["median"])]
    low, high = min(entry["rounds"]), max(entry["rounds"])
    if high - low > WIDE * entry["median"]:
        parts.append(f"[{number(low)}–{number(high)}]")
    if own and name != workloads.CKE:
        parts.append(f"({own['median'] / entry['median']:.2f} ×)")
    plain = in_f32(test, tests) if name == workloads.CKE else None
    if plain:
        parts.append(f"({entry['median'] / plain['median']:.2f} × f32)")
    return " ".join(parts)


def number(rate):
    """A rate, rounded."""
    return f"{rate:.0f}" if rate >= 200 else f"{rate:.1f}"


def share_of_limit(test):
    """The median of CKE's shares of the limit, round by round."""
    own = entry_of(test, workloads.CKE)
    if not own or not test["limits"]:
        return ""
    return f"{100 * statistics.median(rate / limit for rate, limit in zip(own['rounds'], test['limits'])):.0f}%"


def main():
    files = [Path(argument) for argument in sys.argv[1:]] or [RESULTS / "models.json"]
    for file in files:
        if file.suffix == ".md":
            update(file)
        else:
            print_tables(json.loads(file.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
