"""Optuna's study of a search: proposals, what came of them, and what mattered."""

import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

from ivr.config.sweep.run import Sweep
from ivr.errors import UserError
from ivr.files import write_whole
from ivr.sweeps.jobs import is_owned, read_job

log = logging.getLogger(__name__)


class Study:
    """Optuna's study in a folder, and the space that it searches.

    Args:
        folder: of the sweep.
        direction: maximize or minimize.
        sampler: of `_SAMPLERS`.
        seed: of the proposals.
        space: options and Optuna's distributions.
        of: what all trials have, and the metric: values of others cannot stand beside theirs.

    Raises:
        UserError: Optuna is not installed, or the folder's study is another one.
    """

    def __init__(
        self,
        folder: Path,
        direction: str,
        sampler: str,
        seed: int,
        space: dict[str, Any],
        of: dict[str, str],
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
        before = self.study.user_attrs.get("of", of)
        for key in sorted(before.keys() | of.keys()):
            if before.get(key) != of.get(key):
                raise UserError(
                    f"{folder} holds a study with {key}={before.get(key, 'its default')}, not "
                    f"{of.get(key, 'its default')}: choose another folder, as in sweep=other"
                )
        for trial in self.study.get_trials(deepcopy=False):
            for key, searched in trial.distributions.items():
                try:
                    optuna.distributions.check_distribution_compatibility(searched, space[key])
                except ValueError:
                    raise UserError(
                        f"{key}: {folder} holds a study of {searched}, not of {space[key]}: choose "
                        "another folder, as in sweep=other"
                    ) from None
        self.study.set_user_attr("searched", sorted(space))
        self.study.set_user_attr("of", of)

    def retry(self) -> None:
        """Propose the values of each failed trial again, unless that was done before."""
        retried = self._retried
        for trial in self.study.get_trials(deepcopy=False):
            if trial.state.name == "FAIL" and trial.number not in retried:
                self.study.enqueue_trial(trial.params)
                retried.append(trial.number)
        self.study.set_user_attr("retried", retried)

    @property
    def _retried(self) -> list[int]:
        """Numbers of the failed trials whose values were proposed again."""
        return list(self.study.user_attrs.get("retried", []))

    def next(self, n_trials: int, n_jobs: int) -> list[Any]:
        """The trials to run now: those that a killed process has left, then new proposals."""
        states = self.optuna.trial.TrialState
        trials = self.study.get_trials(deepcopy=False)
        retried = self._retried
        ended = sum(t.state.is_finished() and t.number not in retried for t in trials)
        # One without all options was killed while it was proposed: another takes its place.
        begun = [
            t for t in trials if t.state == states.RUNNING and t.params.keys() == set(self.space)
        ]
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
        retried = self._retried
        failed = sum(t.state.name == "FAIL" and t.number not in retried for t in trials)
        best = f", best {self.study.best_value:.4g} of {self._named()}" if done else ""
        return f"search {self.folder.name}: {len(done)} trials done, {failed} failed{best}"

    def tell(self, metric: str) -> float | None:
        """Print the best trial and how much each option mattered; draw that, too."""
        log.info(self.line())
        done = [t for t in self.study.get_trials(deepcopy=False) if t.value is not None]
        if not done:
            raise SystemExit(
                "Error: no trial has a value; job.json in its folder says why. failed=retry tries "
                "them again"
            )
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
