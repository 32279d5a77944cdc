"""Computes statistics of columns that are never in memory as a whole."""

import numpy as np
from numpy.typing import NDArray

BINS = 64
"""Bins of a histogram."""


class Moments:
    """Least, greatest, mean and deviation of each column."""

    def __init__(self, columns: int) -> None:
        self.count = 0
        self.least = np.full(columns, np.inf)
        self.greatest = np.full(columns, -np.inf)
        self.mean = np.zeros(columns)
        self._squares = np.zeros(columns)

    def add(self, rows: NDArray[np.floating]) -> None:
        """Add rows (n, columns) of finite numbers."""
        if len(rows) == 0:
            return
        values = rows.astype(np.float64)
        self.least = np.minimum(self.least, values.min(0))
        self.greatest = np.maximum(self.greatest, values.max(0))
        # Chan, Golub and LeVeque (1983): the sums of two sets about their common mean.
        added = len(values)
        mean = values.mean(0)
        shift, total = mean - self.mean, self.count + added
        self._squares += ((values - mean) ** 2).sum(0) + shift**2 * self.count * added / total
        self.mean = self.mean + shift * added / total
        self.count = total

    @property
    def deviation(self) -> NDArray[np.float64]:
        """Standard deviation of each column."""
        return np.sqrt(self._squares / max(self.count, 1))

    @property
    def constant(self) -> list[int]:
        """Numbers of the columns that hold one value alone."""
        return [int(i) for i in np.flatnonzero(self.least == self.greatest)]


class Histogram:
    """Counts of values whose range is not known beforehand: bins double in width as it grows."""

    def __init__(self) -> None:
        self.counts = np.zeros(BINS, np.int64)
        self.low = self.width = 0.0

    def add(self, values: NDArray[np.floating]) -> None:
        """Add finite values (n,)."""
        if len(values) == 0:
            return
        least, greatest = float(values.min()), float(values.max())
        if self.width == 0:
            spread = greatest - least
            self.width = (spread or max(abs(least), 1.0) * 1e-3) / BINS * (1 + 1e-9)
            self.low = least - (0 if spread else self.width * BINS / 2)
        while greatest >= self.low + self.width * BINS:
            self.counts = np.append(self._paired(), np.zeros(BINS // 2, np.int64))
            self.width *= 2
        while least < self.low:
            self.counts = np.append(np.zeros(BINS // 2, np.int64), self._paired())
            self.low -= self.width * BINS
            self.width *= 2
        bins = np.clip((values.astype(np.float64) - self.low) / self.width, 0, BINS - 1)
        self.counts += np.bincount(bins.astype(np.int64), minlength=BINS)

    def _paired(self) -> NDArray[np.int64]:
        return np.asarray(self.counts.reshape(-1, 2).sum(1))

    @property
    def edges(self) -> NDArray[np.float64]:
        """Edges of the bins, (BINS + 1,)."""
        return np.asarray(self.low + self.width * np.arange(BINS + 1), np.float64)
