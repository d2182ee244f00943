"""Predictions for boards as one JSON object: predict.py LLVM-MCA ASSEMBLY-FOR-ARM > arm-model.json

The assembly is that of cke-kernels for 64-bit ARM with v0 names (tools/arm/model.sh makes it). Nothing here was measured.
"""

import json
import subprocess
import sys

import assembly
import cores
import kernels
import networks
import rates
from instructions import AARCH64

LOOP_CORES = [cores.A72, cores.N1, cores.N2, cores.A55]
SQUARES = [(256, 256, 256), (512, 512, 512), (1024, 1024, 1024)]
# Schemes of products; those of blocks in files beside.
SCHEMES = ["f32", "f64", "bf16", "int8", "int8_channel", "int4", "q4_1", "q8_0", "q4_k", "q6_k"]
# Real libraries reach this share of such figures with whole products.
SHARE_OF_LIBRARIES = [0.72, 0.80]


def loops(code):
    """Operations a cycle of every kernel on every core that can run it."""
    for kernel in kernels.AARCH64:
        vectors = kernel.cols // kernel.lanes
        steady = code.steady(kernel, kernel.rows, vectors)
        operations = 2 * kernel.rows * kernel.cols
        per_cycle = {
            core.mca: operations / code.cycles_per_step(kernel, core.mca, kernel.rows, vectors)
            for core in LOOP_CORES
            if kernel.family in core.families
        }
        yield {
            "kernel": kernel.name,
            "scheme": kernel.scheme,
            "instructions": len(steady.instructions),
            "operations": steady.operations,
            "instructions_per_multiply_add_of_vectors": len(steady.instructions) / (steady.operations / 2),
            "operations_per_cycle": {core: round(rate, 2) for core, rate in per_cycle.items()},
        }


def products(passes):
    for scheme in SCHEMES:
        for m, n, k in SQUARES + [(128, 3072, 768), (1, 3072, 768)]:
            outcome = passes.product(scheme, m, n, k)
            yield {
                "scheme": scheme, "m": m, "n": n, "k": k, "kernel": outcome.kernel,
                "gflops": round(outcome.gflops(m, n, k), 2),
                "share_of_arithmetic": round(outcome.arithmetic / outcome.seconds, 3),
                "memory_bytes": round(outcome.memory_bytes),
            }  # fmt: skip


def passes_of(passes):
    for name, tokens, before, dtypes in networks.TESTS:
        for dtype in dtypes:
            seconds = passes.seconds(name, dtype, tokens, before)
            yield {
                "network": name, "title": networks.NETWORKS[name].title, "dtype": dtype, "tokens": tokens,
                "before": before, "seconds": round(seconds, 6), "tokens_per_second": round(tokens / seconds, 2),
            }  # fmt: skip


def version(program):
    text = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return next(line.strip() for line in text.split("\n") if "version" in line)


def main():
    mca, path = sys.argv[1:]
    code = rates.Code(AARCH64, assembly.functions(path), mca)
    if unlisted := kernels.unlisted(code.functions, kernels.AARCH64):
        sys.exit(f"predict: {unlisted[0]} and {len(unlisted) - 1} more: wanted every kernel in kernels.py")
    boards = {}
    for name, board in cores.BOARDS.items():
        passes = networks.Passes(code, kernels.AARCH64, board)
        boards[name] = {
            "title": board.name, "core": board.core.name, "cores": board.count, "ghz": board.ghz,
            "memory_gb_per_s": {"one": board.memory_of_one, "all": board.memory_of_all, "source": board.memory_source},
            "products": list(products(passes)),
            "networks": list(passes_of(passes)),
        }  # fmt: skip
    result = {
        "kind": "arm-model",
        "note": "modelled, not measured",
        "llvm_mca": version(mca),
        "share_of_libraries": SHARE_OF_LIBRARIES,
        "cores": {core.mca: core.name for core in LOOP_CORES},
        "loops": list(loops(code)),
        "boards": boards,
    }
    json.dump(result, sys.stdout, indent=1, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
