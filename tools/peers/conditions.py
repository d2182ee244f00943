"""The line above a table: on which machine and when it was measured, how to read it, and what holds a peer back there."""

import statistics

import workloads

# Rounds that differ by more than this share of their median are shown.
WIDE = 0.1

LIBRARIES = {"onednn": "oneDNN"}
MKL_ON_AMD = "takes its AVX2 path on AMD processors"


def machine(results):
    """Such as `AMD EPYC (Zen 5), 2 CPUs, 2026-11-22`; of results of tools/peers or of `cke bench gemm`."""
    found = results.get("machine", results)
    cpus = [f"{found['cpus']} CPUs"] if "cpus" in found else []
    return ", ".join([processor(found), *cpus, results["date"].split()[0]])


def processor(found):
    """The processor with the family of its cores, which its name may leave open."""
    return f"{found['cpu']} ({found['core_family']})" if found.get("core_family") else found["cpu"]


def median_of(count, what):
    """How often was measured, and how a cell says so."""
    return f"Median of {count} interleaved {what}s, with [the range] if it is wider than {WIDE:.0%}" if count > 1 else f"One {what}"


def median_and_range(values, number):
    """The median, and the range if it is wide; `number` writes a value."""
    median, low, high = statistics.median(values), min(values), max(values)
    return number(median) + (f" [{number(low)}–{number(high)}]" if high - low > WIDE * median else "")


def of_models(results):
    """Of the tables of models."""
    tests = results["tests"]
    others = {entry["contestant"] for test in tests for entry in test["entries"]} - {workloads.CKE}
    parts = [f"{machine(results)}. {median_of(results['rounds'], 'round')}"]
    if others:
        parts[0] += "; (how many times as fast CKE is)"
    return ". ".join(parts + held_back(tests)) + "."


def held_back(tests):
    """What a reader must know about the rates of peers in these tests."""
    in_f32 = [test for test in tests if "f32" in (test["label"], test["title"].rsplit(", ", 1)[-1])]
    names = {entry["contestant"] for test in in_f32 for entry in test["entries"]}
    notes = {
        workloads.PYTORCH: f"In f32, PyTorch computes with MKL, which {MKL_ON_AMD}",
        workloads.LLAMA: "llama.cpp is made for quantised weights; in f32 it is rarely used",
    }
    return [note for name, note in notes.items() if name in names]
