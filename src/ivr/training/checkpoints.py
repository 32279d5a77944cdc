"""Reading and writing checkpoint files: whole, and without running code."""

import importlib.metadata
import pickle
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.checkpoint_io import CheckpointIO
from torch import Tensor

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.algos.engine.constructors import algorithm_class, was_named
from ivr.errors import UserError
from ivr.files import write_whole
from ivr.training.earlier import in_current_words
from ivr.training.folder import check_checkpoint
from ivr.training.foreign import check_content, check_description, check_sizes

_KEYS = ("ivr", "state_dict")
_DESCRIPTION_KEYS = ("class", "arguments", "config", "overrides", "members", "dataset")
_RESUMABLE_KEYS = ("updates_done", "global_step", "optimizer_states", "loops", "callbacks", "sums")


def load_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's contents, on the CPU.

    Raises:
        UserError: where the file is missing, truncated, not a checkpoint of ivr, or holds
            anything but tensors and plain types.
    """
    check_checkpoint(path)
    _check_archive(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} was refused: it is damaged, or holds code or objects, and only tensors and "
            "plain types are loaded. Use a checkpoint that ivr wrote."
        ) from error
    except Exception as error:  # whatever torch raises
        raise UserError(
            f"{path} is damaged or no checkpoint ({type(error).__name__}: {error}). "
            "Use another one, or train again."
        ) from error
    if not isinstance(content, dict) or not isinstance(_get(content, "ivr"), dict):
        raise UserError(f"{path} was not written by ivr, or is damaged: it lacks ivr")
    for holder, keys in ((content, _KEYS), (_get(content, "ivr"), _DESCRIPTION_KEYS)):
        for key in keys:
            if _get(holder, key) is None:
                raise UserError(f"{path} was not written by ivr, or is damaged: it lacks {key}")
    try:
        description = in_current_words(content["ivr"])
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is damaged: {error}") from error
    check_content(path, content)
    check_description(path, description)
    return {**content, "ivr": description}


def _check_archive(path: Path) -> None:
    """Check every byte against the checksums of the file, before anything is made of it.

    Raises:
        UserError: some are wrong, or it would unfold to more than it holds.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            unfolds = any(part.compress_type != zipfile.ZIP_STORED for part in parts)
            if unfolds or sum(part.file_size for part in parts) > path.stat().st_size:
                raise ValueError("its parts are larger than the file")
            damaged = archive.testzip()
            if damaged is not None:
                raise ValueError(f"the checksum of {damaged} is wrong")
    except Exception as error:  # a damaged archive fails in a dozen ways
        raise UserError(
            f"{path} is damaged or no checkpoint ({type(error).__name__}: {error}). "
            "Use another one, or train again."
        ) from error


_held: dict[tuple[Path, int, int, int], dict[str, Any]] = {}


def load_resumable(path: Path, release: bool = False) -> dict[str, Any]:
    """Like `load_checkpoint`, for one that a training can resume from.

    It is read once by a process, which the command line, the training and Lightning then share.

    Args:
        path: of a last.ckpt.
        release: whether nobody asks for it again.

    Raises:
        UserError: as `load_checkpoint` does, and for a best.ckpt or another version's.
    """
    check_checkpoint(path)
    found = path.stat()
    key = (path.resolve(), found.st_ino, found.st_size, found.st_mtime_ns)
    content = _held.get(key) or _load_resumable(path)
    _held.clear()
    if not release:
        _held[key] = content
    return content


def _load_resumable(path: Path) -> dict[str, Any]:
    content = load_checkpoint(path)
    if any(_get(content, key) is None for key in _RESUMABLE_KEYS):
        raise UserError(
            f"resume={path}: only last.ckpt holds the optimizers that a training resumes with; "
            "best.ckpt does not"
        )
    if not isinstance(content["sums"], list):
        raise UserError(
            f"resume={path}: an earlier version of ivr wrote it, which this one cannot resume. "
            "evaluate.py still reads it"
        )
    return content


def _get(holder: Any, key: str) -> Any:
    return holder.get(key) if isinstance(holder, dict) else None


def load_policy(
    path: Path, trusted_class: str | None = None
) -> tuple[OfflineAlgorithm, dict[str, Any]]:
    """The algorithm of a checkpoint with its weights, and the checkpoint.

    Args:
        path: of the checkpoint.
        trusted_class: a class outside of ivr.algos, as in mypackage.Mine, that the checkpoint may
            name; importing it runs the code of its module.

    Raises:
        UserError: where the file is damaged, its weights do not fit, or it names another class.
    """
    content = load_checkpoint(path)
    description = content["ivr"]
    named = str(description["class"])
    known = named.startswith("ivr.algos.") or named == trusted_class or was_named(named)
    if not known:
        raise UserError(
            f"{path} names the class {named!a}: no algorithm in the package ivr.algos, and to "
            f"import it would run its code. If you trust it, name it yourself: class={named!a} "
            "(trusted_class= of ivr.load_policy)"
        )
    check_sizes(path, description["arguments"], content["state_dict"])
    build = algorithm_class(named, trusted=True)
    try:
        algorithm = build(**description["arguments"])
        algorithm.load_state_dict(content["state_dict"])
        assert len(description["members"]) == algorithm.runs, "members and weights differ"
    except (RuntimeError, TypeError, ValueError, KeyError, AttributeError, AssertionError) as error:
        raise UserError(f"{path} is damaged: {error}") from error
    return algorithm.eval().requires_grad_(False), content


def described(content: dict[str, Any], description: dict[str, Any]) -> dict[str, Any]:
    """Return a checkpoint's content with what the run is, for ivr and for `load_from_checkpoint`.

    Args:
        content: with the `state_dict`.
        description: plain types; kept as "ivr".
    """
    return content | {
        "ivr": description,
        "hyper_parameters": description["arguments"],
        "pytorch-lightning_version": importlib.metadata.version("pytorch-lightning"),
    }


def _not_plain(value: Any) -> str | None:
    """Name the first object in a callback's state that `load_checkpoint` would not read."""
    if isinstance(value, Mapping):
        if type(value) not in (dict, OrderedDict, Counter):
            return f"a {type(value).__module__}.{type(value).__name__}"
        value = [*value.keys(), *value.values()]
    if type(value) in (list, tuple, set):
        return next((found for inner in value if (found := _not_plain(inner)) is not None), None)
    plain = value is None or type(value) in (
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        bytearray,
        torch.Size,
    )
    fine = plain or isinstance(value, Tensor | torch.dtype | torch.device)
    return None if fine else f"a {type(value).__module__}.{type(value).__name__}"


class AtomicCheckpointIO(CheckpointIO):
    """Writes and reads the checkpoints of Lightning's Trainer, whichever callback saves them.

    Args:
        description: of the run, kept in every checkpoint.
        folder: the only one that files are deleted from: the names of those that a
            `ModelCheckpoint` replaces may come from a checkpoint that is resumed.
    """

    def __init__(self, description: dict[str, Any], folder: Path) -> None:
        self.description = description
        self.folder = folder

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write whole: Lightning's own renames, but does not sync to disk.

        Raises:
            UserError: a callback's state holds what `load_checkpoint` would refuse.
        """
        for name, state in checkpoint.get("callbacks", {}).items():
            if (found := _not_plain(state)) is not None:
                raise UserError(
                    f"callbacks: the state of {name.partition('{')[0]} holds {found}, which no "
                    "checkpoint may hold: a file with objects can run code. Return tensors and "
                    "plain types from its state_dict()"
                )
        content = described(checkpoint, self.description)
        write_whole(Path(path), lambda file: torch.save(content, file))

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read safely, whatever is asked for."""
        return load_resumable(Path(path), release=True)

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint of this run; files of other folders stay."""
        file = Path(path).resolve()
        if file.suffix == ".ckpt" and file.is_relative_to(self.folder.resolve()):
            file.unlink(missing_ok=True)
