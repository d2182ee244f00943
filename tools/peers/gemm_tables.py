"""Results of `cke bench gemm` as a Markdown table."""

import math

import conditions

OWN = "cke"
TITLES = {OWN: "CKE"}


def tables(results):
    """For each number of threads a table of the median rates."""
    counts = dict.fromkeys(row["threads"] for row in results["rows"])
    return "\n".join(line for threads in counts for line in ["", *table(results, threads)])


def table(results, threads):
    names = [entry["name"] for entry in results["contestants"]]
    rows = [row for row in results["rows"] if row["threads"] == threads]
    titles = ["M N K", *(TITLES.get(name, name) for name in names), "of the peak", "÷ best peer"]
    lines = [
        about(results, threads),
        "",
        f"| {' | '.join(titles)} |",
        f"|---|{'---:|' * (len(titles) - 1)}",
    ]
    for row in rows:
        cells = [product(row["product"]), *(cell(entry) for entry in row["entries"]), f"{share(row):.0%}", f"{ratio(row):.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    columns = zip(*([entry["rate"]["median"] for entry in row["entries"]] for row in rows))
    means = [*(number(mean(column)) for column in columns), f"{mean(map(share, rows)):.0%}", f"{mean(map(ratio, rows)):.2f}"]
    return [*lines, f"| geometric mean | {' | '.join(means)} |"]


def about(results, threads):
    """Where and how this was measured, and by which versions."""
    counted = "one thread" if threads == 1 else f"{threads} threads"
    libraries = [version(entry["library"]) for entry in results["contestants"] if entry["library"]]
    return (
        f"{conditions.machine(results)}, {counted}: GFLOP/s in {results['dtype']}, median of {results['rounds']} interleaved rounds of "
        f"{1e3 * results['seconds_per_round']:.0f} ms, with [highest − lowest round, of the median] if that is more than "
        f"{conditions.WIDE:.0%}. {', '.join(libraries)}."
    )


def version(library):
    held_back = f" (which {conditions.MKL_ON_AMD})" if library["name"] == "MKL" else ""
    return f"{library['name']} {library['version']}{held_back}"


def product(shape):
    """Such as `128 3072 768 nt`: the transposes follow the sizes if there are any."""
    transposes = "".join("nt"[shape[name]] for name in ("transpose_a", "transpose_b"))
    return " ".join([*(str(shape[size]) for size in "mnk"), *([transposes] if transposes != "nn" else [])])


def cell(entry):
    """The median, and how far the rounds differ if that is far."""
    rate = entry["rate"]
    spread = f" [{rate['spread']:.0%}]" if rate["spread"] > conditions.WIDE else ""
    return number(rate["median"]) + spread


def share(row):
    """Of the peak."""
    return own(row) / row["peak_gflops"]


def ratio(row):
    """CKE's median by that of the best library."""
    return own(row) / max(entry["rate"]["median"] for entry in row["entries"] if entry["name"] != OWN)


def own(row):
    return next(entry["rate"]["median"] for entry in row["entries"] if entry["name"] == OWN)


def mean(values):
    """The geometric mean."""
    logarithms = [math.log(value) for value in values]
    return math.exp(math.fsum(logarithms) / len(logarithms))


def number(rate):
    return f"{rate:.0f}" if rate >= 100 else f"{rate:.1f}"
