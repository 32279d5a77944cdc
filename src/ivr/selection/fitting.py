"""Trains a stack of networks on the data, from start or from where it was stopped."""

import logging
import pickle
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io.checkpoint_io import CheckpointIO

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.data.serving.datamodule import TransitionDataModule
from ivr.files import write_whole
from ivr.training.callbacks.checkpoints import LastCheckpoint
from ivr.training.callbacks.guard import Interrupted, InterruptGuard
from ivr.training.callbacks.progress import UpdateProgressBar
from ivr.training.hardware import compiler_wanted
from ivr.training.lightning import quiet_lightning, trainer_options

log = logging.getLogger(__name__)

_SAVES, _LEAST = 20, 100
"""Checkpoints of a whole training, and updates between two of them at least."""


class _Marked(CheckpointIO):
    """Writes checkpoints whole, with a mark of what is trained, and reads tensors alone."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        write_whole(Path(path), lambda file: torch.save(checkpoint | {"mark": self.mark}, file))

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return content

    def remove_checkpoint(self, path: Any) -> None:
        """Remove nothing: the one checkpoint is replaced."""

    def usable(self, path: Path) -> bool:
        """Whether there is a checkpoint of this very training."""
        try:
            return path.is_file() and self.load_checkpoint(path)["mark"] == self.mark
        except (RuntimeError, pickle.UnpicklingError, KeyError, EOFError, OSError, ValueError):
            return False


def save_interval(num_updates: int) -> int:
    """Updates between two checkpoints."""
    return max(_LEAST, num_updates // _SAVES)


def train(
    algorithm: OfflineAlgorithm,
    served: TransitionDataModule,
    device: str = "cpu",
    compile_updates: str = "auto",
    folder: Path | None = None,
    mark: str = "",
) -> None:
    """Train for all of `served`'s updates.

    Args:
        algorithm: R runs, fresh; on the CPU afterwards.
        served: their batches; its boundaries hold `save_interval`.
        device: where, and where `served` has its data.
        compile_updates: auto, true or false.
        folder: of checkpoints, which a later call with the same mark resumes from, to the same
            bits; None for none.
        mark: of everything that decides the result.

    Raises:
        SystemExit: Ctrl-C, once the state is saved.
    """
    num_updates = served.num_updates
    algorithm.compile_updates = compiler_wanted(compile_updates, num_updates, device)
    files, guard, bar = _Marked(mark), InterruptGuard(), UpdateProgressBar()
    last = None if folder is None else LastCheckpoint(folder, save_interval(num_updates))
    resumed = None
    if last is not None and files.usable(last.path):
        resumed = last.path
        log.info(f"resumes from {resumed}")
    callbacks = [guard, bar, *([] if last is None else [last])]
    with quiet_lightning():
        trainer = pl.Trainer(
            max_steps=num_updates,
            callbacks=callbacks,
            plugins=[files],
            logger=False,
            enable_checkpointing=last is not None,
            **trainer_options(device),
        )
        try:
            trainer.fit(algorithm, datamodule=served, ckpt_path=resumed)
        except Interrupted:
            if last is not None:
                last.save(trainer)
            raise SystemExit(130) from None
        finally:
            guard.restore()
            bar.close()
    algorithm.cpu().eval().requires_grad_(False)
