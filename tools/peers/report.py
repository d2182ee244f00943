"""The results as a file that is committed, and as tables.

    report.py [RESULTS.json]        prints the tables of a file (default: docs/results/models.json)
    report.py DOCUMENT.md …         makes the tables of documents anew

A document has tables of docs/results/NAME.json between the lines `<!-- NAME.json -->` and `<!-- end of NAME.json -->`; behind a colon the first
may name the suites or tables that are wanted. `<!-- processors: NAME -->` stands for a table of processors.py.
"""

import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import gemm_tables
import lowp_tables
import model_tables
import printed_tables
import processors
import start_tables
import workloads

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"

PACKAGES = ("torch", "transformers", "onnx", "onnxruntime", "openvino", "tokenizers", "numpy")


def machine():
    """The processor, the family of its cores if it is known, its number of CPUs, and the system."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    core = core_family(facts)
    return {
        "cpu": facts.get("model name", platform.processor()),
        **({"core_family": core} if core else {}),
        "cpus": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}",
    }


def core_family(facts):
    """AMD's names of its cores, which `model name` leaves out in virtual machines; by the numbers in `/proc/cpuinfo`."""
    if facts.get("vendor_id") != "AuthenticAMD":
        return None
    family, model = int(facts["cpu family"]), int(facts["model"])
    is_zen4 = model in (*range(0x10, 0x20), *range(0x60, 0x80), *range(0xA0, 0xB0))
    return {0x19: "Zen 4" if is_zen4 else "Zen 3", 0x1A: "Zen 5"}.get(family)


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


def header(program, lists, rounds, seconds=None):
    """What all results of a file share; `command` measures the same on another machine, paths are left out."""
    parts = [f"{flag} {','.join(map(str, values))}" for flag, values in lists.items()]
    return {
        "kind": "models",
        "machine": machine(),
        "date": now(),
        "commit": commit(),
        "command": " ".join([f"tools/peers/{program}", *parts, f"--rounds {rounds}", *([] if seconds is None else [f"--seconds {seconds}"])]),
        "rounds": rounds,
        **({} if seconds is None else {"seconds_per_turn": seconds}),
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


# Results of `cke bench gemm` have no kind.
KINDS = {
    "models": model_tables.tables,
    "low-precision": lowp_tables.tables,
    "printed": printed_tables.tables,
    "start": start_tables.tables,
    None: gemm_tables.tables,
}


def tables(results):
    """All tables of a file of results, in Markdown."""
    return KINDS[results.get("kind")](results)


MARKED = re.compile(
    r"^(<!-- (?P<name>[\w.-]+\.json|processors)(?:: (?P<parts>[\w ,.-]+?))? -->\n).*?(^<!-- end of (?P=name) -->$)",
    re.DOTALL | re.MULTILINE,
)


def read(name):
    """The results of a file."""
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def only(results, parts):
    """The suites, or tables, of these names; all without names."""
    if parts:
        wanted = parts.split(", ")
        key, name = {"printed": ("tables", "name"), "start": ("tests", "model")}.get(results.get("kind"), ("tests", "suite"))
        results[key] = [part for part in results[key] if part[name] in wanted]
        missing = set(wanted) - {part[name] for part in results[key]}
        if missing:
            sys.exit(f"error: wanted {', '.join(sorted(missing))} among the results, found none")
    return results


def marked(name, parts):
    """The tables that a mark stands for."""
    return processors.tables(parts, read) if name == "processors" else tables(only(read(name), parts))


def update(document):
    """Makes the tables between the marks of a document anew."""

    def anew(mark):
        return f"{mark[1]}{marked(mark['name'], mark['parts'])}\n\n{mark[4]}"

    text, count = MARKED.subn(anew, document.read_text(encoding="utf-8"))
    if count == 0:
        sys.exit(f"error: {document}: wanted the lines <!-- NAME.json --> and <!-- end of NAME.json -->, found none")
    document.write_text(text, encoding="utf-8")


def main():
    files = [Path(argument) for argument in sys.argv[1:]] or [RESULTS / "models.json"]
    for file in files:
        if file.suffix == ".md":
            update(file)
        else:
            print_tables(json.loads(file.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
