"""A search by Optuna: each trial is a job of a sweep, and the study lies in the sweep's folder.

Hydra's plugin for Optuna (hydra-optuna-sweeper 1.3.0) takes Optuna before 3 only, and leaves trials
that were killed as they are. What it would do is little: ask, train, tell.
"""

import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from ivr.config.sweep.run import Sweep
from ivr.errors import UserError
from ivr.files import write_whole
from ivr.sweeps.jobs import is_owned, read_job

log = logging.getLogger(__name__)

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
        study = Study(folder, direction, sampler, seed, space)
        while batch := study.next(n_trials, n_jobs):
            study.run(sweeper, fixed, batch)
    except UserError as error:
        raise SystemExit(f"Error: {error}") from None
    return study.tell(metric)


class Study:
    """Optuna's study in a folder, and the space that it searches.

    Args:
        folder: of the sweep.
        direction: maximize or minimize.
        sampler: of `_SAMPLERS`.
        seed: of the proposals.
        space: options and Optuna's distributions.

    Raises:
        UserError: Optuna is not installed, or the folder's study is another one.
    """

    def __init__(
        self, folder: Path, direction: str, sampler: str, seed: int, space: dict[str, Any]
    ) -> None:
        try:
            import optuna
        except ImportError:
            raise UserError(
                "hparams_search=optuna needs the package optuna, which is not installed. Install "
                "it with `.venv/bin/python -m pip install -e '.[optuna]'`"
            ) from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        folder.mkdir(parents=True, exist_ok=True)
        self.optuna, self.folder, self.space = optuna, folder, space
        self.sampler, self.seed = sampler, seed
        self.study = optuna.create_study(
            storage=f"sqlite:///{folder / 'study.db'}",
            study_name="ivr",
            direction=direction,
            load_if_exists=True,
        )
        if self.study.direction.name.lower() != direction:
            raise UserError(f"{folder} holds a study that does not {direction}: choose another")
        if (searched := self.study.user_attrs.get("searched")) not in (None, sorted(space)):
            raise UserError(
                f"{folder} holds a study of {', '.join(searched)}, not of "
                f"{', '.join(sorted(space))}: choose another folder, as in sweep=other"
            )
        self.study.set_user_attr("searched", sorted(space))

    def next(self, n_trials: int, n_jobs: int) -> list[Any]:
        """The trials to run now: those that a killed process has left, then new proposals."""
        states = self.optuna.trial.TrialState
        trials = self.study.get_trials(deepcopy=False)
        ended = sum(trial.state.is_finished() for trial in trials)
        begun = [trial for trial in trials if trial.state == states.RUNNING]
        free = [trial for trial in begun if not self._elsewhere(trial)][:n_jobs]
        more = min(n_jobs - len(free), n_trials - ended - len(begun))
        return free + [self._ask() for _ in range(max(0, more))]

    def run(self, sweeper: BasicSweeper, fixed: Sequence[str], trials: Sequence[Any]) -> None:
        """Train the trials as jobs of the sweep, and tell the study what came of them."""
        jobs = [[*fixed, *(f"{k}={v}" for k, v in t.params.items())] for t in trials]
        sweep = Sweep(sweeper, jobs, set(self.space))
        for trial, name in zip(trials, sweep.names, strict=True):
            trial.set_user_attr("job", name)  # of one that was begun earlier it is known already
        sweep.finish()
        states = self.optuna.trial.TrialState
        for trial, name in zip(trials, sweep.names, strict=True):
            value, status = sweep.returned(name), read_job(self.folder / name).status
            if value is not None:
                self.study.tell(trial.number, value, skip_if_finished=True)
            elif status in ("failed", "done"):  # done: without a number
                self.study.tell(trial.number, state=states.FAIL, skip_if_finished=True)
        log.info(self.line())
        if sweep.errors:
            raise UserError(f"trials stopped: {'; '.join(dict.fromkeys(sweep.errors))}")

    def line(self) -> str:
        """How the search stands, in one line."""
        trials = self.study.get_trials(deepcopy=False)
        done = [trial for trial in trials if trial.value is not None]
        failed = sum(trial.state.name == "FAIL" for trial in trials)
        best = f", best {self.study.best_value:.4g} of {self._named()}" if done else ""
        return f"search {self.folder.name}: {len(done)} trials done, {failed} failed{best}"

    def tell(self, metric: str) -> float | None:
        """Print the best trial and how much each option mattered; draw that, too."""
        log.info(self.line())
        done = [t for t in self.study.get_trials(deepcopy=False) if t.value is not None]
        if not done:
            raise SystemExit("Error: no trial has a value; job.json in its folder says why")
        best = " ".join(f"{key}={value}" for key, value in self.study.best_params.items())
        log.info(f"best {metric}: {self.study.best_value:.4g} with {best}\n  in {self._named()}")
        if len(done) > 3 and len({trial.value for trial in done}) > 1:
            evaluator = self.optuna.importance.PedAnovaImportanceEvaluator()
            found = self.optuna.importance.get_param_importances(self.study, evaluator=evaluator)
            for key, share in found.items():
                log.info(f"importance of {key}: {share:.0%}")
            picture = _drawn(done, found, metric)
            write_whole(self.folder / "importance.png", lambda file: file.write(picture))
            log.info(f"written to {self.folder / 'importance.png'}")
        value: float = self.study.best_value
        return value

    def _ask(self) -> Any:
        """Propose: as an uninterrupted search would, whatever ran before in this process."""
        number = len(self.study.get_trials(deepcopy=False))
        make = {
            "tpe": self.optuna.samplers.TPESampler,
            "random": self.optuna.samplers.RandomSampler,
        }[self.sampler]
        self.study.sampler = make(seed=self.seed * 1_000_003 + number)
        return self.study.ask(self.space)

    def _elsewhere(self, trial: Any) -> bool:
        job = trial.user_attrs.get("job")
        return isinstance(job, str) and is_owned(self.folder / Path(job).name)

    def _named(self) -> str:
        return str(self.study.best_trial.user_attrs.get("job"))


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


def _drawn(trials: Sequence[Any], importance: dict[str, float], metric: str) -> bytes:
    """A PNG: how much each option mattered, and every trial's value over each of them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.4 * (1 + len(importance)), 3.2), dpi=120, layout="constrained")
    first, *others = figure.subplots(1, 1 + len(importance), squeeze=False)[0]
    names = list(importance)[::-1]
    first.barh(names, [importance[name] for name in names])
    first.set(xlabel="importance (PED-ANOVA)", xlim=(0, 1))
    for axis, name in zip(others, importance, strict=True):
        values = [trial.params[name] for trial in trials]
        axis.scatter(values, [trial.value for trial in trials], s=18)
        axis.set(xlabel=name, ylabel=metric)
        if getattr(trials[0].distributions[name], "log", False):
            axis.set_xscale("log")
        axis.grid(alpha=0.3)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()
