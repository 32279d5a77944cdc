"""The training itself: Lightning's Trainer with the callbacks, from start or from a checkpoint."""

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from torch import Tensor

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.errors import UserError
from ivr.evaluation.rollout import EnvironmentPool
from ivr.evaluation.task.build import Task
from ivr.files import DiskFullError, is_full
from ivr.training.callbacks.checkpoints import LastCheckpoint
from ivr.training.callbacks.epochs import Epochs
from ivr.training.callbacks.evaluate import EvaluationCallback
from ivr.training.callbacks.guard import DivergenceGuard, Interrupted, InterruptGuard
from ivr.training.callbacks.held_out import HeldOutCallback
from ivr.training.callbacks.metrics import MetricsRecorder
from ivr.training.callbacks.progress import UpdateProgressBar
from ivr.training.callbacks.result import Measuring, ResultFile, ResultWriter
from ivr.training.callbacks.states import evaluated_at
from ivr.training.checkpoints import AtomicCheckpointIO, load_resumable
from ivr.training.doors import Doors
from ivr.training.lightning import lightning_errors, quiet_lightning, trainer_options
from ivr.training.precisions import PRECISIONS
from ivr.training.record import RunRecord
from ivr.training.scoring.best import BestPolicies
from ivr.training.scoring.evaluator import Evaluator
from ivr.training.scoring.held_out import HeldOut
from ivr.training.scoring.report import EvaluationReport
from ivr.types import Batch


@dataclass(frozen=True)
class Plan:
    """What a training needs to know besides its parts; numbers of updates unless said."""

    folder: Path
    record: RunRecord
    """What the run is: algorithm, data, members, configuration."""
    reward_scale: float
    """What recorded rewards are multiplied by before they are trained on."""
    reward_shift: float
    """What is then added to them."""
    num_updates: int
    until: int
    """Where this part of it ends: at the rung of a successive halving, or after num_updates."""
    eval_every: int
    eval_episodes: int
    eval_seed: int
    eval_errors: str
    """Where an environment fails: stop, or continue without that evaluation."""
    checkpoint_every: int
    log_every: int
    device: str
    best_by: str
    """The measure that best.ckpt follows where there is no environment; see `followed`."""
    precision: str
    """A key of `PRECISIONS`."""
    resumed_from: Path | None


def fit(
    plan: Plan,
    algorithm: OfflineAlgorithm,
    datamodule: pl.LightningDataModule,
    task: Task | None,
    observations: Tensor,
    clean: Batch,
    doors: Doors,
    measuring: Measuring | None = None,
    held_out: HeldOut | None = None,
) -> dict[str, Any]:
    """Train; returns the contents of result.json, which is written however the training ends.

    Args:
        plan: what is trained, where to, and how often it is looked at.
        algorithm: fresh, or with the weights that a run resumes from.
        datamodule: serves its batches.
        task: that policies are evaluated on, None for none.
        observations: of the data, for the value map of a maze.
        clean: transitions (N, ...) that the Bellman error is measured on.
        doors: loggers, callbacks and options of the Trainer that a person chose.
        measuring: of a run that collects data; None for one that does not.
        held_out: what is measured beside that; None for nothing.

    Raises:
        UserError: where a loss is not finite, an environment fails, or a file cannot be written.
    """
    checkpoints = plan.folder / "checkpoints"
    members, description = list(plan.record.members), plan.record.checkpoint()
    labels = [member.label for member in members]
    loggers, shown = doors.open_loggers(plan.folder, members, plan.record.hyperparameters())
    guard = InterruptGuard()
    bar = UpdateProgressBar()
    divergence = DivergenceGuard(members, checkpoints / "last.ckpt")
    last = LastCheckpoint(checkpoints, plan.checkpoint_every)
    pool = EnvironmentPool(task) if task is not None else None
    evaluation = None
    if pool is not None:
        evaluation = EvaluationCallback(
            plan.eval_every,
            labels,
            Evaluator(
                pool,
                episodes=plan.eval_episodes,
                seed=plan.eval_seed,
                clean=clean,
                reward_scale=plan.reward_scale,
                reward_shift=plan.reward_shift,
                check=guard.check,
                labels=labels,
            ),
            BestPolicies(checkpoints / "best.ckpt", description),
            EvaluationReport(loggers, pool.task.walked_maze, observations, bar.announce),
            save=last.save_before_evaluation,
            continue_after_errors=plan.eval_errors == "continue",
        )
    measured = None
    if held_out is not None:
        measured = HeldOutCallback(
            plan.eval_every,
            labels,
            held_out,
            loggers,
            bar.announce,
            BestPolicies(checkpoints / "best.ckpt", description) if task is None else None,
            plan.best_by,
        )
    result = ResultWriter(
        ResultFile(plan.folder / "result.json", plan.record.result(), members, plan.record.stopped),
        evaluation,
        divergence,
        measuring,
        measured,
    )
    if measuring is not None:
        measuring.loggers = loggers
    # In this order: an interruption comes between two batches, nothing is logged or saved of a
    # diverged run, and an evaluation is part of the checkpoint that follows it.
    callbacks = [
        guard,
        Epochs(plan.eval_every),
        divergence,
        MetricsRecorder(plan.log_every, labels, loggers, lambda: divergence.frozen),
        *([] if doors.has_progress_bar else [bar]),
        *([measuring] if measuring else []),
        # Before the evaluation, which saves: what is saved has been measured.
        *([measured] if measured else []),
        *([evaluation] if evaluation else []),
        result,
        *doors.callbacks,
        last,
    ]
    # From the beginning too: a run that was killed before its first checkpoint left rows.
    update = evaluated = 0
    if plan.resumed_from:
        content = load_resumable(plan.resumed_from)
        update = content["updates_done"]
        evaluated = evaluated_at(content["callbacks"], update)
    for logger in loggers:
        logger.resume(update, evaluated)
    with quiet_lightning(), _disk_errors(plan.folder), lightning_errors():
        trainer = pl.Trainer(
            precision=PRECISIONS[plan.precision],  # type: ignore[arg-type]
            max_steps=plan.until,
            callbacks=callbacks,
            # One process on whatever cluster: Lightning's own answer to Slurm's signal saves in the
            # middle of an update.
            plugins=[AtomicCheckpointIO(description, plan.folder), LightningEnvironment()],
            logger=shown,
            log_every_n_steps=plan.log_every,
            default_root_dir=plan.folder,
            **trainer_options(plan.device),
            **doors.trainer,
        )
        status = "failed"
        try:
            trainer.fit(algorithm, datamodule=datamodule, ckpt_path=plan.resumed_from)
            if evaluation and evaluation.evaluated_at < algorithm.updates_done:
                # Killed after the last update: Lightning finds nothing left to do.
                evaluation.on_train_end(trainer, algorithm.to(plan.device))
                last.on_train_end(trainer)
            at_rung = plan.until < plan.num_updates and not last.stopped_early
            status = "running" if at_rung else "finished"
        except Interrupted:
            last.save(trainer)
            status = "interrupted"
        except SystemExit:  # Lightning's answer to a second Ctrl-C
            status = "interrupted"
            raise
        finally:
            guard.restore()
            bar.close()
            if status != "failed" or result.started:
                written = result.write(status, algorithm.updates_done, last.stopped_early)
            for logger in loggers:
                logger.close()
            if pool is not None:
                pool.close()
    return written


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Turn what loggers raise on a full disk into one message."""
    previous = threading.excepthook
    # TensorBoard's writer raises the error of its thread again at the next write.
    threading.excepthook = lambda args: (
        None if isinstance(args.exc_value, OSError) else previous(args)
    )
    try:
        yield
    except OSError as error:
        # Errors of a person's own logger or callback are theirs, with their traceback.
        name = error.filename
        here = (
            isinstance(name, str | os.PathLike)
            and folder.absolute() in Path(name).absolute().parents
        )
        unnamed = name is None and error.errno in (errno.EIO, errno.EROFS, errno.EACCES)
        if not (here or unnamed or is_full(error)):
            raise
        raise (DiskFullError if is_full(error) else UserError)(
            f"cannot write to {folder}: {error}. Free space, then resume with "
            f"resume={folder / 'checkpoints' / 'last.ckpt'}"
        ) from error
    finally:
        threading.excepthook = previous
