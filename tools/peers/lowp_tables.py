"""The results of lowp.py as Markdown tables."""

import math

import conditions

# Contestants in the files.
OWN, PREPARED, LIBRARY = "cke-packed", "cke-prepared", "onednn"


def tables(results):
    """Layers of many rows, layers of few rows from memory, attention."""
    parts = (("layers", layers), ("cold", cold), ("attention", attention))
    lines = ["", about(results)]
    return "\n".join(lines + [line for part, table in parts if results[part] for line in ["", *table(results[part])]])


def about(results):
    """Where this was measured, and beside what."""
    libraries = [f"{conditions.LIBRARIES.get(name, name)} {version}" for name, version in results["libraries"].items()]
    how = f"median of {results['rounds']} interleaved rounds, geometric mean over the layers, with [lowest–highest layer]"
    return ". ".join([f"{conditions.machine(results)}, one thread: {how}", *libraries]) + "."


def layers(rows):
    """For each format and number of rows what all layers reach."""
    lines = [
        "| layers | rows | of the peak | with rows prepared ahead | preparing rows | oneDNN of the peak | ÷ oneDNN | like with like |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for (dtype, m), some in groups(rows, "dtype", "m"):
        columns = (
            shares([share_of_peak(row, OWN) for row in some]),
            shares([share_of_peak(row, PREPARED) for row in some]),
            shares(of(some, "share_of_rows"), 1),
            shares([share_of_peak(row, LIBRARY) for row in some]),
            ratios([ratio(row, OWN) for row in some]),
            ratios([ratio(row, PREPARED) for row in some]),
        )
        lines.append(f"| {dtype} | {m} | {' | '.join(columns)} |")
    return lines


def cold(rows):
    """For each format what layers of few rows reach of the limit, and the time of 4 rows over that of one."""
    counts = sorted({row["m"] for row in rows})
    heads = " | ".join("1 row" if m == 1 else f"{m} rows" for m in counts)
    lines = [f"| weights from memory, of the limit | {heads} | time of 4 ÷ 1 |", f"|---|{'---:|' * (len(counts) + 1)}"]
    for (dtype,), some in groups(rows, "dtype"):
        cells = [cold_cell([row for row in some if row["m"] == m]) for m in counts]
        lines.append(f"| {dtype} | {' | '.join(cells)} | {ratios(times(some, 4, 1))} |")
    return lines


def cold_cell(rows):
    """The shares of the limit, and how far rounds of one product differ if that is far."""
    spread = max(row["entries"][0]["rate"]["spread"] for row in rows)
    noise = f" (rounds differ by {spread:.0%})" if spread > conditions.WIDE else ""
    return shares([share_of_limit(row) for row in rows]) + noise


def attention(rows):
    """For each size and number of positions the times of both types of keys and values."""
    lines = [
        "| attention | heads | positions | f32, ms | bf16, ms | bf16 ÷ f32 | spread of the rounds |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for (what, heads, key_heads, size, positions), some in groups(
        rows, "attention", "heads", "key_heads", "head_size", "positions"
    ):
        by_type = {row["kv"]: row for row in some}
        times_of_both = " | ".join(f"{1e3 * by_type[kv]['seconds']:.3f}" if kv in by_type else "" for kv in ("f32", "bf16"))
        ratio = by_type.get("bf16", {}).get("of_f32")
        spread = max(row["spread"] for row in some)
        sizes = f"{heads} of {size}" + (f", {key_heads} key heads" if key_heads != heads else "")
        lines.append(f"| {what} | {sizes} | {positions} | {times_of_both} | {ratios([ratio])} | {100 * spread:.0f}% |")
    return lines


def groups(rows, *names):
    """Rows that have the same values of these names together, in their order."""
    found = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in names), []).append(row)
    return found.items()


def of(rows, name):
    return [row[name] for row in rows]


def median(row, name):
    """The rate of a contestant, if it took part."""
    rates = [entry["rate"]["median"] for entry in row["entries"] if entry["name"] == name and "rate" in entry]
    return rates[0] if rates else None


def share_of_peak(row, name):
    rate = median(row, name)
    return rate and rate / row["peak_gflops"]


def ratio(row, name):
    """A rate of ours by that of the library, if both took part."""
    own, library = median(row, name), median(row, LIBRARY)
    return own and library and own / library


def share_of_limit(row):
    """The file has that of the fastest call."""
    rate = row["entries"][0]["rate"]
    return row["share_of_limit"] * rate["median"] / rate["best"]


def times(rows, more, one):
    """For each layer the time of `rows` rows over that of others."""
    rates = {(row["n"], row["k"], row["m"]): median(row, OWN) for row in rows if median(row, OWN)}
    seconds = {key: key[2] / rate for key, rate in rates.items()}
    layers_of_both = [(n, k) for n, k, m in seconds if m == one and (n, k, more) in seconds]
    return [seconds[n, k, more] / seconds[n, k, one] for n, k in layers_of_both]


def shares(values, digits=0):
    return summary(values, lambda value: f"{100 * value:.{digits}f}", "%")


def ratios(values):
    return summary(values, lambda value: f"{value:.2f}", "")


def summary(values, text, unit):
    """The geometric mean, and the range where it is not one number."""
    values = [value for value in values if value is not None]
    if not values:
        return ""
    mean = text(math.exp(math.fsum(math.log(value) for value in values) / len(values)))
    low, high = text(min(values)), text(max(values))
    return f"{mean}{unit}" if low == high else f"{mean}{unit} [{low}–{high}]"
