"""Counts rows that occur more than once, by their hashes."""

import numpy as np
from numpy.typing import NDArray

CAPACITY = 1 << 20
"""Different rows that are counted exactly, 24 bytes each."""

_PRIME = np.uint64(0x100000001B3)
_START = np.uint64(0xCBF29CE484222325)
_SHIFT, _HALF = np.uint64(29), np.uint64(33)
_STIR = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))


def row_hashes(rows: NDArray[np.floating]) -> NDArray[np.uint64]:
    """Hash each row (n, width) of float32 to 64 bits: FNV-1a over whole numbers, stirred."""
    # 0.0 and -0.0 are one number.
    words = np.ascontiguousarray(rows + np.float32(0), np.float32).view(np.uint32)
    hashes = np.full(len(words), _START, np.uint64)
    for word in words.T.astype(np.uint64):
        hashes = (hashes ^ word) * _PRIME
        hashes ^= hashes >> _SHIFT
    # Murmur3's last steps: every bit of the numbers moves each bit of the hash.
    for factor in _STIR:
        hashes = (hashes ^ (hashes >> _HALF)) * factor
    return hashes ^ (hashes >> _HALF)


class Duplicates:
    """Counts rows that an earlier one equals.

    Exact up to `capacity` different rows. Beyond, only rows whose hash is a multiple of `every` are
    looked at: equal rows have equal hashes, so these estimate the number of all.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.every = 1
        self.rows = 0
        self.first: tuple[int, int] | None = None
        """Numbers of the first such row that is known, and of the one that it equals."""
        self._capacity = capacity
        self._hashes = np.empty(0, np.uint64)
        self._counts, self._numbers = np.empty(0, np.int64), np.empty(0, np.int64)
        self._new: list[tuple[NDArray[np.uint64], NDArray[np.int64]]] = []
        self._waiting = 0

    def add(self, rows: NDArray[np.floating]) -> None:
        """Add rows (n, width), numbered after those before."""
        hashes = row_hashes(rows)
        kept = hashes % np.uint64(self.every) == 0
        self._new.append((hashes[kept], self.rows + np.flatnonzero(kept)))
        self.rows += len(rows)
        self._waiting += int(kept.sum())
        if self._waiting > self._capacity:
            self._merge()

    def _merge(self) -> None:
        hashes = np.concatenate([self._hashes, *(hashes for hashes, _ in self._new)])
        numbers = np.concatenate([self._numbers, *(numbers for _, numbers in self._new)])
        counts = np.append(self._counts, np.ones(len(hashes) - len(self._hashes), np.int64))
        self._new, self._waiting = [], 0
        order = np.argsort(hashes, kind="stable")
        hashes, numbers, counts = hashes[order], numbers[order], counts[order]
        fresh = np.append(True, hashes[1:] != hashes[:-1])[: len(hashes)]
        again, starts = np.flatnonzero(~fresh), np.flatnonzero(fresh)
        if len(again):
            at = again[np.argmin(numbers[again])]
            original = numbers[starts[np.searchsorted(starts, at) - 1]]
            self.first = min(self.first or (self.rows, 0), (int(numbers[at]), int(original)))
            counts = np.add.reduceat(counts, starts)
            hashes, numbers = hashes[starts], numbers[starts]
        kept = np.ones(len(hashes), np.bool_)
        while kept.sum() > self._capacity:
            self.every *= 2
            kept = hashes % np.uint64(self.every) == 0
        self._hashes, self._numbers, self._counts = hashes[kept], numbers[kept], counts[kept]

    def total(self) -> int:
        """How many rows equal an earlier one."""
        self._merge()
        return int((self._counts - 1).sum()) * self.every
