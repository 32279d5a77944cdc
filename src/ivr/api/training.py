"""Trains policies, offline and online, as `python train.py` and `python finetune.py` do."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ivr.api.dataset import Dataset, dataset_options
from ivr.api.options import merged
from ivr.api.policy import Policy, load_policy
from ivr.config.call import call

if TYPE_CHECKING:
    import pytorch_lightning as pl

    Callbacks = pl.Callback | str | Sequence[pl.Callback | str] | None


@dataclass(frozen=True)
class Result:
    """What a training has left."""

    folder: Path
    """Of the run, with all of its files."""
    record: dict[str, Any]
    """The contents of result.json."""

    @property
    def status(self) -> str:
        """How it ended: finished, interrupted or failed."""
        return str(self.record["status"])

    @property
    def last_checkpoint(self) -> Path:
        """The policies after the last update; a training resumes from it."""
        return self.folder / "checkpoints" / "last.ckpt"

    @property
    def best_checkpoint(self) -> Path | None:
        """Every policy as it was at its own best evaluation; None where none was evaluated."""
        path = self.folder / "checkpoints" / "best.ckpt"
        return path if path.exists() else None

    @property
    def members(self) -> list[dict[str, Any]]:
        """One for each seed and alpha: its "seed", "alpha", "last" and "best" score, and more."""
        return list(self.record["members"])

    @property
    def scores(self) -> list[float | None]:
        """The last score of each member; None where none was evaluated.

        The normalized score, or the mean return where the data have no reference returns.
        """
        return [_score(member["last"]) for member in self.members]

    @property
    def best_scores(self) -> list[float | None]:
        """The best score of each member, which is chosen after the fact and so flatters it."""
        return [_score(member["best"]) for member in self.members]

    @property
    def held_out(self) -> list[dict[str, float]] | None:
        """The last measures of each member on what `split` held out (docs/held_out.md).

        None without a split. No measure is a score.
        """
        if not all(member.get("held_out") for member in self.members):
            return None
        return [dict(member["held_out"]["last"]) for member in self.members]

    def policy(self, member: int | str | None = "best") -> Policy:
        """The policies after the last update; see `load_policy`."""
        return load_policy(self.last_checkpoint, member=member)

    def __str__(self) -> str:
        from ivr.training.summary import table

        return f"{table(self.record).strip()}\nin {self.folder}"


def train(
    *,
    algo: str | None = None,
    dataset: str | Dataset | None = None,
    alpha: float | Sequence[float] | None = None,
    seed: int | Sequence[int] | None = None,
    num_updates: int | None = None,
    folder: str | Path | None = None,
    callbacks: "Callbacks" = (),
    config_dir: str | Path | None = None,
    verbose: bool = True,
    **options: Any,
) -> Result:
    """Train offline: `python train.py` with the same options, to the same bits.

    Every option of the command line is a keyword; `__` stands for the dot of a name, as in
    `algo__hidden=[64, 64]`. An option that is left out has the command's default, and so has one of
    the keywords below that is None; of all other options None is the value null.

    Args:
        algo: a file of conf/algo/.
        dataset: a file of conf/dataset/, or data from `load_dataset`, `from_arrays` or
            `from_frame`.
        alpha: the temperature, or several.
        seed: or several; every seed is trained with every alpha, side by side.
        num_updates: length of the training.
        folder: of the run, instead of a new one under outputs/ (hydra.run.dir).
        callbacks: of Lightning, or names of files of conf/callbacks/, or both.
        config_dir: a folder of configuration of one's own (--config-dir).
        verbose: show the progress and the table of scores.
        options: all others, such as discount, batch_size, eval_every, resume, dataset__env.

    Raises:
        UserError: for an option that is wrong, data with a defect, or members that diverged.
        KeyboardInterrupt: after Ctrl-C, once last.ckpt is saved.
    """
    given = {
        "algo": algo,
        **dataset_options(dataset),
        "alpha": alpha,
        "seed": seed,
        "num_updates": num_updates,
    }
    return _run("train", given, folder, options, callbacks, config_dir, verbose)


def finetune(
    checkpoint: str | Path | Result | None = None,
    *,
    online: str | None = None,
    num_steps: int | None = None,
    folder: str | Path | None = None,
    callbacks: "Callbacks" = (),
    config_dir: str | Path | None = None,
    verbose: bool = True,
    **options: Any,
) -> Result:
    """Train policies on in their environment: `python finetune.py` with the same options.

    Args:
        checkpoint: of an offline run, or its result, whose last.ckpt is taken. None with
            online="rlpd" and a dataset, or to resume.
        online: a file of conf/online/.
        num_steps: steps of each member in its environment.
        folder, callbacks, config_dir, verbose: see `train`.
        options: all others, such as dataset, seed, updates_per_step, eval_every.

    Raises:
        UserError: for an option that is wrong, or a run without an environment.
        KeyboardInterrupt: after Ctrl-C, once last.ckpt is saved.
    """
    if isinstance(checkpoint, Result):
        checkpoint = checkpoint.last_checkpoint
    given = {"checkpoint": checkpoint, "online": online, "num_steps": num_steps}
    given |= dataset_options(options.pop("dataset", None))
    return _run("finetune", given, folder, options, callbacks, config_dir, verbose)


def _run(
    command: str,
    given: dict[str, Any],
    folder: str | Path | None,
    options: dict[str, Any],
    callbacks: "Callbacks",
    config_dir: str | Path | None,
    verbose: bool,
) -> Result:
    several: list[Any] = list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]
    if named := [one for one in several if isinstance(one, str)]:
        options = {"callbacks": named, **options}
    record, where = call(
        command,
        command,
        merged(given, options),
        folder=folder,
        config_dir=config_dir,
        verbose=verbose,
        callbacks=[one for one in several if one is not None and not isinstance(one, str)],
    )
    return Result(where, record)


def _score(found: dict[str, float | None] | None) -> float | None:
    if found is None:
        return None
    score: float | None = found["normalized_score"]
    return found["return_mean"] if score is None else score
