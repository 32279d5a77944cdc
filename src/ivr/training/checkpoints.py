"""Checkpoints: written whole, loaded without running code, and complete enough to go on from."""

import pickle
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io.checkpoint_io import CheckpointIO

from ivr.algos.base import OfflineAlgorithm
from ivr.constructors import algorithm_class
from ivr.errors import UserError
from ivr.files import write_whole


def load_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's contents, on the CPU.

    Raises:
        UserError: where the file is missing, truncated, not a checkpoint of ivr, or holds
            anything but tensors and plain types.
    """
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}: give the path of a file such as last.ckpt")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} was refused: it is damaged, or holds code or objects, and only tensors and "
            "plain types are loaded. Use a checkpoint that ivr wrote."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path} is damaged or no checkpoint ({type(error).__name__}: {error}). "
            "Use another one, or train again."
        ) from error
    if not isinstance(content, dict) or "ivr" not in content:
        raise UserError(f"{path} was not written by ivr: it lacks the run's configuration")
    return content


def load_policy(path: Path) -> tuple[OfflineAlgorithm, dict[str, Any]]:
    """The algorithm of a checkpoint with its weights, and the checkpoint.

    Raises:
        UserError: where the file is damaged or its weights do not fit.
    """
    content = load_checkpoint(path)
    description = content["ivr"]
    algorithm = algorithm_class({"class": description["class"]})(**description["arguments"])
    try:
        algorithm.load_state_dict(content["state_dict"])
    except RuntimeError as error:
        raise UserError(f"{path}: {error}") from error
    return algorithm.eval().requires_grad_(False), content


class AtomicCheckpointIO(CheckpointIO):
    """How Lightning's Trainer writes and reads a checkpoint."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write whole: Lightning's own renames, but does not sync to disk."""
        write_whole(Path(path), lambda file: torch.save(checkpoint, file))

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read safely, whatever is asked for."""
        return load_checkpoint(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint."""
        Path(path).unlink(missing_ok=True)


class LastCheckpoint(pl.Callback):
    """Writes checkpoints/last.ckpt every `every` updates, at the end, and when interrupted.

    Args:
        folder: of the checkpoints.
        every: updates between two.
        description: plain types that say what the run is; kept in every checkpoint as "ivr".
    """

    def __init__(self, folder: Path, every: int, description: dict[str, Any]) -> None:
        self.path = folder / "last.ckpt"
        self.every = every
        self.description = description

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Save where one is due."""
        if trainer.global_step % self.every == 0 or trainer.global_step == trainer.max_steps:
            self.save(trainer)

    def save(self, trainer: pl.Trainer) -> None:
        """Save now, unless a parameter is not finite: the last good checkpoint stays in place."""
        module = trainer.lightning_module
        assert isinstance(module, OfflineAlgorithm)
        if all(bool(p.isfinite().all()) for p in module.parameters()):
            trainer.save_checkpoint(self.path)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Say in the checkpoint what the run is."""
        checkpoint["ivr"] = self.description
