"""Policies of a checkpoint, on numpy arrays in raw units."""

import operator
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ivr.agreement.names import Names
from ivr.algos.engine.base import OfflineAlgorithm
from ivr.api.episodes import Episodes, chosen
from ivr.config.values import device as available
from ivr.errors import UserError
from ivr.training.best_member import best_member
from ivr.training.checkpoints import load_policy as load
from ivr.training.members import Member
from ivr.types import RememberingPolicy

Floats = NDArray[np.float32]
Choice = int | str | None
"""A member's number, "best", "chosen" for that of `load_policy`, or None for all of them."""


class Trained(Protocol):
    """Whatever has a checkpoint, such as the result of a training."""

    @property
    def last_checkpoint(self) -> Path:
        """Path of its last.ckpt."""


@dataclass(frozen=True, eq=False)
class Policy:
    """The policies of one checkpoint, R members side by side."""

    path: Path
    algorithm: OfflineAlgorithm
    """The LightningModule, on (R, N, O) tensors."""
    description: dict[str, Any]
    """What the checkpoint says of its run: algorithm, data, members."""
    chosen: Choice
    """The member that acts where a call names none."""
    best: int | None
    """The member with the highest score that the checkpoint knows of; None where it knows none."""

    @property
    def members(self) -> list[Member]:
        """The seed and alpha of each."""
        return [Member(*pair) for pair in self.description["members"]]

    @property
    def observation_dim(self) -> int:
        """O."""
        return int(self.description["dataset"]["observation_dim"])

    @property
    def action_low(self) -> Floats:
        """(A,), the least actions."""
        return np.array(self.description["dataset"]["action_low"], np.float32)

    @property
    def action_high(self) -> Floats:
        """(A,), the greatest actions."""
        return np.array(self.description["dataset"]["action_high"], np.float32)

    @property
    def observation_names(self) -> tuple[str, ...]:
        """O names, observation_0 and so on where the data name none."""
        return Names.of(self.description).observations

    @property
    def action_names(self) -> tuple[str, ...]:
        """A names, likewise."""
        return Names.of(self.description).actions

    def __repr__(self) -> str:
        labels = ", ".join(member.label for member in self.members)
        name = type(self.algorithm).__name__
        return (
            f"Policy({name} of {self.path}: {self.observation_dim} observations to "
            f"{len(self.action_low)} actions; members {labels})"
        )

    def act(self, observations: ArrayLike, *, member: Choice = "chosen") -> Floats:
        """The deterministic action in every observation, in the units of the data.

        Args:
            observations: (O,) or (N, O), raw: not normalised.
            member: a number, "best", or None for all; "chosen" is that of `load_policy`.

        Returns:
            (A,) or (N, A); with all members (R, A) or (R, N, A).

        Raises:
            UserError: another shape, numbers that are not finite, or a policy that remembers its
                episode, which `begin` is for.
        """
        if isinstance(self.algorithm, RememberingPolicy):
            raise UserError(
                f"{self.path}: this policy remembers its episode, so that its action depends on "
                "more than the observation. Play with episode = policy.begin() and "
                "episode.act(observation, reward)"
            )
        index = self._index(member)
        batch, single = self._batch(observations)
        with torch.inference_mode():
            actions = self.algorithm.act(batch.expand(self.algorithm.runs, -1, -1))
        return chosen(actions, index, single)

    def value(self, observations: ArrayLike, *, member: Choice = "chosen") -> Floats | None:
        """V(s) of observations (O,) or (N, O): () or (N,), of all members with R before.

        It is of the rewards as they were trained on; None where the algorithm learns no V.

        Raises:
            UserError: as `act` does.
        """
        index = self._index(member)
        batch, single = self._batch(observations)
        with torch.inference_mode():
            values = self.algorithm.state_value(batch.expand(self.algorithm.runs, -1, -1))
        return None if values is None else chosen(values, index, single)

    def begin(self, episodes: int | None = None, *, member: Choice = "chosen") -> "Episodes":
        """Begin episodes with an empty memory; works for every policy.

        Args:
            episodes: N, for observations (N, O); None for one, whose observations are (O,).
            member: as for `act`.

        Raises:
            UserError: another number of episodes, or no such member.
        """
        whole = isinstance(episodes, int | np.integer) and not isinstance(episodes, bool)
        if episodes is not None and not (whole and episodes > 0):
            raise UserError(f"episodes={episodes!r:.80}: must be a whole number from 1, or None")
        return Episodes(self.algorithm, episodes, self._index(member), self._batch)

    def _index(self, member: Choice) -> int | None:
        choice = self.chosen if member == "chosen" else member
        if choice is None:
            return None
        labels = [one.label for one in self.members]
        numbered = ", ".join(f"{k} ({label})" for k, label in enumerate(labels))
        if choice == "best":
            if len(labels) == 1:
                return 0
            if self.best is None:
                raise UserError(
                    f"{self.path} holds {len(labels)} members and no score of any: choose one with "
                    f"member=, of {numbered}; None takes all"
                )
            return self.best
        try:
            index = operator.index(choice)  # type: ignore[arg-type]
        except TypeError:
            index = -1
        index = -1 if isinstance(choice, bool) else index
        if not 0 <= index < len(labels):
            raise UserError(
                f"member={choice}: {self.path} holds {numbered}; best is the one with the highest "
                "score, None takes all"
            )
        return index

    def _order(self) -> str:
        names = self.observation_names
        return ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:12])}, ..."

    def _batch(self, observations: ArrayLike) -> tuple[Tensor, bool]:
        """(1, N, O) on the policy's device, and whether a single observation was given."""
        width = self.observation_dim
        try:  # numpy raises a RuntimeError for a tensor that requires a gradient
            array = np.asarray(observations, np.float32)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError(
                f"observations: {error}. Give an array of numbers, ({width},) or (N, {width}), in "
                f"this order: {self._order()}"
            ) from None
        if array.ndim not in (1, 2) or array.shape[-1] != width:
            raise UserError(
                f"observations have shape {array.shape}: this policy takes ({width},) for one, or "
                f"(N, {width}) for N of them, raw and in this order: {self._order()}"
            )
        if not np.isfinite(array).all():
            *row, number = np.argwhere(~np.isfinite(array))[0].tolist()
            of = f" of observation {row[0]}" if row else ""
            raise UserError(
                f"{self.observation_names[number]}{of} is {array[*row, number]}: every number must "
                "be finite"
            )
        batch = torch.from_numpy(np.array(np.atleast_2d(array)))
        return batch[None].to(self.algorithm.device), array.ndim == 1


def load_policy(
    path: str | os.PathLike[str] | Trained,
    *,
    member: Choice = "best",
    device: str = "cpu",
    trusted_class: str | type | None = None,
) -> Policy:
    """Load the policies of a checkpoint; no simulator and no data are needed.

    Args:
        path: of a last.ckpt, or of a best.ckpt, which holds every member as it was at its own best;
            of a training's result its last.ckpt is taken.
        member: that acts: a number, "best" for the one with the highest score that the checkpoint
            knows of, None for all.
        device: cpu, cuda, cuda:1, or auto.
        trusted_class: the algorithm's class or its path, where it is of a package of your own and
            this process has not named it yet; importing it runs the code of its module.

    Raises:
        UserError: no such file, a damaged one, or no such member.
    """
    path = getattr(path, "last_checkpoint", path)
    if not isinstance(path, str | os.PathLike):
        raise UserError(f"path={path!r:.80}: must be the path of a checkpoint, or a result")
    if isinstance(trusted_class, type):
        trusted_class = f"{trusted_class.__module__}.{trusted_class.__qualname__}"
    algorithm, content = load(Path(path), trusted_class)
    policy = Policy(
        Path(path), algorithm.to(available(device)), content["ivr"], member, best_member(content)
    )
    if member != "best":
        policy._index(member)
    return policy
