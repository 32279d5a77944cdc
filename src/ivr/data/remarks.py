"""Says what makes data hard to learn from, though nothing in them is wrong."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ivr.agreement.names import called
from ivr.data.dataset import OfflineDataset

_SAMPLE = 100_000
"""Rows that are looked at, evenly spaced."""

_LARGE = 100.0
"""Of this size and more, numbers are too large for a network that is made for those about 1."""
_APART = 1000.0
"""A number that is so many times larger than most drowns them."""


def remarks(dataset: OfflineDataset, normalised: bool) -> list[str]:
    """Say where observations differ in scale, and where outliers take up the room.

    Args:
        dataset: on any device.
        normalised: whether observations are normalised, so that their scale does not matter.
    """
    info, said = dataset.info, []
    seen = _sample(dataset.observations).double().numpy()
    if not normalised:
        said += scales(np.sqrt(np.square(seen).mean(0)), info.observation_names)
    said += strange(seen, info.observation_names)
    low, high = np.array(info.action_low), np.array(info.action_high)
    actions = low + (_sample(dataset.actions).double().numpy() + 1) / 2 * (high - low)
    return said + stretched(actions, (low, high), info.action_names)


def scales(sizes: ArrayLike, names: Sequence[str]) -> list[str]:
    """Say that observations differ in scale, and what cures it.

    Args:
        sizes: root mean square of each number (O,).
        names: of the numbers, or none.
    """
    size: NDArray[np.float64] = np.asarray(sizes, np.float64)
    if not len(size):
        return []
    usual = float(np.median(size))
    large = np.flatnonzero((size >= _LARGE) | ((usual > 0) & (size >= _APART * usual)))
    if not len(large):
        return []
    shown = [f"{called(names, 'observation', i)} is about {size[i]:,.4g}" for i in large[:6]]
    least = int(np.argmin(np.where(size > 0, size, np.inf)))
    small = f", {called(names, 'observation', least)} {size[least]:,.4g}"
    return [
        f"{', '.join(shown)}{', ...' if len(large) > 6 else ''}{small if len(size) > 1 else ''}: "
        "networks learn little from numbers of such sizes, unless normalize=standard is given (as "
        "it is by default with dataset=arrays)"
    ]


def strange(seen: NDArray[np.float64], names: Sequence[str]) -> list[str]:
    """Say which observations (N, O) have values far from nearly all others."""
    return [
        f"99 % of {called(names, 'observation', i)} lie between {low:.4g} and {high:.4g}, and all "
        f"between {seen[:, i].min():.4g} and {seen[:, i].max():.4g}: if that is a code for a "
        "missing value, or another unit, mend those rows"
        for i, (low, high) in _outlying(seen).items()
    ]


def stretched(
    actions: NDArray[np.float64],
    bounds: tuple[NDArray[np.float64], NDArray[np.float64]],
    names: Sequence[str],
) -> list[str]:
    """Say where outliers of actions (N, A) take most of the room between bounds, (A,) each."""
    low, high = bounds
    whole = np.ptp(actions, axis=0) > (high - low) / 4
    return [
        f"99 % of {called(names, 'action', i)} lie between {ours[0]:.4g} and {ours[1]:.4g}, and "
        f"its bounds, by which it is scaled, are {low[i]:.4g} and {high[i]:.4g}: outliers take up "
        "the rest. Give dataset.action_low and dataset.action_high, and dataset.actions=clip"
        for i, ours in _outlying(actions).items()
        if whole[i]
    ]


def _outlying(values: NDArray[np.float64]) -> dict[int, NDArray[np.float64]]:
    """Find columns of which 99 % take less than a twentieth of the range, and where these lie."""
    if not len(values):
        return {}
    # Below, on both sides and above: a code for a missing value lies on one side.
    ends = np.quantile(values, [[0, 0.005, 0.01], [0.99, 0.995, 1]], axis=0)  # (2, 3, columns)
    narrowest = np.ptp(ends, axis=0).argmin(0)
    inner = ends[:, narrowest, np.arange(values.shape[1])]
    spread, whole = np.ptp(inner, axis=0), np.ptp(values, axis=0)
    return {int(i): inner[:, i] for i in np.flatnonzero((spread > 0) & (spread < 0.05 * whole))}


def _sample(rows: Tensor) -> Tensor:
    return rows[:: max(1, len(rows) // _SAMPLE)].cpu()
