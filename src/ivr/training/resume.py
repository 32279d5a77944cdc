"""Checks which runs may resume from which checkpoints."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.errors import UserError
from ivr.training.checkpoints import load_resumable
from ivr.training.folder import check_free, owned
from ivr.training.foreign import tensor
from ivr.training.plain import count, list_of, text
from ivr.training.record import FIXED, RunRecord

log = logging.getLogger(__name__)

# The same data may lie elsewhere now; the fingerprint decides.
_PLACES = {"dataset": "path", "noise": "source"}

# What earlier checkpoints do not name was so.
_NONE = {"name": "none"}
_UNNAMED: dict[str, Any] = {
    "noise": _NONE,
    "subset": _NONE,
    "normalize": _NONE,
    "precision": "float32",
    "halving": {},
    "split": 0.0,
    "split_seed": 0,
    "best_by": "auto",
}


@contextmanager
def resumable(folder: Path, resume: str | None) -> Iterator[Path | None]:
    """Own a run's folder; gives the checkpoint that the run resumes, None where it starts anew.

    Args:
        folder: of the run.
        resume: the option.

    Raises:
        UserError: the folder holds another run.
        InUseError: another process owns it.
    """
    check_free(folder, _to_resume(resume, folder))
    with owned(folder):
        # Its owner may have ended, or begun, meanwhile.
        resumed_from = _to_resume(resume, folder, quietly=True)
        check_free(folder, resumed_from)
        yield resumed_from


def _to_resume(resume: str | None, folder: Path, quietly: bool = False) -> Path | None:
    """The checkpoint of the option `resume`; None where the run in `folder` starts anew."""
    if not resume:
        return None
    if resume != "auto":
        return Path(resume)
    path = folder / "checkpoints" / "last.ckpt"
    if path.exists():
        return path
    if not quietly:
        log.info(f"resume=auto: no {path} yet, so this run starts from the beginning")
    return None


def resume_from(
    path: Path,
    record: RunRecord,
    algorithm: OfflineAlgorithm,
    num_updates: int,
    longer: str = "num_updates",
) -> RunRecord:
    """Load the weights of a checkpoint; returns the record of the resumed run.

    On a CPU products of float32 are made as they were, whatever would be faster now. `longer` is
    the option that makes the run a longer one.

    Raises:
        UserError: for anything but a checkpoint of the run that `record` is of.
    """
    content, description = load_resumable(path), record.checkpoint()
    saved = content["ivr"]
    for key in FIXED:
        before, now = (
            saved["config"].get(key, _UNNAMED.get(key)),
            description["config"].get(key, {}),
        )
        if key == "halving" and not saved.get("stopped"):
            continue  # it has stopped nobody yet
        if key in _PLACES:
            before, now = ({**value, _PLACES[key]: None} for value in (before, now))
        if isinstance(before, dict):  # an option that is new since does what was done before
            now = {name: value for name, value in now.items() if name in before}
        if before != now:
            raise UserError(
                f"resume={path}: {key}={now}, but the checkpoint was trained with {key}={before}. "
                "Leave it out to resume that run, or, if you did not give it (a default may have "
                "changed), give what it was trained with; or leave resume out to start another."
            )
    before, now = (d["dataset"]["fingerprint"] for d in (saved, description))
    if before != now:
        raise UserError(
            f"resume={path}: the data have changed (fingerprint {now}, the checkpoint's {before})"
        )
    done = content["updates_done"]
    if type(done) is not int:
        raise UserError(f"resume={path} is damaged: updates_done={done!r}")
    if num_updates < done:
        raise UserError(
            f"num_updates={num_updates}: {path} has had {done} updates already. Give at least that"
        )
    if num_updates == done:
        log.info(
            f"this run has had its {done:,} updates already, so there is nothing left to train: "
            f"a larger {longer} trains further"
        )
    if num_updates != saved["arguments"]["num_updates"]:
        log.warning(
            f"num_updates={num_updates}, but the run was begun with "
            f"{saved['arguments']['num_updates']}: schedules that end with the run bend here"
        )
    try:
        algorithm.load_state_dict(content["state_dict"])
        _check_sums(content["sums"], algorithm.runs)
        _check_optimizers(content["optimizer_states"], algorithm)
        _check_best(content["callbacks"], algorithm)
        if "fit_loop" not in content["loops"]:
            raise ValueError("loops lacks fit_loop")
    except (RuntimeError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise UserError(f"resume={path} is damaged: {error}") from error
    if record.config["device"] != "cpu":
        return record  # the choice was the CPU's
    return replace(
        record,
        float32_products=saved.get("float32_products", "highest"),
        float32_products_rule="as in the run that is resumed",
    )


def _check_optimizers(states: list[dict[str, Any]], algorithm: OfflineAlgorithm) -> None:
    """Raise a ValueError unless each network has Adam's moments, or none yet, of its parameters."""
    names = algorithm.trained_networks
    if len(states) != len(names):
        raise ValueError(f"{len(states)} optimizers for {len(names)} networks")
    built = algorithm.configure_optimizers()
    for name, state, fresh in zip(names, states, built, strict=True):
        shapes = [p.shape for p in algorithm.get_submodule(name).parameters()]
        for held in state["state"].values():
            if not all(map(tensor, held.values())) or held["step"].numel() != 1:
                raise ValueError(f"the optimizer of {name} holds something else than Adam's")
        for moment in ("exp_avg", "exp_avg_sq"):
            held = [state["state"][i][moment].shape for i in sorted(state["state"])]
            if held and held != shapes:
                raise ValueError(f"{moment} of {name} is of other parameters")
        (group,) = state["param_groups"]
        if list(group["params"]) != list(range(len(shapes))):
            raise ValueError(f"the optimizer of {name} has other parameters")
        for key, value in fresh.param_groups[0].items():
            # The rate is set at each update.
            if key not in ("params", "lr", "initial_lr") and group.get(key, value) != value:
                raise ValueError(f"the optimizer of {name} has {key}={group[key]}")


def _check_sums(sums: Any, runs: int) -> None:
    """Raise a ValueError unless these are names, totals (names, R) and counts."""
    for names, total, n in sums:
        if not (list_of(text)(names) and tensor(total) and count(n)):
            raise ValueError("sums holds something else")
        if total.shape != (len(names), runs):
            raise ValueError("sums are of other metrics or members")


def _check_best(callbacks: dict[str, Any], algorithm: OfflineAlgorithm) -> None:
    """Raise a ValueError unless the best weights are none yet or fit the algorithm."""
    own = algorithm.state_dict()
    for keeper in ("EvaluationCallback", "HeldOutCallback"):
        best = callbacks.get(keeper, {}).get("best_weights") or {}
        if best and (best.keys() != own.keys() or any(best[k].shape != own[k].shape for k in own)):
            raise ValueError("the best weights are of another network")
