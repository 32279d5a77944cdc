"""What policies are worth in an environment: the discounted return of their episodes."""

import math
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ivr.evaluation.rollout import episode_seed, evaluate
from ivr.evaluation.task.task import Task
from ivr.selection.candidates import PolicySet
from ivr.selection.metrics import Floats

SEED = 3_000_000
"""Of the episodes: no training and no evaluation begins there."""
_TAIL = 1e-3
"""What is left of a reward after the episodes that are played."""
_LONGEST = 10
"""Time limits of the environment, at most."""


@dataclass(frozen=True)
class Truth:
    """The returns of P policies, (P,), in units of the recorded rewards."""

    mean: Floats
    error: Floats
    """Standard error over episodes."""
    tail: Floats
    """The most that what follows the episodes that time ended could add or take away."""
    episodes: int


def truth(
    task: Task,
    policies: PolicySet,
    *,
    episodes: int,
    discount: float,
    limits: tuple[float, float],
) -> Truth:
    """Play episodes, past the environment's time limit until the discount leaves next to nothing.

    A time limit is no end of the task, and a critic looks beyond it: so must the truth.

    Args:
        task: the environment.
        policies: P of them.
        episodes: of each, from the same initial states.
        discount: gamma below 1.
        limits: of any policy's values; see `attainable_range`.
    """
    enough = math.ceil(math.log(_TAIL) / math.log(discount)) if discount > 0 else 1
    steps = max(task.max_episode_steps, min(enough, _LONGEST * task.max_episode_steps))
    found = evaluate(
        replace(task, max_episode_steps=steps),
        policies,
        members=len(policies.candidates),
        episodes=episodes,
        seed=SEED,
        labels=[candidate.name for candidate in policies.candidates],
        discount=discount,
    )
    assert found.discounted is not None and found.cut_off is not None
    largest = max(abs(limit) for limit in limits)
    left = np.where(found.cut_off, discount ** found.lengths.astype(float) * largest, 0)
    error = found.discounted.std(1, ddof=1) / np.sqrt(episodes) if episodes > 1 else np.nan
    mean = found.discounted.mean(1)
    return Truth(mean, np.broadcast_to(error, mean.shape), left.mean(1), episodes)


def initial_observations(task: Task, episodes: int) -> Tensor:
    """Where the episodes of `truth` begin, (E, O)."""
    with closing(task.make_env()) as env:
        seen = [env.reset(seed=episode_seed(SEED, episode))[0] for episode in range(episodes)]
    return torch.from_numpy(np.stack(seen))
