"""Measures policies and critics on episodes that were kept out of training."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.data.dataset import OfflineDataset
from ivr.data.serving.returns import discounted_returns, first_transitions
from ivr.errors import UserError, nearest
from ivr.training.scoring.scores import Score
from ivr.types import Batch

HIGHER_IS_BETTER = ("explained_variance",)
"""Of the measures; the others are errors and losses."""


@dataclass(frozen=True)
class HeldOut:
    """What is measured on transitions that are held out, at every evaluation.

    bellman_error: mean squared TD error of the critics, in squared units of the recorded rewards.
    explained_variance: 1 - Var(y - Q) / Var(y) of the critics' mean Q and their targets y: 0 where
    Q knows no more than the targets' mean, 1 where it is exact, in whatever units.
    action_error: mean squared error of the policy at the data's actions, scaled to [-1, 1].
    loss/NETWORK: as in training, without dropout.
    value_start, discounted_return: what the algorithm expects of the episodes where they begin,
    and what came of them to their end, discounted, of the rewards as they are trained on.
    """

    batches: list[Batch]
    """Of axes (B, ...), the same for every member."""
    reward_scale: float
    """By which Bellman errors are divided, squared."""
    episodes: OfflineDataset | None = None
    """Whole, for what is expected of them; None leaves that out."""

    @property
    def transitions(self) -> int:
        """That are measured; windows are counted by their first step."""
        return sum(len(batch.rewards) for batch in self.batches)

    def measure(self, module: OfflineAlgorithm) -> list[Score]:
        """Measure every member: one flat record each, None where a number is not finite."""
        sums: dict[str, Tensor] = {}

        def add(name: str, value: Tensor) -> None:
            """Sum a value (R,) in float64."""
            value = value.detach().double().cpu()
            sums[name] = sums.get(name, torch.zeros_like(value)) + value

        for number, shared in enumerate(self.batches):
            batch = shared.each(lambda part: part.expand(module.runs, *part.shape))
            size = len(shared.rewards)
            for name, loss in module.losses(batch, number).items():
                if name.startswith("loss/"):
                    add(name, size * loss)
            mask = torch.ones_like(batch.rewards) if batch.mask is None else batch.mask
            errors = module.action_errors(batch).double() * mask
            add("action_error", errors.flatten(1).sum(-1))
            add("steps", mask.flatten(1).sum(-1))
            fitted = module.fitted(batch)
            if fitted is None:
                continue
            q, target = (value.double() for value in fitted)
            left = target - q.mean(1)
            add("bellman_error", (q - target[:, None]).square().mean(1).sum(-1))
            for name, value in (("y", target), ("left", left)):
                add(name, value.sum(-1))
                add(f"{name}^2", value.square().sum(-1))
        total = self.transitions
        found = {n: value / total for n, value in sums.items() if n.startswith("loss/")}
        found["action_error"] = sums["action_error"] / sums["steps"]
        if "bellman_error" in sums:
            found["bellman_error"] = sums["bellman_error"] / total / self.reward_scale**2
            of_target, of_rest = (
                sums[f"{name}^2"] / total - (sums[name] / total).square() for name in ("y", "left")
            )
            found["explained_variance"] = 1 - of_rest / of_target
        found |= self._expected(module)
        return [
            {name: _finite(value[k]) for name, value in sorted(found.items())}
            for k in range(module.runs)
        ]

    @torch.no_grad()
    def _expected(self, module: OfflineAlgorithm) -> dict[str, Tensor]:
        """What was expected, and what came: (R,) each; nothing of an algorithm without values."""
        data, discount = self.episodes, getattr(module, "discount", None)
        if data is None or discount is None:
            return {}
        starts = data.observations[data.rows[first_transitions(data)]].to(module.device)
        expected = module.expected_return(starts.expand(module.runs, *starts.shape))
        if expected is None:
            return {}
        returned = discounted_returns(data, discount)[0].mean()
        means = {"value_start": expected.double().mean(-1).cpu(), "discounted_return": returned}
        return {name: mean.expand(module.runs) for name, mean in means.items()}


def followed(by: str, names: list[str]) -> str:
    """The measure that best.ckpt follows where there is no environment.

    Args:
        by: the option `best_by`; auto is the explained variance, or the error of the actions where
            there is no critic.
        names: of the measures.

    Raises:
        UserError: there is no such measure.
    """
    if by == "auto":
        return "explained_variance" if "explained_variance" in names else "action_error"
    if by not in names:
        raise UserError(
            f"best_by={by}: this algorithm has no such measure{nearest(by, names)}. "
            f"There is auto, {', '.join(names)}"
        )
    return by


def check_best_by(by: str, evaluated: bool, split: bool) -> None:
    """Refuse a choice that would decide nothing.

    Raises:
        UserError: best_by is given, and an environment's scores decide, or nothing is held out.
    """
    if by == "auto":
        return
    if evaluated:
        raise UserError(
            f"best_by={by}: this run is evaluated in an environment, and best.ckpt follows its "
            "scores. Leave best_by out"
        )
    if not split:
        raise UserError(
            f"best_by={by}: nothing is held out that it could be measured on. Give split=0.1 too"
        )


def _finite(value: Tensor) -> float | None:
    return float(value) if bool(value.isfinite()) else None
