"""Logs an evaluation, draws it, and tells the person who watches."""

from collections.abc import Callable
from dataclasses import dataclass

import psutil
from torch import Tensor

from ivr.evaluation.pictures import maze_picture, value_map
from ivr.mazes import Maze
from ivr.training.loggers.protocol import MemberLogger, Scalars
from ivr.training.loggers.tensorboard import MemberTensorBoard
from ivr.training.scoring.evaluator import Evaluated
from ivr.training.scoring.scores import describe

_NOT_LOGGED = ("episodes", "success_low", "success_high")
"""Of a record: what does not change, and intervals, which result.json has."""

# A picture takes about a third of a second to draw.
MAX_PICTURES = 4


@dataclass(frozen=True)
class EvaluationReport:
    """Reports evaluations to the loggers and to a person."""

    loggers: list[MemberLogger]
    maze: Maze | None
    """In which the policies walk; None where there is nothing to draw."""
    observations: Tensor
    """Some of the data's, for the value map of a maze."""
    announce: Callable[[str, str], None]
    """Shows a line, and a score in a few words."""

    def send(self, evaluated: Evaluated) -> None:
        """Log the scores and pictures, and announce the scores."""
        seconds = evaluated.seconds
        members = len(evaluated.scores)
        scalars = metrics(evaluated) | {
            "evaluation/seconds": [seconds] * members,
            "evaluation/resident_mib": [psutil.Process().memory_info().rss / 2**20] * members,
        }
        for logger in self.loggers:
            logger.log(evaluated.update, scalars, {})
            if isinstance(logger, MemberTensorBoard) and evaluated.result.paths is not None:
                self._draw(evaluated, logger)
        shown = ", ".join(describe(score) for score in evaluated.scores)
        episodes = evaluated.result.returns.shape[1]
        line = f"update {evaluated.update}: {shown} ({episodes} episodes, {seconds:.1f} s)"
        self.announce(line, f"{evaluated.result.score.mean():.1f}")

    def _draw(self, evaluated: Evaluated, logger: MemberTensorBoard) -> None:
        result, policy, members = evaluated.result, evaluated.policy, len(evaluated.scores)
        assert self.maze and result.paths is not None and result.successes is not None
        for k in range(min(members, MAX_PICTURES)):
            values = value_map(
                policy, k, members, self.observations, self.maze, policy.module.device
            )
            title = f"update {evaluated.update}: {describe(evaluated.scores[k])}"
            picture = maze_picture(self.maze, result.paths[k], result.successes[k], values, title)
            logger.log_image(evaluated.update, k, "evaluation/maze", picture)


def metrics(evaluated: Evaluated) -> Scalars:
    """Name the numbers of an evaluation, `evaluation/score` among them, as loggers show them.

    `evaluation/score` is what decides which policy is the best: the normalised score (100 x the
    success rate where success is the metric), or the return where there is no reference.
    """
    named: Scalars = {"evaluation/score": evaluated.result.score.tolist()}
    for name, first in evaluated.scores[0].items():
        if name not in _NOT_LOGGED and first is not None:
            named[f"evaluation/{name}"] = [float(s[name] or 0) for s in evaluated.scores]
    return named
