"""Cores, as the library's cost model knows them (`cpu/core_family.rs`), and boards.

What is measured of a board is the publisher's, all else is written with what it is taken from.
"""

from dataclasses import dataclass

KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class Rates:
    """What the library's choice of kernels counts with."""

    per_cycle: int = 2
    wide_per_cycle: int = 2
    latency: int = 4
    l2_bytes_per_cycle: int = 24
    tile_overhead: int = 40
    row_overhead: int = 10

    def of_vectors(self, vector_bytes):
        return self.wide_per_cycle if vector_bytes > 32 else self.per_cycle


@dataclass(frozen=True)
class Core:
    """A core: its name for llvm-mca, and which kernels it takes, the first family that has some."""

    name: str
    mca: str
    families: tuple
    rates: Rates


A72 = Core("Cortex-A72 (llvm-mca's model of the A57)", "cortex-a72", ("neon",), Rates(1, 1, 7, 8))
N1 = Core("Neoverse N1 and Cortex-A76", "neoverse-n1", ("neon_dotprod", "neon"), Rates(l2_bytes_per_cycle=16))
N2 = Core("Neoverse N2", "neoverse-n2", ("neon_i8mm", "neon_dotprod", "neon"), Rates())
A55 = Core("Cortex-A55", "cortex-a55", ("neon_dotprod", "neon"), Rates(1, 1, 4, 4))
ZEN4 = Core("Zen 4", "znver4", ("avx512_vnni", "avx512", "avx2"), Rates(wide_per_cycle=1))
ZEN4_AVX2 = Core("Zen 4 with AVX2", "znver4", ("avx2",), Rates(wide_per_cycle=1))
ZEN3 = Core("Zen 3", "znver3", ("avx2",), Rates())


@dataclass(frozen=True)
class Board:
    """Cores of one kind with their caches and memory. Rates in bytes a cycle of a core, and in GB/s."""

    name: str
    core: Core
    count: int
    ghz: float
    l1: int
    l2: int
    # Whether all cores have one L2; it then delivers twice what a core takes.
    shared_l2: bool
    # Shared by all cores; 0 for none.
    l3: int
    l3_bytes_per_cycle: float
    # What one core reads from memory, and all together.
    memory_of_one: float
    memory_of_all: float
    # Where the figures of the memory come from.
    memory_source: str

    @property
    def l2_share(self):
        """What the library takes for the size of L2: a share for each core (`cpu/aarch64.rs`)."""
        return self.l2 // self.count if self.shared_l2 else self.l2


BOARDS = {
    "tda4vm": Board(
        "TDA4VM, 2× A72", A72, 2, 2.0, 32 * KIB, MIB, True, 0, 0, 5.1, 8.5,
        "one thread measured by TI; both: half of the raw rate of the memory, assumed",
    ),
    "pi4": Board(
        "Raspberry Pi 4, 4× A72", A72, 4, 1.8, 32 * KIB, MIB, True, 0, 0, 3.5, 4.5,
        "from published tokens a second, which read the weights once each; assumed to be near the limit",
    ),
    "pi5": Board(
        "Raspberry Pi 5, 4× A76", N1, 4, 2.4, 64 * KIB, 512 * KIB, False, 2 * MIB, 8, 7.0, 10.0,
        "from published tokens a second, which read the weights once each; assumed to be near the limit",
    ),
    "n1": Board(
        "server, 8× N1", N1, 8, 2.6, 64 * KIB, MIB, False, 8 * MIB, 8, 15.0, 30.0,
        "assumed: two channels of DDR4-3200",
    ),
}  # fmt: skip


# Machines that the predictions are compared with measurements on, by the family that `cke doctor` names: the core, and its L2.
HOSTS = {"Zen 4": (ZEN4, MIB), "Zen 2 or 3": (ZEN3, 512 * KIB)}


def host(family, ghz, memory):
    """One core of such a machine, with its clock and its memory as measured in the same minutes."""
    core, l2 = HOSTS[family]
    return Board(core.name, core, 1, ghz, 32 * KIB, l2, False, 32 * MIB, 16, memory, memory, "measured")
