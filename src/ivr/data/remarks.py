"""Says what makes data hard to learn from, though nothing in them is wrong."""

from collections.abc import Sequence

import numpy as np
import torch
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
    """Say where observations differ in scale, and where outliers stretch the bounds of actions.

    Args:
        dataset: on any device.
        normalised: whether observations are normalised, so that their scale does not matter.
    """
    info, said = dataset.info, []
    if not normalised:
        seen = _sample(dataset.observations).double()
        said += scales(seen.square().mean(0).sqrt().numpy(), info.observation_names)
    actions = _sample(dataset.actions).double()
    inner = torch.quantile(actions, torch.tensor([0.005, 0.995]).double(), dim=0).numpy()
    low, high = np.array(info.action_low), np.array(info.action_high)
    for number in stretched(inner, actions.amin(0).numpy(), actions.amax(0).numpy()):
        ours = low[number] + (inner[:, number] + 1) / 2 * (high[number] - low[number])
        said.append(
            f"99 % of {called(info.action_names, 'action', number)} lie between {ours[0]:.4g} and "
            f"{ours[1]:.4g}, and its bounds, by which it is scaled, are {low[number]:.4g} and "
            f"{high[number]:.4g}: outliers take up the rest. Give dataset.action_low and "
            "dataset.action_high, and dataset.actions=clip"
        )
    return said


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


def stretched(
    inner: NDArray[np.float64], least: NDArray[np.float64], greatest: NDArray[np.float64]
) -> list[int]:
    """Find the numbers of an action whose outliers take most of the room between the bounds.

    Args:
        inner: the 0.5 % and 99.5 % quantiles of scaled actions (2, A).
        least: of each number (A,), in [-1, 1]; greatest likewise.
    """
    spread, whole = inner[1] - inner[0], greatest - least
    return [int(i) for i in np.flatnonzero((spread > 0) & (spread < 0.05 * whole) & (whole > 0.5))]


def _sample(rows: Tensor) -> Tensor:
    return rows[:: max(1, len(rows) // _SAMPLE)].cpu()
