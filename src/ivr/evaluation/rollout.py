"""Evaluates many policies on many episodes at once."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from ivr.errors import UserError
from ivr.evaluation.scores import Evaluation
from ivr.evaluation.stepping.environments import EvaluationError, Failure, recorded_reward
from ivr.evaluation.stepping.group import EnvironmentGroup
from ivr.evaluation.stepping.pool import EnvironmentPool
from ivr.evaluation.task.build import Task
from ivr.random import key
from ivr.types import Policy

__all__ = ["EnvironmentPool", "Evaluation", "EvaluationError", "episode_seed", "evaluate"]

# Enough that the policy's turn hardly shows; an environment takes up to 12 MB and 0.1 s to make.
MAX_ENVIRONMENTS = 32
# While one half of them steps, the other half's policy acts. A constant: a policy's actions depend,
# in their last bits, on how many observations it sees at once.
GROUPS = 2


def episode_seed(seed: int, episode: int) -> int:
    """Derive the reset seed of one episode, the same for every member."""
    return key(seed, f"episode {episode}") & 0x7FFFFFFF


def evaluate(
    task: Task | EnvironmentPool,
    policy: Policy,
    *,
    members: int,
    episodes: int,
    seed: int,
    device: torch.device | str = "cpu",
    record_paths: bool = False,
    labels: Sequence[str] | None = None,
    discount: float | None = None,
) -> Evaluation:
    """Run the same E episodes with each of R members.

    Up to rounding, an episode's outcome depends on its member, `seed` and its number alone: not
    on the other members, nor on how many environments there are.

    Args:
        task: the task, or a pool of its environments that outlives the call.
        policy: acts for all members at once, (R, S, O) to (R, S, A); where it remembers, its
            memory of an environment begins anew with each episode.
        members: R.
        episodes: E, for every member.
        seed: of the start states.
        device: where the policy expects observations.
        record_paths: keep the positions of maze tasks.
        labels: names of the members, for messages; None for their numbers.
        discount: gamma of the discounted returns, which are in the units of the data's rewards;
            None for none.

    Raises:
        EvaluationError: an environment raised, or gave an observation that is not finite.
        UserError: an action is not finite.
    """
    names = labels or [f"member {k}" for k in range(members)]
    if isinstance(task, Task):
        with EnvironmentPool(task) as pool:
            return _Sweep(pool, names, episodes, seed, record_paths, discount).run(policy, device)
    return _Sweep(task, names, episodes, seed, record_paths, discount).run(policy, device)


class _Sweep:
    """Runs every member's episodes, in groups that do not wait for each other."""

    def __init__(
        self,
        pool: EnvironmentPool,
        labels: Sequence[str],
        episodes: int,
        seed: int,
        record_paths: bool,
        discount: float | None,
    ) -> None:
        if episodes < 1:
            raise UserError(f"episodes={episodes} must be at least 1.")
        self.pool = pool
        self.labels = labels
        self.members = members = len(labels)
        self.episodes = episodes
        self.seed = seed
        self.slots = max(1, min(episodes, MAX_ENVIRONMENTS // members))
        self.groups = min(GROUPS, self.slots)
        self.slots //= self.groups  # of each member in each group
        pool.grow(
            members * self.slots * self.groups,
            members * episodes * pool.task.max_episode_steps,
        )
        self.returns = np.zeros((members, episodes))
        self.lengths = np.zeros((members, episodes), np.int64)
        self.successes = np.zeros((members, episodes), np.bool_)
        self.completed = np.zeros((members, episodes), np.int64)
        self.starts = np.zeros((members, episodes, *pool.observation_shape), np.float32)
        self.discount = discount
        self.discounted = np.zeros((members, episodes))
        self.cut_off = np.zeros((members, episodes), np.bool_)
        self.paths: list[list[list[NDArray[np.float32]]]] | None = None
        if record_paths and pool.task.walked_maze is not None:
            self.paths = [[[] for _ in range(episodes)] for _ in range(members)]

    def run(self, policy: Policy, device: torch.device | str) -> Evaluation:
        started = time.perf_counter()
        try:
            with torch.no_grad(), one_thread():
                self._play(policy, device)
        except EvaluationError:
            # What an environment that failed does next is unknown: the next sweep makes new ones.
            self.pool.close()
            raise
        finally:
            self.pool.settle()
        task = self.pool.task
        paths = None
        if self.paths is not None:
            paths = [[np.stack(path) for path in member] for member in self.paths]
        return Evaluation(
            metric=task.metric,
            reference=task.reference,
            returns=self.returns,
            lengths=self.lengths,
            successes=self.successes if task.reports_success else None,
            completed=self.completed if task.metric == "tasks" else None,
            discounted=None if self.discount is None else self.discounted,
            cut_off=None if self.discount is None else self.cut_off,
            seeds=tuple(episode_seed(self.seed, episode) for episode in range(self.episodes)),
            starts=self.starts,
            paths=paths,
            seconds=time.perf_counter() - started,
            env_steps=int(self.lengths.sum()),
        )

    def _play(self, policy: Policy, device: torch.device | str) -> None:
        groups = [
            EnvironmentGroup(self.members, self.slots, self.pool.observation_shape, policy)
            for _ in range(self.groups)
        ]
        count = self.members * self.slots
        for k, group in enumerate(groups):
            # Which episodes a group runs does not depend on how fast it is.
            episodes = range(k, self.episodes, self.groups)
            group.waiting = [iter(episodes) for _ in range(self.members)]
            group.numbers = range(k, k + self.groups * count, self.groups)
            for row in range(count):
                self._start(group, row)
            self.pool.send(*group.act(device))
        running = len(groups)
        while running:
            slots, steps = self.pool.receive()
            group = groups[slots[0] % self.groups]
            for slot, step in zip(slots, steps, strict=True):
                row = slot // self.groups
                at = row // self.slots, group.active[row]
                if isinstance(step, Failure):
                    raise self._error(at, f"step {self.lengths[at] + 1}", step)
                group.rewards[row] = recorded_reward(self.pool.task, step.reward, step.completed)
                if self.discount is not None:
                    factor = self.discount ** int(self.lengths[at])
                    self.discounted[at] += factor * float(group.rewards[row])
                    self.cut_off[at] = not step.terminated
                self.returns[at] += step.reward
                self.lengths[at] += 1
                self.successes[at] |= step.success
                self.completed[at] = step.completed
                self._see(group, row, step.observation)
                if step.terminated or step.truncated:
                    del group.active[row]
                    self._start(group, row)
            if group.active:
                self.pool.send(*group.act(device))
            else:
                running -= 1

    def _start(self, group: EnvironmentGroup, row: int) -> None:
        """Begin the member's next episode, where one is left."""
        episode = next(group.waiting[row // self.slots], None)
        if episode is not None:
            group.active[row] = episode
            group.starts[row] = True
            seed = episode_seed(self.seed, episode)
            observation = self.pool.reset(group.numbers[row], seed)
            if isinstance(observation, Failure):
                raise self._error((row // self.slots, episode), "its reset", observation)
            self.starts[row // self.slots, episode] = observation
            self._see(group, row, observation)

    def _error(self, at: tuple[int, int], when: str, failure: Failure) -> EvaluationError:
        member, episode = at
        return EvaluationError(
            f"the environment {self.pool.task.env_id} failed in episode {episode} of "
            f"{self.labels[member]}, at {when}: {failure.reason}"
        )

    def _see(self, group: EnvironmentGroup, row: int, observation: NDArray[np.float32]) -> None:
        group.observations[row] = observation
        if self.paths is not None:
            position = observation[:2].copy()
            self.paths[row // self.slots][group.active[row]].append(position)


@contextmanager
def one_thread() -> Iterator[None]:
    """Restrict torch to one thread: its idle ones spin and would slow the environments down."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
