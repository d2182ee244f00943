"""Instructions of whole products, counted in emulation: count.py QEMU PLUGIN PROGRAMS > arm-count.json

PROGRAMS is the folder where tools/arm/count.sh has built `cke`, `openblas`, and `ggml-CORE` for each core. A product's instructions are half
of what three products take more than one, so that start, packing of weights and first use of memory do not count.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "model"))
import cores

# Cores as QEMU and compilers call them, each on one board; and OpenBLAS's name of the core, whose version is older than the A76.
CORES = {"cortex-a72": (cores.BOARDS["tda4vm"], "CORTEXA72"), "cortex-a76": (cores.BOARDS["pi5"], "NEOVERSEN1")}
SQUARE, PROMPT, TOKEN = (512, 512, 512), (64, 3072, 768), (1, 3072, 768)
# Size, our format, OpenBLAS's routine and llama.cpp's format, where it has one.
PRODUCTS = [
    (SQUARE, "sgemm", "sgemm", "f32"),
    (SQUARE, "dgemm", "dgemm", None),
    (PROMPT, "f32", None, "f32"),
    *((size, form, None, form) for size in (PROMPT, TOKEN) for form in ("q8_0", "q4_0", "q4_k")),
    (PROMPT, "int8", None, "q8_0"),
]
ONCE, OFTEN = 1, 3


def write_caches(folder, board):
    """The board's caches as Linux tells of them, for the emulator to show to programs in place of those of this machine."""
    levels = [("Data", 1, board.l1, 1), ("Unified", 2, board.l2, board.count if board.shared_l2 else 1), ("Unified", 3, board.l3, board.count)]
    for index in range(8):
        kind, level, size, sharers = levels[index] if index < len(levels) else ("", "", 0, 1)
        cache = folder / f"sys/devices/system/cpu/cpu0/cache/index{index}"
        cache.mkdir(parents=True, exist_ok=True)
        texts = {"type": kind, "level": level, "size": f"{size // 1024}K", "shared_cpu_list": f"0-{sharers - 1}"}
        for name, text in texts.items():
            (cache / name).write_text(f"{text}\n", encoding="ascii")


class Emulator:
    """QEMU as one core of a board."""

    def __init__(self, program, plugin, core, folder):
        board, openblas_core = CORES[core]
        write_caches(folder, board)
        self.command = [program, "-L", str(folder), "-plugin", plugin]
        self.environment = dict(os.environ, QEMU_CPU=core, OPENBLAS_CORETYPE=openblas_core)

    def total(self, program, form, size, times):
        """What the program prints, and its instructions."""
        command = [*self.command, str(program), form, *map(str, size), str(times)]
        result = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        found = re.search(r"^instructions: (\d+)$", result.stderr, re.MULTILINE)
        if result.returncode != 0 or not found:
            raise RuntimeError(f"{' '.join(command)}: wanted a number of instructions, found: {result.stderr.strip()[-400:]}")
        return result.stdout.strip(), int(found[1])

    def product(self, program, form, size):
        """What the program prints, and the instructions of one product."""
        (what, once), (_, often) = (self.total(program, form, size, times) for times in (ONCE, OFTEN))
        return what, (often - once) // (OFTEN - ONCE)


def entries(qemu, plugin, programs):
    for core, (board, _) in CORES.items():
        emulator = Emulator(qemu, plugin, core, programs / f"board-{core}")
        for size, *forms in PRODUCTS:
            counts = {}
            for library, program, form in zip(("cke", "openblas", "llama.cpp"), ("cke", "openblas", f"ggml-{core}"), forms):
                if form:
                    what, instructions = emulator.product(programs / program, form, size)
                    counts[library] = {"format": form, "ran": what, "instructions": instructions}
            m, n, k = size
            yield {"core": core, "board": board.name, "m": m, "n": n, "k": k, "counts": counts}


def main():
    qemu, plugin, programs = sys.argv[1:]
    version = subprocess.run([qemu, "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
    note = "instructions of one product on one thread, counted in emulation; no times"
    products = list(entries(qemu, plugin, Path(programs)))
    json.dump({"kind": "arm-count", "note": note, "emulator": version, "products": products}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
