"""The time of a product: its tiles in the order of the library's loops, each with the cycles of its kernel's loop, their operands through
the caches of the board.

While a panel is multiplied the next one is prefetched, so that of arithmetic and traffic the larger one counts, panel by panel.
"""

from dataclasses import dataclass

import blocking
import caches

# Steps of K of a piece.
PIECE = 128
# Bytes of a line of C.
FLOAT = 4


@dataclass(frozen=True)
class Outcome:
    """What a product takes, in seconds, and what of it alone arithmetic would take; bytes from the last cache's other side."""

    seconds: float
    arithmetic: float
    memory_bytes: float
    kernel: str

    def gflops(self, m, n, k):
        return 2e-9 * m * n * k / self.seconds


def product(code, kernel, board, threads, m, n, k, resident=None):
    """A product with packed weights. `resident` are the caches, as something before left them."""
    blocks = blocking.choose_blocking(kernel, board.l2_share, threads, m, n, k)
    kc = blocking.block_of_k(kernel, blocks.kc, k)
    tasks = _tasks(kernel, blocks, threads, m, n)
    levels = resident or caches.of_board(board, threads)
    clocks, arithmetic, memory = [0.0] * threads, [0.0] * threads, 0.0
    for task in tasks:
        # Whoever is done first takes the next one.
        worker = min(range(threads), key=clocks.__getitem__)
        for compute, traffic in _panels(code, kernel, board, levels[worker], task, kc, n, k):
            clocks[worker] += max(compute, *_seconds(board, threads, traffic))
            arithmetic[worker] += compute
            memory += traffic[-1]
    return Outcome(max(clocks), max(arithmetic), memory, kernel.name)


def _tasks(kernel, blocks, threads, m, n):
    """Rows and panels of each block of C, in the order in which threads take them."""
    panels = -(-n // kernel.cols)
    if m <= kernel.rows:
        return [(range(m), run) for run in blocking.streams(panels, threads)]
    per_block = blocks.nc // kernel.cols
    return [
        (range(row, min(row + blocks.mc, m)), range(panel, min(panel + per_block, panels)))
        for row in range(0, m, blocks.mc)
        for panel in range(0, panels, per_block)
    ]


def _panels(code, kernel, board, level, task, kc, n, k):
    """Seconds of arithmetic, and bytes into each level, for each panel of a block of C and of K."""
    rows, panels = task
    core, rates = board.core, board.core.rates
    for start in range(0, k, kc):
        depth = min(kc, k - start)
        for panel in panels:
            cols = min(kernel.cols, n - panel * kernel.cols)
            vectors = -(-cols // kernel.lanes)
            cycles, traffic = 0.0, [0.0] * 4
            for part in blocking.even_parts(len(rows), kernel.rows):
                height, first = len(part), rows.start + part.start
                cycles += depth * code.cycles_per_step(kernel, core.mca, height, vectors)
                cycles += rates.tile_overhead + height * rates.row_overhead
                for step in range(start, start + depth, PIECE):
                    steps = min(PIECE, start + depth - step)
                    level.access(("a", first, step), height * steps * kernel.row_bytes, False, traffic)
                    width = vectors * kernel.lanes * steps
                    level.access(("b", panel, step), width * kernel.col_bytes, False, traffic)
                level.access(("c", first, panel), height * cols * FLOAT, True, traffic)
            yield cycles / board.ghz * 1e-9, _levels(board, traffic)


def _levels(board, traffic):
    """Bytes from L2, from L3 and from memory; without an L3 what misses L2 comes from memory."""
    from_l2, from_l3, memory = traffic[0], traffic[1], traffic[2]
    return (from_l2, from_l3, memory) if board.l3 else (from_l2, 0.0, from_l3)


def _seconds(board, threads, traffic):
    """The time of a thread's traffic by level, all threads at work."""
    second = board.core.rates.l2_bytes_per_cycle * board.ghz * 1e9
    if board.shared_l2:
        second = min(second, 2 * second / threads)
    memory = min(board.memory_of_one, board.memory_of_all / threads) * 1e9
    third = board.l3_bytes_per_cycle * board.ghz * 1e9 or float("inf")
    return traffic[0] / second, traffic[1] / third, traffic[2] / memory
