"""Which kernel a product takes and how it is cut, as the library does it: `gemm/select.rs`, `gemm/blocking.rs`, `gemm/loops.rs`.

The tests compare with what the library said.
"""

from dataclasses import dataclass

FEW_ROWS, LEAST_ROWS, ROWS_PER_PANEL, TASKS_PER_THREAD, SHALLOW = 6, 4, 64, 6, 64
NO_LIMIT = 1 << 62


@dataclass(frozen=True)
class Blocking:
    mc: int
    kc: int
    nc: int


def choose_kernel(kernels, core, scheme, m, n, k):
    """The kernel for packed weights: that of the lowest estimate, or for few rows that of the widest panels."""
    of_scheme = [kernel for kernel in kernels if kernel.scheme == scheme]
    family = next(family for family in core.families if any(kernel.family == family for kernel in of_scheme))
    candidates = [kernel for kernel in of_scheme if kernel.family == family]

    def rank(kernel):
        flat = _is_too_flat(kernel, core.rates)
        if m <= FEW_ROWS:
            panel = kernel.cols if kernel.lanes < 16 or kernel.form == "outer" else 16
            return (flat, kernel.rows < m, -panel, kernel.cols // panel)
        return (flat, kernel.rows < LEAST_ROWS, _estimate(kernel, core.rates, m, n, k), 0)

    return min(candidates, key=rank)


def _vector_bytes(kernel):
    return kernel.lanes * max(int(kernel.col_bytes), 1)


def _is_too_flat(kernel, rates):
    vector_bytes = _vector_bytes(kernel)
    return rates.of_vectors(vector_bytes) * vector_bytes > rates.l2_bytes_per_cycle * kernel.rows


def _estimate(kernel, rates, m, n, k):
    row_tiles = max(_ceil(m, kernel.rows), 1)
    rows, taller = divmod(m, row_tiles)
    full, rest = n // kernel.cols, _ceil(n % kernel.cols, kernel.lanes)

    def column(vectors):
        tile = [_tile_cycles(height, vectors, _vector_bytes(kernel), rates, k) for height in (rows, rows + 1)]
        return taller * tile[1] + (row_tiles - taller) * tile[0]

    return full * column(kernel.cols // kernel.lanes) + (column(rest) if rest else 0)


def _tile_cycles(rows, vectors, vector_bytes, rates, k):
    per_cycle = rates.of_vectors(vector_bytes)
    from_l2 = vectors * vector_bytes * per_cycle // rates.l2_bytes_per_cycle
    step = max(rows * vectors, rows + vectors, from_l2, rates.latency * per_cycle)
    return k * step // per_cycle + rates.tile_overhead + rows * rates.row_overhead


def choose_blocking(kernel, l2, threads, m, n, k):
    """Sizes of blocks that keep each operand in its cache level."""
    row_bytes, col_bytes = max(int(kernel.row_bytes), 1), max(int(kernel.col_bytes), 1)
    tasks = threads * TASKS_PER_THREAD if threads > 1 else 1
    if k <= SHALLOW and m > kernel.rows:
        panels = min(max(l2 // 2 // col_bytes // kernel.cols // max(k, 1), 1), max(_ceil(n, kernel.cols), 1))
        return Blocking(even_part(m, _ceil(m, tasks), kernel.rows), max(k, 1), panels * kernel.cols)
    room_for_a = l2 * 2 // 5 // row_bytes
    limit = NO_LIMIT if m <= kernel.rows else min(l2 // 3 // col_bytes // kernel.cols, room_for_a // min(m, ROWS_PER_PANEL))
    kc = even_part(k, max(limit, 16), 1)
    panels = max(_ceil(n, kernel.cols), 1)
    rows_per_task = max(_ceil(m, max(tasks // panels, 1)), 1)
    mc = even_part(m, min(rows_per_task, room_for_a // kc), kernel.rows)
    row_blocks = max(_ceil(m, mc), 1)
    return Blocking(mc, kc, equal_blocks(panels, _ceil(tasks, row_blocks), threads) * kernel.cols)


def block_of_k(kernel, kc, k):
    """`kc` as blocks of K may begin: at chains of sums, at groups, or nowhere."""
    if kernel.form == "whole":
        return k
    if kernel.form == "groups":
        return _multiple(max(kc, 1), kernel.block)
    longest = 128 << sum(k - 1 >= bound for bound in (256, 16_384, 131_072))
    return _multiple(max(kc, 1), longest)


def streams(panels, threads):
    """Runs of panels of a product that one tile's rows take all of."""
    long = panels * 3 // 4 // threads if threads > 1 else panels
    short = max(panels // (16 * threads), 1)
    runs = [range(index * long, (index + 1) * long) for index in range(threads)]
    runs += [range(start, min(start + short, panels)) for start in range(threads * long, panels, short)]
    return [run for run in runs if run]


def even_parts(whole, limit):
    """Ranges that differ by at most one."""
    parts = max(_ceil(whole, limit), 1)
    part, longer = divmod(whole, parts)
    start = 0
    for index in range(parts):
        end = start + part + (index < longer)
        yield range(start, end)
        start = end


def even_part(whole, limit, unit):
    """The smallest number of equal parts of `whole` that are at most `limit`, as the size of a part rounded up to `unit`."""
    return max(_multiple(_ceil(whole, max(_ceil(whole, max(limit, unit)), 1)), unit), unit)


def equal_blocks(panels, blocks, threads):
    """Panels of a block, so that each thread gets as many blocks as any other if that can be."""
    for count in range(blocks, min(2 * blocks, panels) + 1):
        size = _ceil(panels, count)
        if _ceil(panels, size) % threads == 0 and panels % size == 0:
            return size
    return _ceil(panels, blocks)


def _ceil(a, b):
    return -(-a // b)


def _multiple(x, unit):
    return _ceil(x, unit) * unit
