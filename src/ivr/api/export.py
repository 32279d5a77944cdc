"""Writes a policy into one file that runs without ivr, as `python export.py` does."""

from pathlib import Path
from typing import Any

from ivr.api.options import merged
from ivr.api.policy import Policy
from ivr.api.training import Result
from ivr.config.call import call


def export_policy(
    policy: str | Path | Policy | Result,
    *,
    member: int | str | None = None,
    format: str | None = None,
    path: str | Path | None = None,
    verbose: bool = True,
    **options: Any,
) -> Path:
    """Write one policy into one file (docs/export.md): `python export.py` with the same options.

    The name is not `ivr.export`, which is the package that does it.

    Args:
        policy: a checkpoint, a training's result (its last.ckpt), or a `Policy`, whose own member
            is taken where none is given.
        member: its number, or "best", the default.
        format: onnx, the default, or torch.
        path: of the file; None for one beside the checkpoint.
        verbose: print what was written, and how exactly it repeats the checkpoint.
        options: class, as in **{"class": "mypackage.Mine"}.

    Returns:
        The file.

    Raises:
        UserError: for a policy that is no function of the latest observation, or packages that are
            not installed.
    """
    if isinstance(policy, Policy):
        member = policy.chosen if member is None else member
        policy = policy.path
    elif isinstance(policy, Result):
        policy = policy.last_checkpoint
    given = {"checkpoint": policy, "member": member, "format": format, "path": path}
    written: Path = call("export", "run", merged(given, options), verbose=verbose)[0]
    return written
