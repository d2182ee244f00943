"""The method of the predictions on the machine at hand, where it can be checked: kernels for x86-64 of the same crate, modelled by the same
code and measured by `cke bench gemm`. One JSON object: validate.py LLVM-MCA ASSEMBLY-FOR-X86-64 CKE > arm-model-validation.json

For a Zen 4 (llvm-mca's znver4) with AVX-512 that does nothing else meanwhile; takes about a minute. Products of 512³ with packed weights,
one thread, the best of all rounds.
"""

import datetime
import json
import os
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
    "avx2": ["f32", "bf16", "f16", "int4", "q8_0", "q4_k", "q6_k"],
}
TIMES, ROUNDS, SECONDS = 2, 4, 0.02
# Of f32, what `cke bench gemm` takes for the peak.
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


def measure(cke):
    """The best rates of all kernels, and the clock in GHz."""
    best, peak = {}, 0.0
    for _ in range(TIMES):
        for isa, dtypes in DTYPES.items():
            for dtype in dtypes:
                found, its_peak = bench(cke, isa, dtype)
                peak = max(peak, its_peak if dtype == "f32" else 0.0)
                for name, rate in found.items():
                    best[name] = max(best.get(name, 0.0), rate)
    return best, peak / PEAK_FLOPS_PER_CYCLE


def memory_of(cke):
    """GB/s that one thread reads."""
    output = subprocess.run([cke, "doctor", "--json"], capture_output=True, text=True, check=True).stdout
    return json.loads(output)["measured"][0]["read_gb_per_s"]


def main():
    mca, path, cke = sys.argv[1:]
    code = rates.Code(X86_64, assembly.functions(path), mca)
    measured, ghz = measure(cke)
    board = cores.host(ghz, memory_of(cke))
    found = []
    for kernel in kernels.X86_64:
        if kernel.name in measured:
            predicted = replay.product(code, kernel, board, 1, *SIZE).gflops(*SIZE)
            rate = measured[kernel.name]
            found.append(
                {
                    "kernel": kernel.name,
                    "predicted": round(predicted, 1),
                    "measured": round(rate, 1),
                    "error": round(predicted / rate - 1, 3),
                }
            )
    result = {
        "kind": "arm-model-validation",
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": "AMD EPYC (Zen 4)",
        "ghz": round(ghz, 3),
        "llvm_mca_core": board.core.mca,
        "product": "x".join(map(str, SIZE)),
        "kernels": found,
    }
    json.dump(result, sys.stdout, indent=1, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
