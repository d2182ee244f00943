"""Results of gguf_start.py as Markdown tables: time to the first token, and peak of memory."""

import statistics

import conditions
import workloads

MIB = 1 << 20
# What a contestant reads.
FILE, PACKED = "GGUF file", "packed file"


def tables(results):
    how = f"{conditions.median_of(results['rounds'], 'run')}; (how many times as long as CKE takes with a packed file)"
    lines = ["", f"{conditions.machine(results)}. {how}."]
    lines += ["", *table(results["tests"], "first token after, ms", duration)]
    return "\n".join([*lines, "", *table(results["tests"], "peak of memory, MiB", memory)])


def table(tests, what, cell):
    """A row for each test; `cell` writes an entry."""
    columns = [(entry["contestant"], entry["from"]) for entry in tests[0]["entries"]]
    titles = [what, "threads", *(f"{workloads.TITLES[name]}, {kind}" for name, kind in columns)]
    lines = [f"| {' | '.join(titles)} |", f"|---|{'---:|' * (len(titles) - 1)}"]
    for test in tests:
        cells = [cell(entry, test) for entry in test["entries"]]
        lines.append(f"| {test['model']}, {test['format']} | {test['threads']} | {' | '.join(cells)} |")
    return lines


def duration(entry, test):
    """The median, and how many times as long as CKE's with a packed file it is."""
    text = conditions.median_and_range(entry["seconds"], lambda seconds: f"{1000 * seconds:.0f}")
    own = test["entries"][0]
    if entry is own:
        return text
    return f"{text} ({statistics.median(entry['seconds']) / statistics.median(own['seconds']):.1f} ×)"


def memory(entry, test):
    """The median, and how many times the file that was read it is."""
    peak = statistics.median(entry["peak_bytes"])
    file = test["packed_bytes" if entry["from"] == PACKED else "file_bytes"]
    return f"{peak / MIB:.0f} ({peak / file:.2f} × the file)"
