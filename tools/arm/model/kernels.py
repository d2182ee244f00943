"""The microkernels: where their code is, and how their operands lie in memory.

As `gemm/registry.rs` and the files of `gemm/registry` list them; a kernel that is missed here is found by `unlisted`.
"""

import re
from dataclasses import dataclass, replace

# Weights in groups: weights with one scale, and weights and bytes of a block of a column.
GROUPED = {
    "int4": ("q4_0::Q4_0", 32, 32, 18),
    "int4_128": ("int4_128::Int4_128", 32, 128, 66),
    "q2_k": ("q2_k::Q2_K", 16, 256, 84),
    "q3_k": ("q3_k::Q3_K", 16, 256, 110),
    "q4_1": ("q4_1::Q4_1", 32, 32, 20),
    "q4_k": ("q4_k::Q4_K", 32, 256, 144),
    "iq4_nl": ("iq4_nl::Iq4Nl", 32, 32, 18),
    "iq4_xs": ("iq4_xs::Iq4Xs", 32, 256, 136),
    "q5_0": ("q5_0::Q5_0", 32, 32, 22),
    "q5_1": ("q5_1::Q5_1", 32, 32, 24),
    "q5_k": ("q5_k::Q5_K", 32, 256, 176),
    "q6_k": ("q6_k::Q6_K", 16, 256, 210),
    "q8_0": ("q8_0::Q8_0", 32, 32, 34),
}
# Bytes of a number of a row with its share of scales and sums: a block of 256 numbers has 56 of these, and on x86-64 24 more.
GROUPED_ROW_BYTES = {"aarch64": (256 + 56 * 4) / 256, "x86_64": (256 + 80 * 4) / 256}
INT8 = {"int8_16": 16, "int8_32": 32, "int8_64": 64, "int8": 128, "int8_256": 256, "int8_channel": 128}


@dataclass(frozen=True)
class Kernel:
    """A kernel for tiles of up to `rows` × `cols`, whose vectors across the columns have `lanes` elements."""

    name: str
    scheme: str
    # In order of the registry: a CPU takes the first family that it has.
    family: str
    rows: int
    cols: int
    lanes: int
    # Function names with places for a number of rows and of vectors or panels.
    function: str
    # How its code is built: "outer", "groups" or "whole" (see `rates.py`).
    form: str
    # Steps of K of one scale, if any.
    group: int
    # Bytes of a step of K in a row of A, and in a column of a panel.
    row_bytes: float
    col_bytes: float
    # The function for tall tiles, and for how many rows at least.
    tall: str = ""
    tall_from: int = 5
    # Steps of K in a block of a panel: where blocks of K may begin.
    block: int = 1
    # Of kernels that multiply pairs of rows: the function for up to four rows, and how many rows one function is for.
    few: str = ""
    rows_of_function: int = 1
    # Steps of K that a run through a loop inside multiplies.
    depth: int = 4

    def computed_rows(self, rows):
        """The rows that are multiplied for a tile of `rows` rows."""
        return rows if self.few and rows <= 4 else -(-rows // self.rows_of_function) * self.rows_of_function

    def function_of(self, rows, vectors):
        """The name of the function for a tile of this size."""
        function = self.few if self.few and rows <= 4 else self.tall if self.tall and rows >= self.tall_from else self.function
        return function.format(rows=rows, vectors=vectors, pairs=self.computed_rows(rows) // 2)


def outer(family, isa, element, lanes, sizes):
    """Kernels with vectors across the columns."""
    size = 4 if element == "f32" else 8
    return [
        Kernel(
            f"{family}_{element}_{rows}x{vectors * lanes}", element, family, rows, vectors * lanes, lanes,
            f"cke_kernels::simd::{isa}::run_body::<cke_kernels::gemm::micro::outer::Outer<{element}, {{rows}}, {{vectors}}>>",
            "outer", 0, size, size,
        )
        for rows, vectors in sizes
    ]  # fmt: skip


def halves(family, scheme, module, function, arithmetic, sizes, lanes):
    """Kernels of weights in 16 bits."""
    return [
        Kernel(
            f"{family}_{scheme}_{arithmetic}_{rows}x{vectors * lanes}", scheme, family, rows, vectors * lanes, lanes,
            f"cke_kernels::gemm::{module}::tile::{function}::<{{rows}}, {{vectors}}>",
            "outer", 0, 4, 2,
        )
        for rows, vectors in sizes
    ]  # fmt: skip


def int8(family, path, rows, number_bytes, panels=0, whole_rows=0, depth=4):
    """Kernels of eight bits: by groups, and by rows and columns. With `panels`, a function for each number of them; with `whole_rows`, tiles
    of another height where rows and columns have one scale."""
    made = []
    for scheme, group in INT8.items():
        whole = scheme == "int8_channel"
        height = whole_rows if whole and whole_rows else rows
        cols = 16 * max(panels, 1)
        vectors = ", {vectors}" if panels else ""
        made.append(
            Kernel(
                f"{family}_{scheme}_{height}x{cols}", scheme, family, height, cols, 16,
                f"cke_kernels::gemm::int8::tile::{path}::<{group}, {str(whole).lower()}, {{rows}}{vectors}>",
                "whole" if whole else "groups", group, number_bytes + 4 / group, 1 + 8 / group, block=group, depth=depth,
            )  # fmt: skip
        )
    return made


def grouped(family, path, rows, panels=0, tall="", tall_from=5):
    """Kernels of weights of few bits in groups. `tall` names the function for tall tiles, of `tall_from` rows and more."""
    made = []
    row_bytes = GROUPED_ROW_BYTES["x86_64" if family.startswith("avx") else "aarch64"]
    for scheme, (format_path, group, block, block_bytes) in GROUPED.items():
        name = f"cke_kernels::gemm::grouped::formats::{format_path}"
        stem = "cke_kernels::gemm::grouped::tile"
        vectors = ", {vectors}" if panels else ""
        made.append(
            Kernel(
                f"{family}_{scheme}_{rows}x{16 * max(panels, 1)}", scheme, family, rows, 16 * max(panels, 1), 16,
                f"{stem}::{path}::<{name}, {{rows}}{vectors}>", "groups", group, row_bytes, block_bytes / block,
                tall=f"{stem}::{tall}::<{name}{vectors}>" if tall else "", tall_from=tall_from, block=256,
            )  # fmt: skip
        )
    return made


def in_pairs(others, rows_of_function):
    """The kernels by `smmla` beside these by `sdot`, whose functions they take for few rows."""
    return [
        replace(
            kernel, name=kernel.name.replace("dotprod", "i8mm").replace(f"_{kernel.rows}x", "_12x"), family="neon_i8mm", rows=12,
            function=kernel.function.replace("dotprod::neon_dotprod", "i8mm::neon_i8mm").replace("{rows}", "{pairs}"),
            few=kernel.function, rows_of_function=rows_of_function, depth=8,
        )
        for kernel in others
    ]  # fmt: skip


LADDER_128 = [(8, 3), (12, 2), (6, 4), (4, 6), (2, 8), (1, 16)]
AARCH64 = [
    *outer("neon", "neon", "f32", 4, LADDER_128),
    *outer("neon", "neon", "f64", 2, LADDER_128),
    *halves("neon", "bf16", "bf16", "neon", "widen", [(6, 4)], 4),
    *halves("neon", "f16", "f16", "neon", "widen", [(6, 4)], 4),
    *in_pairs(int8("neon_dotprod", "dotprod::neon_dotprod", 4, 1, whole_rows=6, depth=16), 2),
    *in_pairs(grouped("neon_dotprod", "dotprod::neon_dotprod", 4), 4),
    *int8("neon_dotprod", "dotprod::neon_dotprod", 4, 1, whole_rows=6, depth=16),
    *int8("neon", "aarch64::neon", 6, 2),
    *grouped("neon_dotprod", "dotprod::neon_dotprod", 4),
    *grouped("neon", "aarch64::neon", 4),
]
LADDER_512 = [(6, 4), (8, 3), (12, 2), (16, 1), (4, 6), (1, 16)]
LADDER_256 = [(6, 2), (12, 1), (3, 3), (2, 4), (1, 12)]
X86_64 = [
    *outer("avx512", "avx512", "f32", 16, LADDER_512),
    *outer("avx512", "avx512", "f64", 8, LADDER_512),
    *outer("avx2", "avx2", "f32", 8, LADDER_256),
    *outer("avx2", "avx2", "f64", 4, LADDER_256),
    *halves("avx512", "bf16", "bf16", "avx512_bf16", "vdpbf16ps", [(8, 3), (6, 4), (4, 6)], 16),
    *halves("avx512", "bf16", "bf16", "avx512", "widen", [(16, 1)], 16),
    *halves("avx2", "bf16", "bf16", "avx2", "widen", [(6, 2)], 8),
    *halves("avx512", "f16", "f16", "avx512", "widen", [(16, 1)], 16),
    *halves("avx2", "f16", "f16", "avx2", "widen", [(6, 2)], 8),
    *int8("avx512_vnni", "avx512_vnni", 8, 1, panels=3),
    *grouped("avx512_vnni", "avx512_vnni", 8, panels=3, tall="avx512_vnni_tall"),
    *grouped("avx2", "avx2", 8, tall="avx2::avx2_tall", tall_from=4),
]
KERNELS = {"aarch64": AARCH64, "x86_64": X86_64}
# What the code of a kernel is called by, of those that are modelled.
OF_A_KERNEL = re.compile(r"simd::(?!scalar)\w+::run_body::<\S+::Outer<|::(?:bf16|f16|int8|grouped)::tile::(?:aarch64::|dotprod::|i8mm::)?(?:neon|avx512)\w*::<")


def unlisted(functions, kernels):
    """Functions of kernels that no kernel of the list has: the list is older than the code."""
    known = {kernel.function_of(rows, vectors) for kernel in kernels for rows in range(1, 17) for vectors in range(1, 17)}
    return sorted(name for name in functions if OF_A_KERNEL.search(name) and name not in known)
