"""Do the critics of a run know which of the data's actions were good?

    python benchmarks/advantages.py outputs/.../checkpoints/last.ckpt

For each member: V against the discounted return G that the data then really brought, and the
advantage Q - V, which weighs the actor's imitation, against G - V. Where the correlation of the two
advantages is near 0, or twin critics differ by as much as Q - V spreads, the weights are noise.

Whether the data could tell at all: a network that is given (s, a), and one that is given s, are
fitted to the advantages that came, by GAE(0.9) with the members' mean V, and judged by R^2 on a
quarter of the episodes that they have not seen. Where a adds nothing, no weight on actions can be
learnt from what came.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

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


def generalised_advantages(
    data: OfflineDataset, v: np.ndarray, next_v: np.ndarray, discount: float, decay: float = 0.9
) -> np.ndarray:
    """GAE (Schulman et al., ICLR 2016) along the episodes, (N,)."""
    ends = (data.terminated | data.truncated).numpy()
    live = discount * next_v * ~data.terminated.numpy()
    errors = data.rewards.double().numpy() + live - v
    found = np.zeros(len(errors))
    onwards = 0.0
    for n in reversed(range(len(errors))):
        onwards = found[n] = errors[n] + discount * decay * (0.0 if ends[n] else onwards)
    return found


def explained(inputs: Tensor, targets: Tensor, unseen: Tensor, steps: int) -> float:
    """R^2, where `unseen` (N,), of a network fitted to the other rows of (N, n) and (N,)."""
    torch.manual_seed(0)
    inputs = (inputs - inputs.mean(0)) / inputs.std(0).clamp(min=1e-6)
    targets = targets / targets.std()
    width = 128
    network = nn.Sequential(
        nn.Linear(inputs.shape[1], width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
        nn.Linear(width, 1),
    )  # fmt: skip
    adam = torch.optim.Adam(network.parameters(), 1e-3)
    seen = (~unseen).nonzero()[:, 0]
    for _ in range(steps):
        rows = seen[torch.randint(len(seen), (1024,))]
        loss = (network(inputs[rows])[:, 0] - targets[rows]).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    with torch.no_grad():
        errors = targets[unseen] - network(inputs[unseen])[:, 0]
    return 1 - float(errors.var() / targets[unseen].var())


def report(path: Path, steps: int = 3000) -> str:
    """The table, and R^2 with and without the action; both networks train for `steps`.

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

    with torch.no_grad():
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
    came = generalised_advantages(data, v.mean(0), v2.mean(0), algorithm.discount)
    ends = data.terminated | data.truncated
    episode = ends.cumsum(0) - ends.long()
    unseen = episode % 4 == 0
    targets = torch.from_numpy(came).float()
    alone, both = (
        explained(x, targets, unseen, steps) for x in (s, torch.cat((s, data.actions), -1))
    )
    lines.append(f"R^2 of the advantages that came: {alone:.3f} by s, {both:.3f} by (s, a)")
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    try:
        print(report(Path(sys.argv[1])))
    except UserError as error:
        raise SystemExit(f"Error: {error}") from None
