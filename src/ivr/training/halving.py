"""Successive halving: at each rung the best members train on, and the run axis shrinks.

Members never mix, so those that go on are what they would have been beside all the others; a
stack of fewer makes more updates a second.
"""

import logging
import math
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ivr.errors import UserError
from ivr.files import write_whole
from ivr.training.callbacks.states import checked_divergence, checked_evaluation, checked_held_out
from ivr.training.checkpoints import described, load_resumable
from ivr.training.members import Member
from ivr.training.rungs import AUTO, RANKED, Halving

log = logging.getLogger(__name__)

_MOMENTS = ("exp_avg", "exp_avg_sq")
_OF_MEMBERS = ("last", "last_episodes", "ranking", "best", "best_episodes", "best_scores")
"""Lists of the callbacks' states with one entry a member."""


def stopped_members(resumed_from: Path | None) -> list[dict[str, Any]]:
    """What is on record of the members that the run of a checkpoint has stopped."""
    if resumed_from is None:
        return []
    return list(load_resumable(resumed_from)["ivr"].get("stopped", []))


def going_on(members: list[Member], stopped: Sequence[dict[str, Any]]) -> list[Member]:
    """Those of the members that were not stopped, in their order."""
    ended = {(member["seed"], member["alpha"]) for member in stopped}
    return [member for member in members if (member.seed, member.alpha) not in ended]


def halve(
    halving: Halving, checkpoint: Path, folder: Path, ranked: Callable[[Path, Path], list[float]]
) -> Path:
    """Stop members where a checkpoint is at a rung at which none were stopped yet.

    Args:
        halving: of the run.
        checkpoint: a last.ckpt; it and the best.ckpt beside it are kept as rungN_last.ckpt and
            rungN_best.ckpt: the policies of those that stop here.
        folder: of the run, whose last.ckpt is then of those that go on.
        ranked: estimates from data what each member of a checkpoint is worth at least, and leaves
            its files in a folder.

    Returns:
        The checkpoint to resume from: the given one, or that last.ckpt.

    Raises:
        UserError: the run's evaluations lack the metric to choose by.
    """
    content = load_resumable(checkpoint)
    update, record = content["updates_done"], content["ivr"]
    before = record.get("stopped", [])
    members = [Member(*pair) for pair in record["members"]]
    at_rung = halving.is_rung(update) and len(members) > 1
    if not at_rung or any(member["stopped"]["update"] == update for member in before):
        return checkpoint
    callbacks = content["callbacks"]
    diverged = checked_divergence(callbacks.get("DivergenceGuard"), len(members))
    measured = _measured(callbacks, len(members))
    if halving.by == RANKED:
        measured.values[RANKED] = ranked(checkpoint, folder / f"ranking_at_{update}")
    if not measured.values:
        log.warning(f"update {update}: not evaluated, so that no member is stopped here")
        return checkpoint
    order = halving.order(measured.values, measured.best, diverged)
    kept = halving.kept(order)
    rung = 1 + len({member["stopped"]["update"] for member in before})
    ended = [
        {
            "seed": members[k].seed,
            "alpha": members[k].alpha,
            "diverged": diverged[k],
            **{key: record[k] if record else None for key, record in measured.records.items()},
            "stopped": {"update": update, "place": place, "of": len(members), "rung": rung},
        }
        for place, k in enumerate(order, 1)
        if k not in kept
    ]
    _announce(halving, update, members, kept, measured.values)
    target = folder / "checkpoints"
    target.mkdir(exist_ok=True)
    for name in ("last", "best"):
        source = checkpoint.with_name(f"{name}.ckpt")
        if source.exists():
            with source.open("rb") as held:
                write_whole(target / f"rung{rung}_{name}.ckpt", partial(shutil.copyfileobj, held))
    description = {
        **record,
        "members": [list(record["members"][k]) for k in kept],
        "arguments": {
            key: [value[k] for k in kept] if key in ("seeds", "alpha") and value else value
            for key, value in record["arguments"].items()
        },
        "stopped": [*ended, *before],
    }
    try:
        file = described(_of(content, kept), description)
    except (RuntimeError, IndexError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"resume={checkpoint} is damaged: {error}") from error
    write_whole(target / "last.ckpt", lambda open_file: torch.save(file, open_file))
    return target / "last.ckpt"


def _of(content: dict[str, Any], kept: list[int]) -> dict[str, Any]:
    """The checkpoint of these members: the first axis of every tensor is the members'."""

    def weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor[kept].clone() for name, tensor in state.items()}

    def adam(state: dict[str, Any]) -> dict[str, Any]:
        return {
            name: value[kept].clone() if name in _MOMENTS else value
            for name, value in state.items()
        }

    def of_each(values: list[Any]) -> list[Any]:
        return [values[k] for k in kept] if values else []

    callbacks = dict(content["callbacks"])
    for name in ("EvaluationCallback", "HeldOutCallback"):
        if name in callbacks:
            state = {**callbacks[name], "best_weights": weights(callbacks[name]["best_weights"])}
            for key in _OF_MEMBERS:
                if key in state:
                    state[key] = of_each(state[key])
            if "metrics" in state:
                state["metrics"] = {key: of_each(x) for key, x in state["metrics"].items()}
            callbacks[name] = state
    guard = callbacks["DivergenceGuard"]
    callbacks["DivergenceGuard"] = {"diverged": of_each(guard["diverged"])}
    return content | {
        "state_dict": weights(content["state_dict"]),
        "optimizer_states": [
            {**state, "state": {i: adam(held) for i, held in state["state"].items()}}
            for state in content["optimizer_states"]
        ],
        "sums": [[names, total[:, kept].clone(), n] for names, total, n in content["sums"]],
        "callbacks": callbacks,
    }


class _Measured(NamedTuple):
    """What a checkpoint knows of its members."""

    values: dict[str, list[float]]
    """By name; first those of the score, or without an environment of what best.ckpt follows."""
    best: list[float]
    """The best so far."""
    records: dict[str, list[Any]]
    """What result.json shows of each member."""


def _measured(callbacks: dict[str, Any], members: int) -> _Measured:
    """The latest measures, in the environment and on what is held out."""
    evaluation = callbacks.get("EvaluationCallback")
    held_out = callbacks.get("HeldOutCallback")
    values: dict[str, list[float]] = {}
    best: list[float] = []
    records: dict[str, list[Any]] = {"last": [], "best": []}
    if evaluation is not None:
        scored = checked_evaluation(evaluation, members)
        if not scored["last"]:  # the environment failed
            return _Measured({}, [], records)
        values, best = dict(scored["metrics"]), scored["best_scores"]
        records = {key: [_finite(x) for x in scored[key]] for key in ("last", "best")}
    if held_out is not None:
        measured = checked_held_out(held_out, members)
        found = [_finite(record) for record in measured["last"]]
        if not values:
            values, best = {"held out": measured["ranking"]}, measured["best_scores"]
        for name in found[0]:
            values[f"held_out/{name}"] = [
                math.nan if record[name] is None else record[name] for record in found
            ]
        records["held_out"] = [{"last": record} for record in found]
    return _Measured(values, best, records)


def _announce(
    halving: Halving,
    update: int,
    members: list[Member],
    kept: list[int],
    measures: dict[str, list[float]],
) -> None:
    by = next(iter(measures)) if halving.by == AUTO else halving.by
    values = measures[by]
    shown = ", ".join(f"{members[k].label} ({values[k]:.3g})" for k in kept)
    log.info(
        f"update {update:,}: {len(members) - len(kept)} members stop; by {by} these go on: {shown}"
    )
    if {values[k] for k in kept} & {values[k] for k in range(len(members)) if k not in kept}:
        log.warning(
            f"update {update:,}: some that stop have the same {by} as some that go on: "
            "their best, then their order decided. A larger halving.first or eval_episodes tells "
            "more of them apart"
        )


def _finite(score: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None if value is None or not math.isfinite(value) else value
        for name, value in score.items()
    }
