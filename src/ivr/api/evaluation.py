"""Scores policies in their environment, as `python evaluate.py` does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ivr.api.options import merged
from ivr.api.training import Result
from ivr.config.call import call


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation has found."""

    folder: Path
    """With scores.json, and a picture of each member in a maze."""
    record: dict[str, Any]
    """The contents of scores.json."""

    @property
    def members(self) -> list[dict[str, Any]]:
        """One for each policy: its "seed", "alpha" and "update", and its score."""
        return list(self.record["members"])


def evaluate(
    checkpoint: str | Path | Result,
    *,
    episodes: int | None = None,
    seed: int | None = None,
    env: str | None = None,
    folder: str | Path | None = None,
    verbose: bool = True,
    **options: Any,
) -> Evaluation:
    """Score the policies of a checkpoint again: `python evaluate.py` with the same options.

    Args:
        checkpoint: a last.ckpt or best.ckpt, or a training's result, whose last.ckpt is taken.
        episodes: for each member.
        seed: of the start states, which are others than those of the training's evaluations.
        env: another environment than the run's.
        folder: for the files, instead of a new one under outputs/evaluations.
        verbose: print the scores.
        options: video, device and class, as in **{"class": "mypackage.Mine"}.

    Raises:
        UserError: for a checkpoint that cannot be used, or a run that has neither an environment
            nor data on this machine.
    """
    if isinstance(checkpoint, Result):
        checkpoint = checkpoint.last_checkpoint
    given = {"checkpoint": checkpoint, "episodes": episodes, "seed": seed, "env": env}
    chosen = merged(given, options)
    record, where = call("evaluate", "run", chosen, folder=folder, verbose=verbose)
    return Evaluation(where, record)
