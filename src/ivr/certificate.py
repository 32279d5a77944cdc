"""Certifies that policies are scored in the environment that their data were collected in.

A few recorded actions are taken once more, each from its recorded state, in the environment of the
evaluation, and what is then observed is compared with what was recorded. Nothing that happens here
stops a training: where it cannot be done, the certificate says why.
"""

import dataclasses
import warnings
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ivr import random
from ivr.agreement.views import join, view_keys
from ivr.data.opening import open_source
from ivr.data.sources.source import RecordedSteps, Source, States
from ivr.data.spec import DataSpec
from ivr.environments.replay import Floats, replay, states
from ivr.environments.replay_error import ReplayError, replay_error
from ivr.environments.rounding import FINE, precision, rounding
from ivr.errors import UserError, printable
from ivr.evaluation.task.task import Task

PLACES, LENGTH = 32, 8
"""Places that steps are taken from, and how many consecutive ones from each."""

ADVICE = (
    "Scores are made in another environment than the data were collected in. Name that one with "
    "dataset.env and dataset.env_kwargs, or read the scores as those of a transfer"
)
"""What to do about a certificate that differs."""

_AGREEMENT = 0.9
"""Share of recorded states that must be what is observed, for a column of states to be believed."""


@dataclass(frozen=True)
class Certificate:
    """How exactly the environment of an evaluation repeats the data."""

    environment: str
    """With the versions of its packages."""
    error: ReplayError | None = None
    states: str | None = None
    """Where the states were read, in words."""
    precision: int = 24
    """Bits that the coarsest column of the records is kept in."""
    missing: str | None = None
    """Why there is no error to show."""

    @property
    def status(self) -> str:
        """exact, close, differs or "not certified"."""
        if self.error is None:
            return "not certified"
        return "exact" if self.error.exact else "close" if self.error.close else "differs"

    @property
    def in_words(self) -> str:
        """One line."""
        if self.error is None:
            return f"not certified: {self.missing}"
        median, most, largest = self.error.overall
        rounded = f" (records rounded to {self.precision} bits)" if self.precision < FINE else ""
        return (
            f"{self.status}{rounded}: {self.error.transitions} recorded steps replayed in "
            f"{self.environment.partition(' ')[0]} from {self.states} are off by {median:.2g} "
            f"(median), {most:.2g} (99 %), {largest:.2g} (largest) standard deviations"
        )

    def describe(self) -> dict[str, Any]:
        """The certificate in plain types; triples are median, 99th percentile and largest."""
        found: dict[str, Any] = {
            "status": self.status,
            "environment": self.environment,
            "words": self.in_words,
        }
        if self.error is not None:
            found |= {
                "transitions": self.error.transitions,
                "states": self.states,
                "precision_bits": self.precision,
                "unexplained": float(f"{self.error.unexplained:.4g}"),
                "deviations": _plain(self.error.overall),
                "deviations_by_number": [_plain(triple) for triple in self.error.deviations],
                "units_by_number": [_plain(triple) for triple in self.error.units],
            }
        return found


def certify(data: DataSpec | Source, task: Task) -> Certificate:
    """Replay some steps of the data in the task's environment.

    Args:
        data: on this machine; which steps are taken depends on nothing but their number.
        task: what policies are scored in.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # whoever reads all of the data has said them
            source = open_source(data, progress=False) if isinstance(data, DataSpec) else data
            return _certify(source, task)
    except Exception as error:  # whatever a file or an environment raises
        kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        reason = " ".join(printable(f"{kind}{error}").split())
        return Certificate(task.environment, missing=reason)


def _plain(triple: tuple[float, float, float]) -> list[float | None]:
    """Four digits of each number; None of one that is not finite."""
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in triple]


def _certify(source: Source, task: Task) -> Certificate:
    # Goals are drawn anew and are not compared.
    view = "d4rl" if task.view == "goal_conditioned" else task.view
    draws = torch.rand(PLACES, generator=random.generator(0, "replay"), dtype=torch.float64)
    steps = source.sample(sorted(draws.tolist()), LENGTH)
    keys = view_keys(view, steps.before)
    before, after = join(keys, steps.before), join(keys, steps.after)
    with closing(dataclasses.replace(task, view=view).make_env()) as env:
        known, qpos, qvel, words = _states(steps, states(env, before), task.env_id)
        records = qpos[known], qvel[known], steps.actions[known], before[known]
        replayed, rounded = replay(env, *records), rounding(env, *records)
    error = replay_error(replayed, after[known], rounded=rounded)
    return Certificate(task.environment, error, words, precision(*records[:3]))


def _states(
    steps: RecordedSteps, seen: tuple[Floats, Floats, NDArray[np.bool_]] | None, env_id: str
) -> tuple[NDArray[np.bool_], Floats, Floats, str]:
    """The state before each step: whether it is known (N,), qpos, qvel, and where they were read.

    Args:
        steps: N of them.
        seen: the states that the observations show, and where they do; see `states`.
        env_id: for the message.

    Raises:
        UserError: neither the data nor the observations have states.
    """
    for recorded in (steps.states, steps.states_above):
        if recorded is not None and (seen is None or _shown(recorded, *seen)):
            qpos, qvel = (np.asarray(part, np.float64) for part in recorded)
            known = np.isfinite(qpos).all(1) & np.isfinite(qvel).all(1)
            return np.asarray(known), qpos, qvel, "their recorded states"
    if seen is None:
        raise UserError(
            f"the data record no states (infos/qpos, infos/qvel), and an observation of {env_id} "
            "does not show the whole of one"
        )
    return seen[2], seen[0], seen[1], "their observations"


def _shown(recorded: States, qpos: Floats, qvel: Floats, certain: NDArray[np.bool_]) -> bool:
    """Whether recorded states are those of the observations, and not of other rows."""
    if (recorded.qpos.shape, recorded.qvel.shape) != (qpos.shape, qvel.shape):
        return False
    certain = certain & np.isfinite(recorded.qvel).all(1)
    same = np.isclose(recorded.qvel, qvel, rtol=1e-3, atol=1e-3).all(1)
    return bool(same[certain].mean() >= _AGREEMENT) if certain.any() else False
