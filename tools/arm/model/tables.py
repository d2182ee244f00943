"""The book's tables of the model, from the committed results: tables.py RESULTS DIRECTORY

RESULTS holds arm-model.json, and arm-model-validation.json, arm-model-llama.json and arm-count.json if they were made; the tables go to the
directory, one file each.
"""

import json
import sys
from pathlib import Path

import aims

LABEL = "Modelled, not measured"
CORES = {"cortex-a72": "A72", "neoverse-n1": "N1, A76", "neoverse-n2": "N2", "cortex-a55": "A55"}


def row(cells):
    return "| " + " | ".join(map(str, cells)) + " |\n"


def table(titles, rows):
    """A table of Markdown, the first column of words and the others of numbers."""
    return row(titles) + "|---|" + "---:|" * (len(titles) - 1) + "\n" + "".join(map(row, rows))


def head(result, what):
    return f"{LABEL}: {what}, by {result['llvm_mca']}.\n\n"


def number(value):
    if value >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}" if value >= 1 else f"{value:.2f}"


def verdict(rate, wanted):
    """Reached as far as two digits behind the point tell."""
    return "reached" if rate >= wanted - 0.005 else "**not reached**"


# Ours, theirs, core, and how many times as fast ours is to be.
AGAINST_LLAMA = [("int4", "q4_0", "neoverse-n1", 1.4), ("q4_k", "q4_k", "neoverse-n1", 1.4), ("q8_0", "q8_0", "cortex-a72", 3.0), ("int8", "q8_0", "cortex-a72", 3.0)]


def of_llama(result, llama):
    """Our best kernel of a format beside llama.cpp's loop."""
    rows = []
    for scheme, other, core, wanted in AGAINST_LLAMA:
        rates = (loop["operations_per_cycle"].get(core, 0.0) for loop in result["loops"] if loop["scheme"] == scheme)
        own = max(rates)
        found = next(entry for entry in llama["functions"] if (entry["scheme"], entry["core"]) == (other, core))
        theirs = found["operations_per_cycle"]
        title = "Q4_0" if scheme == "int4" else scheme
        what = f"{title} beside `{found['function']}`, {CORES[core]}"
        rows.append((what, f"{own:.1f}", f"{theirs:.1f}", f"{own / theirs:.2f}", f"{wanted:g}", verdict(own / theirs, wanted)))
    titles = ["loops", "CKE", "llama.cpp", "ratio", "at least", ""]
    return head(result, "operations a cycle beside llama.cpp's loops, compiled by GCC 12 for the same core") + table(titles, rows)


def of_aims(result):
    rows = [
        (f"{title}, {CORES[core]}", f"{wanted:g}", f"{rate:.1f} (`{kernel}`)", verdict(rate, wanted))
        for title, core, wanted, kernel, rate in aims.of_loops(result["loops"])
    ]
    title, size, wanted, rate = aims.of_product(result["boards"])
    rows.append((f"f32 {'×'.join(map(str, size))} on {title}, GFLOP/s", f"{wanted:g}", f"{rate:.1f}", verdict(rate, wanted)))
    low, high = result["share_of_libraries"]
    rows.append((f"the same, {low:.0%}–{high:.0%} of it", "", f"{low * rate:.1f}–{high * rate:.1f}", ""))
    return head(result, "operations a cycle of inner loops, operands in the first cache level") + table(
        ["aim", "at least", "modelled", ""], rows
    )


def of_loops(result):
    rows = []
    for loop in result["loops"]:
        rates = [loop["operations_per_cycle"].get(core) for core in CORES]
        per_multiply_add = loop["instructions_per_multiply_add_of_vectors"]
        rows.append(
            (f"`{loop['kernel']}`", loop["instructions"], f"{per_multiply_add * 16:.2f}", *(f"{x:.1f}" if x else "" for x in rates))
        )
    titles = ["kernel", "instructions", "for 16 multiply-adds", *CORES.values()]
    return head(result, "operations a cycle of the loops of all kernels, scales included") + table(titles, rows)


def of_products(result):
    boards = result["boards"].values()
    sizes = sorted({(entry["scheme"], entry["m"], entry["n"], entry["k"]) for board in boards for entry in board["products"]})
    order = list(dict.fromkeys(entry["scheme"] for board in boards for entry in board["products"]))
    rows = []
    for scheme, m, n, k in sorted(sizes, key=lambda size: (order.index(size[0]), -size[1], size[2:])):
        found = [
            next(e for e in board["products"] if (e["scheme"], e["m"], e["n"], e["k"]) == (scheme, m, n, k)) for board in boards
        ]
        rows.append((f"{scheme} {m}×{n}×{k}", *(number(entry["gflops"]) for entry in found)))
    titles = ["packed weights, GFLOP/s", *(board["title"] for board in boards)]
    return head(result, "products by all cores, their traffic through the caches included") + table(titles, rows)


def of_networks(result):
    boards = list(result["boards"].values())
    low, high = result["share_of_libraries"]
    tests = [(e["title"], e["dtype"], e["tokens"], e["before"]) for e in boards[0]["networks"]]
    rows = []
    for title, dtype, tokens, before in tests:
        cells = []
        for board in boards:
            rate = next(
                e["tokens_per_second"]
                for e in board["networks"]
                if (e["title"], e["dtype"], e["tokens"], e["before"]) == (title, dtype, tokens, before)
            )
            cells.append(f"{number(rate)} ({number(low * rate)}–{number(high * rate)})")
        what = f"after {before} tokens" if before else f"{tokens} at once"
        rows.append((f"{title}, {dtype}, {what}", *cells))
    titles = ["tokens a second", *(board["title"] for board in boards)]
    text = f"passes through models; in brackets the {low:.0%}–{high:.0%} of it that real libraries reach of such models"
    return head(result, text) + table(titles, rows)


def of_boards(result):
    rows = [
        (board["title"], board["core"], f"{board['ghz']:g}", f"{memory['one']:g}", f"{memory['all']:g}", memory["source"])
        for board in result["boards"].values()
        for memory in [board["memory_gb_per_s"]]
    ]
    return table(["board", "core", "GHz", "GB/s of one core", "of all", "from"], rows)


def of_counts(count):
    """Instructions of whole products, ours beside those of other libraries."""
    rows = []
    for product in count["products"]:
        found, blocks = product["counts"], product["m"] * product["n"] * product["k"] / 16
        rates = {library: entry["instructions"] / blocks for library, entry in found.items()}
        own = rates.pop("cke")
        formats = " beside ".join(dict.fromkeys(entry["format"] for entry in found.values()))
        size = "×".join(str(product[side]) for side in "mnk")
        others = (f"{rates[library]:.2f}" if library in rates else "" for library in ("openblas", "llama.cpp"))
        reached = "reached" if own < min(rates.values()) else "**not reached**"
        rows.append((f"{formats} {size}, {product['board']}", f"{own:.2f}", *others, reached))
    line = f"Counted in emulation ({count['emulator']}): instructions for 16 multiply-adds of whole products on one thread.\n\n"
    return line + table(["product", "CKE", "OpenBLAS", "llama.cpp", "fewest by CKE"], rows)


def of_validation(validation):
    """What is predicted of the kernels of each machine, beside what they do."""
    return "\n".join(of_machine(machine) for machine in validation["machines"])


def of_machine(machine):
    rows = [
        (f"`{kernel['kernel']}`", number(kernel["predicted"]), number(kernel["measured"]), f"{kernel['error']:+.0%}")
        for kernel in machine["kernels"]
    ]
    line = (
        f"{machine['cpu']} at {machine['ghz']} GHz, {machine['date']}: {machine['product']}, one thread, packed weights, "
        f"GFLOP/s or GOP/s; predicted by llvm-mca's {machine['llvm_mca_core']}, measured as the best of all rounds.\n\n"
    )
    return line + table(["kernel", "predicted", "measured", "error"], rows)


def read(results, name):
    """A file of results; `None` if that was not run yet."""
    path = results / name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def main():
    results, directory = map(Path, sys.argv[1:])
    result = read(results, "arm-model.json")
    texts = {
        "arm-aims": of_aims(result),
        "arm-loops": of_loops(result),
        "arm-products": of_products(result),
        "arm-networks": of_networks(result),
        "arm-boards": of_boards(result),
    }
    if llama := read(results, "arm-model-llama.json"):
        texts["arm-llama"] = of_llama(result, llama)
    if count := read(results, "arm-count.json"):
        texts["arm-count"] = of_counts(count)
    if validation := read(results, "arm-model-validation.json"):
        texts["arm-validation"] = of_validation(validation)
    for name, text in texts.items():
        path = directory / f"{name}.md"
        path.write_text(text, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
