"""Checkpoints: written whole, loaded without running code, and complete enough to go on from."""

import pickle
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io.checkpoint_io import CheckpointIO

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.algos.engine.constructors import algorithm_class
from ivr.errors import UserError
from ivr.files import write_whole
from ivr.training.earlier import in_current_words

_KEYS = ("ivr", "state_dict")
_DESCRIPTION_KEYS = ("class", "arguments", "config", "overrides", "members", "dataset")
_RESUMABLE_KEYS = ("updates_done", "global_step", "optimizer_states", "loops", "callbacks", "sums")


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
    except Exception as error:  # a damaged archive fails in a dozen ways
        raise UserError(
            f"{path} is damaged or no checkpoint ({type(error).__name__}: {error}). "
            "Use another one, or train again."
        ) from error
    for holder, keys in ((content, _KEYS), (_get(content, "ivr"), _DESCRIPTION_KEYS)):
        for key in keys:
            if _get(holder, key) is None:
                raise UserError(f"{path} was not written by ivr, or is damaged: it lacks {key}")
    try:
        description = in_current_words(content["ivr"])
    except (TypeError, ValueError, KeyError) as error:
        raise UserError(f"{path} is damaged: {error}") from error
    return {**content, "ivr": description}


def load_resumable(path: Path) -> dict[str, Any]:
    """Like `load_checkpoint`, for one that a training can go on from.

    Raises:
        UserError: as `load_checkpoint` does, and for a best.ckpt or another version's.
    """
    content = load_checkpoint(path)
    if any(_get(content, key) is None for key in _RESUMABLE_KEYS):
        raise UserError(
            f"resume={path}: only last.ckpt holds the optimizers that a training goes on with; "
            "best.ckpt does not"
        )
    if not isinstance(content["sums"], list):
        raise UserError(
            f"resume={path}: an earlier version of ivr wrote it, which this one cannot go on with. "
            "evaluate.py still reads it"
        )
    return content


def _get(holder: Any, key: str) -> Any:
    return holder.get(key) if isinstance(holder, dict) else None


def load_policy(path: Path) -> tuple[OfflineAlgorithm, dict[str, Any]]:
    """The algorithm of a checkpoint with its weights, and the checkpoint.

    Raises:
        UserError: where the file is damaged or its weights do not fit.
    """
    content = load_checkpoint(path)
    description = content["ivr"]
    build = algorithm_class({"class": description["class"]})
    try:
        algorithm = build(**description["arguments"])
        algorithm.load_state_dict(content["state_dict"])
        assert len(description["members"]) == algorithm.runs, "members and weights differ"
    except (RuntimeError, TypeError, ValueError, KeyError, AttributeError, AssertionError) as error:
        raise UserError(f"{path} is damaged: {error}") from error
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
