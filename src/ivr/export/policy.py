"""One member of a checkpoint as a function of raw observations alone."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.errors import UserError
from ivr.training.best_member import best_member
from ivr.training.members import Member
from ivr.types import RememberingPolicy

_PER_MEMBER = ("seeds", "alpha")
"""Arguments of constructors with one entry a member."""


class RawPolicy(nn.Module):
    """Raw observations (N, O) to actions (N, A) in the data's units, float32 both."""

    def __init__(self, member: OfflineAlgorithm) -> None:
        super().__init__()
        self.member = member
        self.eval().requires_grad_(False)

    def forward(self, observations: Tensor) -> Tensor:
        return self.member.act(observations[None])[0]


def one_member(algorithm: OfflineAlgorithm, description: Mapping[str, Any], k: int) -> RawPolicy:
    """Member k by itself, with what normalises its observations and scales its actions.

    Args:
        algorithm: of the checkpoint, with its weights.
        description: of its run.
        k: number of the member.

    Raises:
        UserError: the policy's action depends on more than the latest observation.
    """
    if isinstance(algorithm, RememberingPolicy):
        raise UserError(
            f"{type(algorithm).__name__} cannot be exported: its action depends on more of an "
            "episode than the latest observation (what it has seen and done, or how many steps ago "
            "it began), so a function of the observation alone would be another policy. "
            "ivr.load_policy(path).begin() plays it from Python"
        )
    arguments: dict[str, Any] = {
        key: [value[k]] if key in _PER_MEMBER and isinstance(value, list | tuple) else value
        for key, value in description["arguments"].items()
    }
    member = type(algorithm)(**arguments)
    member.load_state_dict({name: x[k : k + 1] for name, x in algorithm.state_dict().items()})
    return RawPolicy(member)


def number_of(choice: int | str, content: Mapping[str, Any]) -> int:
    """The member that `member=` names.

    Raises:
        UserError: there is none of that number, or best is not known.
    """
    labels = [Member(*pair).label for pair in content["ivr"]["members"]]
    listed = ", ".join(f"{k} ({label})" for k, label in enumerate(labels))
    if choice == "best":
        best = 0 if len(labels) == 1 else best_member(content)
        if best is None:
            raise UserError(
                f"member=best: the checkpoint knows no score of its members. Give one of {listed}"
            )
        return best
    if isinstance(choice, bool) or not isinstance(choice, int) or not 0 <= choice < len(labels):
        raise UserError(f"member={choice}: must be best, or a number of {listed}")
    return choice


@torch.no_grad()
def largest_difference(actions: Tensor, wanted: Tensor, low: Tensor, high: Tensor) -> float:
    """Of actions (N, A), in parts of each action's range."""
    span = (high - low).clamp(min=torch.finfo(torch.float32).tiny)
    return float(((actions - wanted).abs() / span).max())
