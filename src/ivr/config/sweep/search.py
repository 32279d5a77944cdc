"""A search by Optuna: each trial is a job of a sweep, and the study lies in the sweep's folder.

Hydra's plugin for Optuna (hydra-optuna-sweeper 1.3.0) takes Optuna before 3 only, and leaves trials
that were killed as they are. What it would do is little: ask, train, tell.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from ivr.config.sweep.study import Study
from ivr.errors import UserError
from ivr.sweeps.names import settings

_SAMPLERS = ("tpe", "random")


def search(
    sweeper: BasicSweeper,
    arguments: Sequence[str],
    n_trials: int,
    n_jobs: int,
    sampler: str,
    seed: int,
    direction: str | None,
) -> float | None:
    """Run trials until the study has so many.

    Args:
        sweeper: set up by Hydra.
        arguments: overrides; what is swept over is searched over.
        n_trials: that end, failed ones among them.
        n_jobs: trials at once.
        sampler: of `_SAMPLERS`.
        seed: of the proposals.
        direction: maximize or minimize; None for the metric's own.

    Returns:
        The best value; None where no trial has one.

    Raises:
        SystemExit: the search cannot begin or go on; what is printed says why.
    """
    try:
        fixed, space = _space(sweeper, arguments)
        assert sweeper.config is not None
        metric = str(sweeper.config.get("optimized_metric") or "evaluation/score")
        direction = direction or _direction(metric)
        _check(n_trials, n_jobs, sampler, direction)
        folder = Path(str(sweeper.config.hydra.sweep.dir)).absolute()
        of = settings(fixed) | {"optimized_metric": metric}
        study = Study(folder, direction, sampler, seed, space, of)
        if sweeper.config.get("failed") == "retry":
            study.retry()
        while batch := study.next(n_trials, n_jobs):
            study.run(sweeper, fixed, batch)
    except UserError as error:
        raise SystemExit(f"Error: {error}") from None
    return study.tell(metric)


def _space(sweeper: BasicSweeper, arguments: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """The overrides that all trials have, and a distribution for each option searched over."""
    assert sweeper.hydra_context is not None
    parser = OverridesParser.create(config_loader=sweeper.hydra_context.config_loader)
    given = parser.parse_overrides(list(arguments))
    searched = [override for override in given if override.is_sweep_override()]
    if not searched:
        words = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
        searched = parser.parse_overrides(words)
    fixed = [o.input_line or "" for o in given if not o.is_sweep_override()]
    return fixed, {o.get_key_element(): _distribution(o) for o in searched}


def _distribution(override: Override) -> Any:
    """Optuna's distribution of a sweep: of numbers between two, or of some values."""
    try:
        from optuna import distributions
    except ImportError:
        return None  # `Study` says so
    value = override.value()
    try:
        if isinstance(value, IntervalSweep):
            low, high = value.start, value.end
            assert low is not None and high is not None
            log_scale = "log" in value.tags
            if "int" in value.tags:
                return distributions.IntDistribution(int(low), int(high), log=log_scale)
            return distributions.FloatDistribution(low, high, log=log_scale)
        if isinstance(value, RangeSweep) and isinstance(value.step, int):
            return distributions.IntDistribution(
                int(value.start or 0), int(value.stop or 0) - 1, step=value.step
            )
        choices = list(override.sweep_string_iterator())
        return distributions.CategoricalDistribution(choices)
    except ValueError as error:
        raise UserError(f"{override.input_line}: {error}") from None


def _direction(metric: str) -> str:
    if metric.startswith("held_out/"):
        from ivr.training.scoring.held_out import HIGHER_IS_BETTER  # takes seconds: torch

        more = metric.removeprefix("held_out/") in HIGHER_IS_BETTER
    else:
        more = not metric.startswith(("evaluation/bellman_error", "loss/"))
    return "maximize" if more else "minimize"


def _check(n_trials: int, n_jobs: int, sampler: str, direction: str) -> None:
    for name, value in (("n_trials", n_trials), ("n_jobs", n_jobs)):
        if not isinstance(value, int) or value < 1:
            raise UserError(f"hydra.sweeper.{name}={value}: must be a whole number from 1")
    if sampler not in _SAMPLERS:
        raise UserError(f"hydra.sweeper.sampler={sampler}: must be {' or '.join(_SAMPLERS)}")
    if direction not in ("maximize", "minimize"):
        raise UserError(f"hydra.sweeper.direction={direction}: must be maximize or minimize")
