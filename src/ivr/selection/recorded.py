"""The data as an off-policy evaluation sees them: in recorded rewards, and in those of critics."""

import dataclasses

from ivr.data.dataset import OfflineDataset
from ivr.data.serving.returns import discounted_returns_to_go
from ivr.data.transforms.picking import digest


def in_recorded_rewards(dataset: OfflineDataset) -> OfflineDataset:
    """The same transitions with the rewards that were recorded, whatever was trained on.

    Where they were a cost, trained on with a scale below 0, their negative: more is better.
    """
    scale, shift = abs(dataset.info.reward_scale), dataset.info.reward_shift
    if (scale, shift) == (1, 0):
        return dataset
    rewards = ((dataset.rewards.double() - shift) / scale).float()
    fingerprint = digest(dataset.info.fingerprint, "recorded rewards")
    info = dataclasses.replace(
        dataset.info, fingerprint=fingerprint, reward_scale=1.0, reward_shift=0.0
    )
    return dataclasses.replace(dataset, rewards=rewards, info=info)


def constant_start(dataset: OfflineDataset, discount: float) -> tuple[float, float]:
    """The mean b and the spread 1/c of the data's own discounted returns to go.

    Critics are fitted to (Q - b) c, so that they begin at what the data were worth and have the
    size that networks like, whatever the rewards' units.
    """
    returns = discounted_returns_to_go(dataset, discount).double()
    spread = float(returns.std()) if len(returns) > 1 else 0.0
    return float(returns.mean()), spread if spread > 0 else max(1.0, float(returns.abs().mean()))


def shaped(dataset: OfflineDataset, discount: float, start: float, spread: float) -> OfflineDataset:
    """The same transitions with the rewards of (Q - b)/spread: (r - b + gamma (1 - d) b)/spread."""
    going_on = discount * (~dataset.terminated).double()
    rewards = (dataset.rewards.double() - start + going_on * start) / spread
    return dataclasses.replace(dataset, rewards=rewards.float())
