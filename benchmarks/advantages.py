"""Do the critics of a run know which of the data's actions were good?

    python benchmarks/advantages.py outputs/.../checkpoints/last.ckpt

For each member: V against the discounted return G that the data then really brought, and the
advantage Q - V, which weighs the actor's imitation, against G - V. Where the correlation of the two
advantages is near 0, or twin critics differ by as much as Q - V spreads, the weights are noise.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ivr.algos.shared.in_sample import InSampleActorCritic
from ivr.config.dataset import parse_dataset
from ivr.data.dataset import OfflineDataset
from ivr.data.load import load_dataset
from ivr.errors import UserError
from ivr.training.checkpoints import load_policy

BLOCK = 20_000


def blockwise(function: Callable[..., Tensor], *columns: Tensor) -> np.ndarray:
    """A function of (R, N, ...) columns, without the N in memory at once; (R, N)."""
    pieces = zip(*(column.split(BLOCK) for column in columns), strict=True)
    return torch.cat([function(*(p[None] for p in piece)) for piece in pieces], -1).double().numpy()


def returns(data: OfflineDataset, next_v: np.ndarray, discount: float) -> np.ndarray:
    """G (N,): discounted rewards to the episode's end, and V there where it was only cut off."""
    rewards, terminated = data.rewards.double().numpy(), data.terminated.numpy()
    truncated = data.truncated.numpy()
    found = np.zeros(len(rewards))
    onwards = 0.0
    for n in reversed(range(len(rewards))):
        if terminated[n] or truncated[n]:
            onwards = 0.0 if terminated[n] else next_v[n]
        onwards = found[n] = rewards[n] + discount * onwards
    return found


def report(path: Path) -> str:
    """The table.

    Raises:
        UserError: not the checkpoint of an in-sample actor-critic, or its data are missing.
    """
    algorithm, content = load_policy(path)
    if not isinstance(algorithm, InSampleActorCritic):
        raise UserError(f"{path} is not of an in-sample actor-critic (sql, eql, ivr, iql, xql)")
    data = load_dataset(parse_dataset(content["ivr"]["config"]["dataset"])[0], progress=False)
    s, s2 = data.observations[data.rows], data.observations[data.rows + 1]

    def stacked(x: Tensor) -> Tensor:
        return x.expand(algorithm.runs, -1, -1)

    def critics(k: int) -> np.ndarray:
        return blockwise(
            lambda s, a: algorithm.target_critic(stacked(s), stacked(a))[:, k], s, data.actions
        )

    v, v2 = (blockwise(lambda s: algorithm.value(stacked(s)), x) for x in (s, s2))
    one, two = critics(0), critics(1)
    heads = "member", "mean V", "mean G", "corr(V, G)", "std(Q-V)", "std(Q1-Q2)", "corr(Q-V, G-V)"
    lines = [f"after {content['updates_done']} updates", "".join(f"{h:>16}" for h in heads)]
    for k in range(algorithm.runs):
        g = returns(data, v2[k], algorithm.discount)
        advantage = np.minimum(one[k], two[k]) - v[k]
        numbers = (
            v[k].mean(), g.mean(), np.corrcoef(v[k], g)[0, 1], advantage.std(),
            (one[k] - two[k]).std(), np.corrcoef(advantage, g - v[k])[0, 1],
        )  # fmt: skip
        lines.append(f"{k:>16}" + "".join(f"{number:>16.2f}" for number in numbers))
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    try:
        with torch.no_grad():
            print(report(Path(sys.argv[1])))
    except UserError as error:
        raise SystemExit(f"Error: {error}") from None
