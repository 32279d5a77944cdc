"""result.json: what was run, on what, and how it ended."""

import importlib.metadata
import platform
import subprocess
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from ivr.files import write_json
from ivr.training.callbacks.evaluate import EvaluationCallback
from ivr.training.callbacks.guard import DivergenceGuard
from ivr.training.callbacks.held_out import HeldOutCallback
from ivr.training.callbacks.states import checked
from ivr.training.loggers.protocol import MemberLogger
from ivr.training.members import Member
from ivr.training.plain import duration
from ivr.training.scoring.scores import Score

_PACKAGES = (
    "ivr",
    "torch",
    "pytorch-lightning",
    "gymnasium",
    "gymnasium-robotics",
    "minari",
    "mujoco",
    "numpy",
)


class ResultFile:
    """Writes result.json whole, as often as asked.

    Args:
        path: of the file.
        facts: what is known before the run starts, in the file's order.
        members: one for each run.
        stopped: what is known of members that were stopped earlier.
    """

    def __init__(
        self,
        path: Path,
        facts: dict[str, Any],
        members: Sequence[Member],
        stopped: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.path = path
        self.facts = facts
        self.members = members
        self.stopped = stopped
        self.earlier_seconds = 0.0
        self._started = time.perf_counter()

    @property
    def wall_seconds(self) -> float:
        """Of this process and of those that it resumed."""
        return self.earlier_seconds + time.perf_counter() - self._started

    def write(
        self,
        status: str,
        *,
        update: int,
        updates_per_second: float | None,
        last: Sequence[Score],
        best: Sequence[Score | None],
        failures: Sequence[dict[str, Any]] = (),
        diverged: Sequence[dict[str, Any] | None] = (),
        stopped_early: bool = False,
        measures: Sequence[dict[str, Any]] = (),
        held_out: Sequence[dict[str, Any]] = (),
        last_episodes: Sequence[dict[str, Any]] = (),
        best_episodes: Sequence[dict[str, Any]] = (),
    ) -> dict[str, Any]:
        """Write and return the contents; `status` is running, finished, interrupted or failed."""
        result = {
            **self.facts,
            "status": status,
            # Which of two results is the later one, wherever their files were copied to.
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "stopped_early": stopped_early,
            "updates_done": update,
            "failed_evaluations": list(failures),
            "wall_seconds": round(self.wall_seconds, 2),
            "updates_per_second": updates_per_second and round(updates_per_second, 2),
            "members": [
                {
                    "seed": member.seed,
                    "alpha": member.alpha,
                    "diverged": diverged[k] if diverged else None,
                    "last": last[k] if last else None,
                    "best": best[k] if best else None,
                    "episodes": {
                        "last": last_episodes[k] if last_episodes else None,
                        "best": best_episodes[k] if best_episodes else None,
                    },
                    **({"online": measures[k]} if measures else {}),
                    **({"held_out": held_out[k]} if held_out else {}),
                }
                for k, member in enumerate(self.members)
            ]
            + [dict(member) for member in self.stopped],
        }
        written: dict[str, Any] = write_json(self.path, result)
        return written


class Measuring(pl.Callback):
    """A callback that measures members beside their evaluations, as one that collects data does."""

    loggers: Sequence[MemberLogger] = ()
    """Of the run, once they are open."""

    @abstractmethod
    def measures(self) -> list[dict[str, Any]]:
        """Plain values of each member, which result.json shows as "online"."""


class ResultWriter(pl.Callback):
    """Keeps result.json up to date: at the start, and after every evaluation.

    Args:
        file: where to.
        evaluation: whose scores; None where nothing is evaluated.
        guard: knows which members diverged.
        measuring: what else is known of the members; None for nothing.
        held_out: what is measured on what was held out; None for nothing.
    """

    def __init__(
        self,
        file: ResultFile,
        evaluation: EvaluationCallback | None,
        guard: DivergenceGuard,
        measuring: Measuring | None = None,
        held_out: HeldOutCallback | None = None,
    ) -> None:
        self.file = file
        self.evaluation = evaluation
        self.guard = guard
        self.measuring = measuring
        self.held_out = held_out
        self._started: tuple[float, int, float] | None = None
        self._speed: float | None = None
        self._written_at = 0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._started = (time.perf_counter(), trainer.global_step, self._evaluation_seconds)
        self.write("running", trainer.global_step)

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        evaluated = self.evaluation.evaluated_at if self.evaluation else 0
        measured = self.held_out.measured_at if self.held_out else 0
        if max(evaluated, measured) > self._written_at:
            self._written_at = max(evaluated, measured)
            self.write("running", trainer.global_step)

    @property
    def started(self) -> bool:
        """Whether the training began; before that there is nothing to write."""
        return self._started is not None

    def state_dict(self) -> dict[str, Any]:
        return {"wall_seconds": self.file.wall_seconds, "speed": self._speed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        checks = {"wall_seconds": duration, "speed": lambda x: x is None or duration(x)}
        state = checked("ResultWriter", state_dict, checks)
        self.file.earlier_seconds = state["wall_seconds"]
        self._speed = state["speed"]

    def write(self, status: str, update: int, stopped_early: bool = False) -> dict[str, Any]:
        """Write now; the speed is that of the latest process, its evaluations left out."""
        if self._started is not None and update > self._started[1]:
            since, first, evaluated = self._started
            seconds = time.perf_counter() - since - (self._evaluation_seconds - evaluated)
            self._speed = (update - first) / seconds
        return self.file.write(
            status,
            update=update,
            updates_per_second=self._speed,
            stopped_early=stopped_early,
            last=self.evaluation.last if self.evaluation else [],
            best=self.evaluation.best.known if self.evaluation else [],
            last_episodes=self.evaluation.episodes if self.evaluation else [],
            best_episodes=self.evaluation.best.episodes if self.evaluation else [],
            diverged=self.guard.diverged,
            failures=self.evaluation.failures if self.evaluation else (),
            measures=self.measuring.measures() if self.measuring else (),
            held_out=self._held_out(),
        )

    @property
    def known(self) -> list[dict[str, float | int | None]]:
        """The numbers of each member at the end: its scores, and what was measured beside them."""
        scores = self.evaluation.last if self.evaluation else []
        measured = self.held_out.last if self.held_out else []
        named = [{f"held_out/{key}": x for key, x in record.items()} for record in measured]
        if not scores or not named:
            return scores or named
        return [score | record for score, record in zip(scores, named, strict=True)]

    def _held_out(self) -> list[dict[str, Any]]:
        """The latest measures of each member, and those that best.ckpt was written at."""
        callback = self.held_out
        if callback is None or not callback.last:
            return []
        best = callback.best.known if callback.best else [None] * len(callback.last)
        return [
            {"last": last, "best": record, "best_by": callback.followed}
            for last, record in zip(callback.last, best, strict=True)
        ]

    @property
    def _evaluation_seconds(self) -> float:
        seconds = self.evaluation.seconds if self.evaluation else 0.0
        return seconds + (self.held_out.seconds if self.held_out else 0.0)


def versions() -> dict[str, str]:
    """Of Python and of the packages that a number depends on."""
    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in _PACKAGES
    }


def git_commit() -> str | None:
    """The commit of this code, with `-dirty` where it was changed; None outside a repository."""
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
