"""Plays episodes with the policies of a run while it trains, and keeps what they see."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ivr import random
from ivr.data.serving.replay import ReplayBuffer
from ivr.data.serving.schedule import Schedule
from ivr.errors import UserError
from ivr.evaluation.rollout import EnvironmentPool, EvaluationError, one_thread
from ivr.evaluation.stepping.environments import Failure, Step, recorded_reward
from ivr.online.episodes import Episode
from ivr.online.under_way import UnderWay
from ivr.types import Batch


class Learner(Protocol):
    """All that collection asks of an algorithm."""

    discount: float

    def explore(
        self, observations: Tensor, noise: Tensor, progress: float
    ) -> tuple[Tensor, Tensor | None]:
        """See `ivr.algos.online.from_policy.FromPolicy.explore`."""

    def to_bounds(self, actions: Tensor) -> Tensor:
        """Actions in [-1, 1] in the environment's units."""

    def action_value(self, observations: Tensor, actions: Tensor) -> Tensor | None:
        """Q of raw (R, N, O) and scaled (R, N, A): (R, N); None without a critic."""


class Collector:
    """Steps one environment of each member.

    What a member does at a step is a function of its seed, of the step's number and of its
    networks alone. The episode under way is part of the state: an environment that is made anew is
    reset with the episode's seed, and takes the actions again that the buffer holds.

    Args:
        pool: the environments' task.
        buffer: what is seen is added to it.
        learner: chooses the actions.
        schedule: when what is collected.
        seeds, labels: one for each member.
        reward_scale, reward_shift: what turns recorded rewards into those trained on.
        check: raises where the run was interrupted.
    """

    def __init__(
        self,
        pool: EnvironmentPool,
        buffer: ReplayBuffer,
        learner: Learner,
        schedule: Schedule,
        *,
        seeds: Sequence[int],
        labels: Sequence[str],
        reward_scale: float,
        reward_shift: float,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.pool = pool
        self.buffer = buffer
        self.learner = learner
        self.schedule = schedule
        self.seeds = seeds
        self.labels = labels
        self.reward_scale, self.reward_shift = reward_scale, reward_shift
        self.check = check
        members = range(len(seeds))
        self.episodes: list[list[Episode]] = [[] for _ in members]
        """Finished ones of each member."""
        self.passed = [0.0 for _ in members]
        """Steps that were the learner's own choice, since the last call of `gate_share`."""
        self.gated = 0
        """Steps at which there was a choice, likewise."""
        self._under_way = UnderWay.fresh(len(seeds))
        self._observations: Tensor | None = None

    @property
    def steps(self) -> int:
        """Environment steps of each member so far."""
        return self.buffer.added

    def collect(self, steps: int) -> None:
        """Step until each member has taken so many steps.

        Raises:
            EvaluationError: an environment failed.
            UserError: an environment does not repeat an episode that is resumed.
        """
        if self.steps >= steps:
            return
        with torch.no_grad(), one_thread():
            if self._observations is None:
                self._observations = self._begin()
            first, count = self.steps, steps - self.steps
            noise = self._noise(first, count)
            for i in range(count):
                self.check()
                self._observations = self._step(self._observations, noise[i])

    def gate_share(self) -> list[float] | None:
        """The share of the learner's own choices since the last call; None without a gate."""
        if not self.gated:
            return None
        shares = [passed / self.gated for passed in self.passed]
        self.passed, self.gated = [0.0 for _ in self.passed], 0
        return shares

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run must know."""
        return {
            "buffer": self.buffer.state_dict(),
            "episodes": [[list(episode) for episode in found] for found in self.episodes],
            **asdict(self._under_way),
            "passed": list(self.passed),
            "gated": self.gated,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned, checked by the caller.

        Raises:
            ValueError: its buffer is of other sizes.
        """
        self.buffer.load_state_dict(state["buffer"])
        self.episodes = [[Episode(*e) for e in found] for found in state["episodes"]]
        names = ("length", "total", "discounted", "predicted")
        self._under_way = UnderWay(*(list(state[name]) for name in names))
        self.passed, self.gated = list(state["passed"]), state["gated"]
        self._observations = None

    def _noise(self, first: int, count: int) -> Tensor:
        """Standard normal draws of the steps from `first` on, (count, R, 1, A)."""
        actions = self.buffer.columns.actions.shape[-1]
        keys = torch.tensor([random.key(seed, "explore") for seed in self.seeds])
        drawn = random.uniform(keys, torch.arange(first, first + count), actions)
        noise: Tensor = torch.special.ndtri(drawn.unsqueeze(2).clamp(min=2**-25))
        return noise

    def _seed(self, member: int) -> int:
        """Of the reset of a member's next episode."""
        number = len(self.episodes[member])
        return random.key(self.seeds[member], f"online episode {number}") & 0x7FFFFFFF

    def _begin(self) -> Tensor:
        """Reset every environment, and bring it to where its episode under way is: (R, 1, O)."""
        members = range(len(self.seeds))
        self.pool.grow(len(members), len(members) * (self.schedule.num_steps - self.steps))
        begun = torch.stack([self._reset(k) for k in members])
        for k in members:
            for action in self.buffer.latest_actions(k, self._under_way.length[k]):
                (step,) = self._env_steps([k], self.learner.to_bounds(action)[None])
                begun[k] = torch.from_numpy(step.observation)
            if self._under_way.length[k]:
                place = (self.buffer.added - 1) % self.buffer.capacity
                expected = self.buffer.columns.next_observations[k, place].cpu()
                if not torch.equal(expected, begun[k]):
                    raise UserError(
                        f"resume: {self.pool.task.env_id} does not repeat itself: the same seed "
                        "and actions lead elsewhere than they did, so that a run in it cannot be "
                        "resumed within an episode"
                    )
        return begun[:, None]

    def _reset(self, member: int) -> Tensor:
        observation = self.pool.reset(member, self._seed(member))
        if isinstance(observation, Failure):
            raise self._error(member, "its reset", observation)
        return torch.from_numpy(observation)

    def _env_steps(self, members: list[int], actions: Tensor) -> list[Step]:
        """Step the environments of some members with actions (members, A) in their units."""
        self.pool.send(members, actions.cpu().numpy())
        _, steps = self.pool.receive()
        done: list[Step] = []
        for k, step in zip(members, steps, strict=True):
            if not isinstance(step, Failure) and not math.isfinite(step.reward):
                step = Failure("its reward is not finite")
            if isinstance(step, Failure):
                raise self._error(k, f"step {self._under_way.length[k] + 1}", step)
            done.append(step)
        return done

    def _step(self, observations: Tensor, noise: Tensor) -> Tensor:
        """One step of every member from observations (R, 1, O); returns the next ones."""
        members = list(range(len(self.seeds)))
        warmup = self.schedule.warmup_steps
        online = max(1, self.schedule.num_steps - warmup)
        progress = max(0.0, (self.steps - warmup) / online)
        device = self.buffer.columns.rewards.device
        shown = observations.to(device)
        actions, passed = self.learner.explore(shown, noise.to(device), progress)
        starts = [k for k in members if not self._under_way.length[k]]
        predicted = self.learner.action_value(shown, actions) if starts else None
        for k in starts:
            value = float("nan") if predicted is None else float(predicted[k, 0])
            self._under_way.predicted[k] = value
        if passed is not None:
            self.gated += 1
            self.passed = [a + float(b) for a, b in zip(self.passed, passed[:, 0], strict=True)]
        steps = self._env_steps(members, self.learner.to_bounds(actions)[:, 0])
        seen = np.stack([self._seen(k, step) for k, step in zip(members, steps, strict=True)])
        told = (recorded_reward(self.pool.task, x.reward, x.completed) for x in steps)
        rewards = [self.reward_scale * reward + self.reward_shift for reward in told]
        following = torch.from_numpy(seen)
        self.buffer.add(
            Batch(
                observations=shown[:, 0],
                actions=actions[:, 0],
                rewards=torch.tensor(rewards, dtype=torch.float32, device=device),
                terminated=torch.tensor([float(s.terminated) for s in steps], device=device),
                next_observations=following.to(device),
            )
        )
        for k, step in enumerate(steps):
            self._under_way.add(k, step.reward, rewards[k], self.learner.discount)
            if step.terminated or step.truncated:
                self._end(k, step)
                following[k] = self._reset(k)
        return following[:, None]

    def _seen(self, member: int, step: Step) -> NDArray[np.float32]:
        """The observation after a step; of a last state, which nothing is learned from, 0."""
        if step.terminated:
            return np.nan_to_num(step.observation, nan=0.0, posinf=0.0, neginf=0.0)
        if not np.isfinite(step.observation).all():
            failure = Failure("the last observation of an episode is not finite")
            raise self._error(member, f"step {self._under_way.length[member] + 1}", failure)
        return step.observation

    def _end(self, member: int, step: Step) -> None:
        fell = step.terminated and not step.success
        ended = self._under_way.end(member, self.steps, fell)
        self.episodes[member].append(ended)
        self.buffer.end_episode(member, ended.length, step.terminated)

    def _error(self, member: int, when: str, failure: Failure) -> EvaluationError:
        return EvaluationError(
            f"the environment {self.pool.task.env_id} failed in training episode "
            f"{len(self.episodes[member])} of {self.labels[member]}, at {when}: {failure.reason}"
        )
