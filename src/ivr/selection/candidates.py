"""The policies that one is to be chosen of, whichever algorithms and checkpoints they are of."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.data.dataset import OfflineDataset
from ivr.training.checkpoints import load_policy
from ivr.training.members import Member
from ivr.types import Batch, Policy, RememberingPolicy

log = logging.getLogger(__name__)

_ROWS = 1 << 15


@dataclass(frozen=True)
class Candidate:
    """A policy, and where it comes from; what is not known of it is None."""

    name: str
    algo: str | None = None
    checkpoint: str | None = None
    member: int = 0
    seed: int | None = None
    alpha: float | None = None
    update: int | None = None


@dataclass(frozen=True)
class Group:
    """Policies that act together, such as the members of a checkpoint."""

    policy: Policy
    """R policies, from raw observations (R, N, O) to actions (R, N, A) in their own units."""
    candidates: Sequence[Candidate]
    """One for each member that is ranked."""
    members: Sequence[int]
    """Their places among the R."""
    runs: int
    """R."""
    reward_scale: float = 1.0
    reward_shift: float = 0.0
    """The policies' own critics were trained on reward_scale times the recorded rewards plus it."""

    def act(self, observations: Tensor) -> Tensor:
        """(P, N, O) raw observations, or (N, O) for all, to (P, N, A), P the candidates."""
        return self.policy.act(self._spread(observations))[list(self.members)]

    @torch.no_grad()
    def own_value(self, observations: Tensor, actions: Tensor) -> Tensor | None:
        """The algorithm's own Q of raw observations (N, O) and scaled actions (P, N, A): (P, N).

        None without a critic. In units of the recorded rewards, but for the shift.
        """
        if not isinstance(self.policy, OfflineAlgorithm):
            return None
        found = self.policy.action_value(self._spread(observations), self._spread(actions))
        return None if found is None else found[list(self.members)] / abs(self.reward_scale)

    def own_td_error(self, batch: Batch) -> Tensor | None:
        """Root of the mean squared TD error of its own critic on transitions (N, ...): (P,).

        None without a critic. Rewards are recorded ones, and so are the units.
        """
        if not isinstance(self.policy, OfflineAlgorithm):
            return None
        rewards = batch.rewards * abs(self.reward_scale) + self.reward_shift
        spread = batch._replace(rewards=rewards).each(lambda x: x.expand(self.runs, *x.shape))
        found = self.policy.bellman_error(spread)
        if found is None:
            return None
        return found[list(self.members)].sqrt() / abs(self.reward_scale)

    def _spread(self, given: Tensor) -> Tensor:
        """(N, X) for every member, or (P, N, X) for each candidate, to (R, N, X)."""
        if given.dim() == 2:
            return given.expand(self.runs, *given.shape)
        if len(self.members) == self.runs:
            return given
        spread = given.new_zeros(self.runs, *given.shape[1:])
        spread[list(self.members)] = given
        return spread


@dataclass(frozen=True)
class PolicySet:
    """P policies of several groups, which act as one `Policy` with P members."""

    groups: Sequence[Group]
    left_out: Sequence[tuple[str, str]] = field(default=())
    """What cannot be ranked: its name, and why."""

    @property
    def candidates(self) -> list[Candidate]:
        """In the order of the leading axis."""
        return [candidate for group in self.groups for candidate in group.candidates]

    def act(self, observations: Tensor) -> Tensor:
        """Raw (P, N, O) to (P, N, A), in each policy's own units."""
        parts = torch.split(observations, [len(group.candidates) for group in self.groups])
        acted = [g.act(part) for g, part in zip(self.groups, parts, strict=True)]
        return torch.cat(acted)

    def state_value(self, observations: Tensor) -> Tensor | None:
        """Know no values."""
        return None

    @torch.no_grad()
    def actions_at(self, observations: Tensor, dataset: OfflineDataset) -> Tensor:
        """What each does at observations (N, O): (P, N, A), scaled as the data's actions are."""
        low, high = (
            torch.tensor(bound) for bound in (dataset.info.action_low, dataset.info.action_high)
        )
        parts = []
        for rows in torch.split(observations, _ROWS):
            acted = torch.cat([group.act(rows) for group in self.groups])
            parts.append((2 * (acted - low) / (high - low) - 1).clamp(-1, 1))
        return torch.cat(parts, 1)


def load_candidates(
    paths: Sequence[Path], trusted_class: str | None = None
) -> tuple[PolicySet, list[dict[str, Any]]]:
    """Load every member of checkpoints; returns them, and what each checkpoint says of its run.

    A policy that is not a function of the observation alone is left out, and so is one that is
    there twice, as where best.ckpt is the last one.

    Raises:
        UserError: a checkpoint cannot be used; see `load_policy`.
    """
    groups, left_out, descriptions = [], [], []
    seen: set[tuple[Any, ...]] = set()
    names = _names(paths)
    for path, place in zip(paths, names, strict=True):
        policy, content = load_policy(path, trusted_class)
        description = content["ivr"]
        algo = _algorithm(description)
        if isinstance(policy, RememberingPolicy):
            why = "its action depends on more of an episode than the observation"
            left_out.append((f"{algo} {place}".strip(), why))
            continue
        updates = content.get("updates") or [content["updates_done"]] * policy.runs
        candidates, members = [], []
        for k, (pair, update) in enumerate(zip(description["members"], updates, strict=True)):
            # Of one run, the same member after the same updates.
            key = (str(path.parent.resolve()), k, update)
            if key in seen:
                continue
            seen.add(key)
            member = Member(*pair)
            alpha = "" if member.alpha is None else f"alpha{member.alpha:g}"
            name = " ".join(filter(None, (algo, alpha, f"seed{member.seed}", f"@{update}", place)))
            candidates.append(
                Candidate(name, algo, str(path), k, member.seed, member.alpha, update)
            )
            members.append(k)
        if candidates:
            scale, shift = (
                description["dataset"].get(key, usual)
                for key, usual in (("reward_scale", 1.0), ("reward_shift", 0.0))
            )
            groups.append(Group(policy, candidates, members, policy.runs, scale, shift))
            descriptions.append(description)
    return PolicySet(groups, left_out), descriptions


def _algorithm(description: dict[str, Any]) -> str:
    """The module of the class: checkpoints do not hold the option `algo`."""
    config = description["config"].get("algo")
    named = config.get("name") if isinstance(config, dict) else None
    return str(named or description["class"].split(".")[-2])


def _names(paths: Sequence[Path]) -> list[str]:
    """Name each checkpoint by the folders in which it differs from the others."""
    runs = [path.resolve().parent.parent.parts for path in paths]
    shared = 0
    while (
        len(runs) > 1 and len({run[shared : shared + 1] for run in runs}) == 1 and runs[0][shared:]
    ):
        shared += 1
    return ["/".join(run[shared:]) for run in runs]
