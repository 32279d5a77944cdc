"""The number that a training hands to whoever searches over its options."""

import difflib
import math
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl

from ivr.errors import UserError, nearest
from ivr.training.plain import finite
from ivr.training.rungs import MEASURES, RANKED

DEFAULT = "evaluation/score"
METRICS = MEASURES
"""What optimized_metric can be, besides the names of `trainer.callback_metrics` such as
loss/critic: a mean over the members at the last evaluation."""


class LastMetrics(pl.Callback):
    """Keeps the last `trainer.callback_metrics`, in checkpoints too.

    A run that was killed after its last update has nothing left to train, nor to log.
    """

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self._trainer: pl.Trainer | None = None

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Look at this Trainer's metrics from now on."""
        self._trainer = trainer

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Keep the last ones."""
        self.values = self.state_dict()

    def state_dict(self) -> dict[str, float]:
        """Return the metrics of this moment."""
        shared = {} if self._trainer is None else self._trainer.callback_metrics
        return {name: float(value) for name, value in shared.items()} or self.values

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.values = {name: value for name, value in state_dict.items() if finite(value)}


def check_metric(name: str | None, evaluated: bool, split: bool = False) -> None:
    """Refuse before a training a metric that it cannot have.

    Names of the algorithm's own, such as loss/critic, are known when it has trained.

    Args:
        name: of a metric, None for none.
        evaluated: whether the training has an environment to evaluate in.
        split: whether it holds anything out to measure on.

    Raises:
        UserError: there is no such metric, or no evaluation.
    """
    if name in (None, RANKED):
        return
    if name.startswith("held_out/") and not split:
        raise UserError(f"optimized_metric={name}: nothing is held out. Give split=0.1 too")
    near = difflib.get_close_matches(name, METRICS, n=1, cutoff=0.8)
    if name not in METRICS and (near or name.startswith("evaluation/") or "/" not in name):
        raise UserError(f"optimized_metric={name} is unknown{nearest(name, METRICS)}")
    if name in METRICS and not evaluated:
        raise UserError(
            f"optimized_metric={name}: neither the data nor dataset.env name an environment, so "
            "nothing is evaluated"
        )


def check_ranked(option: str, algorithm: type, discount: float, in_pieces: bool) -> None:
    """Refuse before a training to rank policies that a ranking cannot take.

    Args:
        option: that asks for the ranking.
        algorithm: whose policies they are.
        discount: of the training.
        in_pieces: whether a subset cuts the data's episodes.

    Raises:
        UserError: naming the option.
    """
    if hasattr(algorithm, "begin"):
        raise UserError(
            f"{option}={RANKED}: a ranking evaluates policies by the observation alone, and those "
            "of this algorithm depend on more of an episode"
        )
    if discount >= 1:
        raise UserError(
            f"{option}={RANKED}: it takes a discount below 1, or values have no bounds, and "
            f"discount={discount}"
        )
    if in_pieces:
        raise UserError(f"{option}={RANKED}: it takes whole episodes, which this subset= cuts")


def optimized(
    result: dict[str, Any], name: str | None, metrics: Mapping[str, float]
) -> float | None:
    """The metric of a finished training.

    Args:
        result: the contents of its result.json.
        name: of METRICS, or of `metrics`; None for the default where there is one.
        metrics: the last values of `trainer.callback_metrics`.

    Returns:
        The mean over the members that trained to the end; None where no name was given and nothing
        was evaluated.

    Raises:
        UserError: the training does not have the metric, or it is not finite.
    """
    if name is not None and name not in METRICS:
        if not math.isfinite(metrics.get(name, math.nan)):
            raise UserError(
                f"optimized_metric={name}: this training has none, or it is not finite"
                f"{nearest(name, [*metrics, *METRICS])}"
            )
        return metrics[name]
    last = [member["last"] for member in result["members"] if not member.get("stopped")]
    if None in last:
        if name is None:
            return None
        raise UserError(f"optimized_metric={name}: this training ended without an evaluation")
    values = [score_of(score, name or DEFAULT) for score in last]
    if None in values or not all(map(math.isfinite, values)):
        if name is None:
            return None
        there = [metric for metric in METRICS if None not in [score_of(s, metric) for s in last]]
        raise UserError(
            f"optimized_metric={name}: this evaluation has none, or it is not finite; it has "
            f"{', '.join(there)}"
        )
    return math.fsum(values) / len(values)


def score_of(score: dict[str, Any], metric: str) -> Any:
    """A metric of METRICS in the scores of a member, as result.json has them."""
    key = metric.removeprefix("evaluation/")
    if key != "score":
        return score[key]
    normalized = score["normalized_score"]
    return score["return_mean"] if normalized is None else normalized
