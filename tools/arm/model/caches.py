"""Caches that hold pieces of memory, the least recently used of which leaves first.

A piece is a run of bytes that is always read as a whole, such as a part of a panel: replaying pieces shows what blocked programs do to
their caches as well as replaying lines, at a hundredth of the work. Caches are taken to be fully associative, and writing back what has
been written costs as much as reading it.
"""

from collections import OrderedDict


class Cache:
    """One level. `below` is where it reads from; bytes from there, and back, are counted for whoever asks."""

    def __init__(self, capacity, below=None):
        self.capacity, self.below = capacity, below
        self.pieces, self.used = OrderedDict(), 0

    def access(self, piece, size, writes, traffic, level=0):
        """Reads or writes a piece. Adds to traffic[level] what this level gets from below, and so on downwards."""
        if piece in self.pieces:
            self.pieces.move_to_end(piece)
            if writes:
                self.pieces[piece] = (size, True)
            return
        traffic[level] += size
        if self.below is not None:
            self.below.access(piece, size, False, traffic, level + 1)
        self.pieces[piece] = (size, writes)
        self.used += size
        while self.used > self.capacity and len(self.pieces) > 1:
            self._drop_oldest(traffic, level)

    def _drop_oldest(self, traffic, level):
        piece, (size, is_written) = self.pieces.popitem(last=False)
        self.used -= size
        if is_written:
            traffic[level] += size
            if self.below is not None:
                self.below.access(piece, size, True, traffic, level + 1)


def of_board(board, threads):
    """The first level of each of `threads` cores, the others below; and which of the levels are there."""
    last = Cache(board.l3) if board.l3 else None
    if board.shared_l2:
        second = Cache(board.l2, last)
        return [Cache(board.l1, second) for _ in range(threads)]
    return [Cache(board.l1, Cache(board.l2, last)) for _ in range(threads)]
