"""Results of peers.py and gguf_speed.py as Markdown tables."""

import statistics

import conditions
import workloads


def tables(results):
    """A table for each suite: median rates, how many times as fast CKE is, and its share of the limit."""
    lines = ["", conditions.of_models(results)]
    for suite in dict.fromkeys(test["suite"] for test in results["tests"]):
        tests = [test for test in results["tests"] if test["suite"] == suite]
        names = taking_part(tests)
        what = f"{tests[0]['title']}, {tests[0]['unit']}"
        lines += ["", *head([what, "threads"], names)]
        for test in tests:
            lines.append(f"| {test['label']} | {test['threads']} | {cells(test, names, tests)} |")
    return "\n".join(lines)


def taking_part(tests):
    """The contestants that any of these tests has, in the order of the charts' colours."""
    return [name for name in workloads.ALL if any(entry_of(test, name) for test in tests)]


def head(columns, names):
    """The first two lines of a table with these columns, a rate of each contestant, and the share of the limit."""
    titles = [*columns, *(workloads.TITLES[name] for name in names), "CKE of the limit"]
    return [f"| {' | '.join(titles)} |", f"|---|{'---:|' * (len(titles) - 1)}"]


def cells(test, names, tests):
    """What `head` announces for a test; CKE is compared with f32 if `tests` has that."""
    return " | ".join([*(cell(test, name, tests) for name in names), share_of_limit(test)])


def in_f32(test, tests):
    """CKE's entry of the same test in f32, if this is one of another dtype."""
    if test.get("dtype", "f32") == "f32":
        return None
    same = (other for other in tests if (other["dtype"], other["threads"]) == ("f32", test["threads"]))
    return entry_of(next(same, {"entries": []}), workloads.CKE)


def entry_of(test, name):
    """A contestant's entry of a test, if any."""
    return next((entry for entry in test["entries"] if entry["contestant"] == name), None)


def cell(test, name, tests):
    """A contestant's median rate, the range of its rounds if it is wide, and how many times as fast CKE is; of CKE, as it is in f32."""
    entry, own = entry_of(test, name), entry_of(test, workloads.CKE)
    if not entry:
        return ""
    parts = [conditions.median_and_range(entry["rounds"], number)]
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
