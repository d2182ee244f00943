"""The method of the predictions on the machine at hand, where it can be checked: kernels for x86-64 of the same crate, modelled by the same
code and measured by `cke bench gemm`: validate.py LLVM-MCA ASSEMBLY-FOR-X86-64 CKE RESULTS writes RESULTS, a list of machines of which this
one is made again.

For a Zen 4 or a Zen 3 (llvm-mca's znver4, znver3) that does nothing else meanwhile; takes a minute or two. Products of 512³ with packed
weights, one thread, the best of all rounds.
"""

import datetime
import json
import os
import pathlib
import subprocess
import sys

import assembly
import cores
import kernels
import rates
import replay
from instructions import X86_64

SIZE = (512, 512, 512)
DTYPES = {
    "avx512": ["f32", "bf16", "f16", "int8", "int8_channel", "int4", "q8_0", "q4_1", "q4_k", "q5_k", "q6_k"],
    "avx2": ["f32", "bf16", "f16", "int4", "q8_0", "q4_1", "q4_k", "q5_k", "q6_k"],
}
TIMES, ROUNDS, SECONDS = 6, 4, 0.02
# Of f32, what `cke bench gemm` takes for the peak of these processors.
PEAK_FLOPS_PER_CYCLE = 32


def bench(cke, isa, dtype):
    """The best rate of each kernel in GFLOP/s or GOP/s, and the peak beside it."""
    command = [cke, "bench", "gemm", "--packed", "--kernels", "--shapes", "x".join(map(str, SIZE)), "--dtype", dtype]
    command += ["--threads", "1", "--rounds", str(ROUNDS), "--secs", str(SECONDS), "--json"]
    environment = {**os.environ, "CKE_ISA": isa}
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    row = json.loads(output)["rows"][0]
    best = {entry["name"]: entry["rate"]["best"] for entry in row["entries"] if entry["name"] == entry["kernel"]}
    return best, row["peak_gflops"]


def measure(cke, families):
    """The best rates of the kernels of these families, and the clock in GHz."""
    best, peak = {}, 0.0
    for _ in range(TIMES):
        for isa in (isa for isa in DTYPES if isa in families):
            for dtype in DTYPES[isa]:
                found, its_peak = bench(cke, isa, dtype)
                peak = max(peak, its_peak if dtype == "f32" else 0.0)
                for name, rate in found.items():
                    best[name] = max(best.get(name, 0.0), rate)
    return best, peak / PEAK_FLOPS_PER_CYCLE


def compared(code, board, measured):
    """Each kernel that was measured, beside what is predicted of it."""
    for kernel in (kernel for kernel in kernels.X86_64 if kernel.name in measured):
        predicted, rate = replay.product(code, kernel, board, 1, *SIZE).gflops(*SIZE), measured[kernel.name]
        error = round(predicted / rate - 1, 3)
        yield {"kernel": kernel.name, "predicted": round(predicted, 1), "measured": round(rate, 1), "error": error}


def main():
    mca, path, cke = sys.argv[1:4]
    results = pathlib.Path(sys.argv[4])
    facts = json.loads(subprocess.run([cke, "doctor", "--json"], capture_output=True, text=True, check=True).stdout)
    cpu, family = facts["machine"]["cpu"], facts["machine"]["core_family"]
    if family not in cores.HOSTS:
        sys.exit(f"validate: wanted one of {', '.join(cores.HOSTS)}, found {cpu} ({family})")
    core, _ = cores.HOSTS[family]
    measured, ghz = measure(cke, core.families)
    board = cores.host(family, ghz, facts["measured"][0]["read_gb_per_s"])
    machine = {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": f"{cpu} ({core.name})",
        "ghz": round(ghz, 3),
        "llvm_mca_core": core.mca,
        "product": "x".join(map(str, SIZE)),
        "kernels": list(compared(rates.Code(X86_64, assembly.functions(path), mca), board, measured)),
    }
    others = json.loads(results.read_text(encoding="utf-8"))["machines"] if results.exists() else []
    machines = [other for other in others if other["cpu"] != machine["cpu"]] + [machine]
    text = json.dumps({"kind": "arm-model-validation", "machines": machines}, indent=1, ensure_ascii=False)
    results.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
