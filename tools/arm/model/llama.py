"""The loops of llama.cpp through the same tools: llama.py LLVM-MCA LLAMA-SOURCE > arm-model-llama.json

LLAMA-SOURCE is a checkout of llama.cpp. Its files for 64-bit ARM are compiled by the cross compiler of tools/arm/setup.sh, for a Cortex-A72 and
for a Cortex-A76; of each function the loop is taken that does most operations a cycle, which favours it: what surrounds that loop is left out.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import assembly
import cores
import mca
from instructions import AARCH64

FLAGS = ["-O3", "-DNDEBUG", "-D_GNU_SOURCE", "-fno-finite-math-only", "-DGGML_CPU_REPACK", "-DGGML_USE_CPU_REPACK"]
A72 = (cores.A72, ["-march=armv8-a", "-mtune=cortex-a72"])
A76 = (cores.N1, ["-march=armv8.2-a+dotprod+fp16", "-mtune=cortex-a76"])
# Format, function, file below ggml-cpu/arch/arm, core: what llama.cpp takes there for a prompt.
FUNCTIONS = [
    ("q8_0", "ggml_vec_dot_q8_0_q8_0", "quants.c", A72),
    ("q4_0", "ggml_vec_dot_q4_0_q8_0", "quants.c", A72),
    ("q8_0", "ggml_gemm_q8_0_4x4_q8_0", "repack.cpp", A76),
    ("q4_0", "ggml_gemm_q4_0_4x4_q8_0", "repack.cpp", A76),
    ("q4_k", "ggml_gemm_q4_K_8x4_q8_K", "repack.cpp", A76),
]


def best_loop(program, core, path, name):
    """Most operations a cycle of a loop with all inside of it, each once."""
    rates = [0.0]
    outermost = assembly.loops(assembly.disassembled(path, name))
    for loop in outermost + [inner for loop in outermost for inner in loop.inner()]:
        lines = AARCH64.straight(loop.instructions())
        if operations := AARCH64.operations("groups", lines):
            rates.append(operations / mca.cycles(program, AARCH64, core, tuple(lines)))
    return max(rates)


def main():
    program, source = sys.argv[1:]
    folder = Path(source) / "ggml/src/ggml-cpu"
    found = []
    with tempfile.TemporaryDirectory() as work:
        for scheme, name, file, (core, flags) in FUNCTIONS:
            compiler = "aarch64-linux-gnu-" + ("gcc" if file.endswith(".c") else "g++")
            path = f"{work}/{name}.o"
            include = [f"-I{folder}", f"-I{folder.parent}", f"-I{folder.parent.parent}/include"]
            subprocess.run([compiler, "-c", *FLAGS, *flags, *include, str(folder / "arch/arm" / file), "-o", path], check=True)
            rate = best_loop(program, core.mca, path, name)
            found.append({"scheme": scheme, "function": name, "core": core.mca, "operations_per_cycle": round(rate, 2)})
    json.dump({"kind": "arm-model-llama", "note": "modelled, not measured", "functions": found}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
