"""Results of gguf_start.py as Markdown tables: time to the first token, and peak of memory."""

import statistics

import conditions
import workloads

MIB = 1 << 20


def tables(results):
    median = f"Median of {results['rounds']} interleaved runs, with [the range] if it is wider than {conditions.WIDE:.0%}"
    how = f"{median if results['rounds'] > 1 else 'One run'}; (how many times as long as CKE takes with a packed file)"
    lines = ["", f"{conditions.machine(results)}. {how}."]
    lines += ["", *table(results["tests"], "first token after, ms", duration)]
    return "\n".join([*lines, "", *table(results["tests"], "peak of memory, MiB", memory)])


def table(tests, what, cell):
    """A row for each test; `cell` says how an entry is shown beside the first one."""
    columns = [(entry["contestant"], entry["from"]) for entry in tests[0]["entries"]]
    titles = [what, "threads", *(f"{workloads.TITLES[name]}, {kind}" for name, kind in columns)]
    lines = [f"| {' | '.join(titles)} |", f"|---|{'---:|' * (len(titles) - 1)}"]
    for test in tests:
        cells = [cell(entry, test) for entry in test["entries"]]
        lines.append(f"| {test['model']}, {test['format']} | {test['threads']} | {' | '.join(cells)} |")
    return lines


def duration(entry, test):
    """The median, and how many times as long as CKE's with a packed file it is."""
    times, own = ([1000 * seconds for seconds in one["seconds"]] for one in (entry, test["entries"][0]))
    median = statistics.median(times)
    wide = f" [{min(times):.0f}–{max(times):.0f}]" if max(times) - min(times) > conditions.WIDE * median else ""
    times_as_long = f" ({median / statistics.median(own):.1f} ×)" if entry is not test["entries"][0] else ""
    return f"{median:.0f}{wide}{times_as_long}"


def memory(entry, test):
    """The median, and how many times the file that was read it is."""
    peak = statistics.median(entry["peak_bytes"])
    return f"{peak / MIB:.0f} ({peak / test['packed_bytes' if entry['from'] == 'packed file' else 'file_bytes']:.2f} × the file)"
