"""The options of a successive halving, checked."""

import dataclasses
from typing import Any

from ivr.config.fields import shown
from ivr.config.selection import options_of
from ivr.config.values import whole
from ivr.errors import UserError, nearest
from ivr.selection.options import Options
from ivr.training.rungs import AUTO, MEASURES, RANKED, Halving

_KEYS = ("factor", "first", "by", "rank")
_OF_RANK = {
    **{
        key: x
        for key, x in dataclasses.asdict(Options()).items()
        if key not in ("seeds", "initial")
    },
    "seed": 0,
}
"""Options of rank.py, and their defaults; but for the environment, which a halving by a ranking has
none of."""


def halving(node: Any, eval_every: int) -> Halving | None:
    """The rungs of a successive halving; None for none.

    Raises:
        UserError: an option is missing or has another type, or rungs lie between evaluations.
    """
    if not isinstance(node, dict):
        raise UserError(f"halving={shown(node)}: give halving.factor=3 halving.first=50000")
    for key in node:
        if key not in _KEYS:
            raise UserError(f"unknown key halving.{key}{nearest(key, _KEYS)}")
    factor, first = node.get("factor"), node.get("first")
    if factor is None and first is None:
        return None
    if factor is None or first is None:
        lacks, has = ("factor", "first") if factor is None else ("first", "factor")
        example = "3" if lacks == "factor" else str(eval_every)
        raise UserError(
            f"halving.{has}={node[has]}: halving.{lacks} is missing; give halving.{lacks}={example}"
        )
    by = _measure(node.get("by", AUTO))
    found = Halving(
        whole("halving.factor", factor),
        whole("halving.first", first),
        by,
        _of_rank(node.get("rank"), by),
    )
    if found.factor < 2:
        raise UserError(f"halving.factor={factor}: must be 2 or more: 1 in so many members goes on")
    if found.first % eval_every:
        raise UserError(
            f"halving.first={first}: must be a multiple of eval_every={eval_every}, since members "
            "are compared by an evaluation"
        )
    return found


def _measure(by: Any) -> str:
    """What members are compared by; which of held_out/... there are, the algorithm decides.

    Raises:
        UserError: there is no such measure.
    """
    allowed = (AUTO, RANKED, *MEASURES)
    if by not in allowed and not str(by).startswith("held_out/"):
        raise UserError(
            f"halving.by={shown(by)}: must be {', '.join(allowed)}, or a measure on held-out "
            f"episodes, as held_out/bellman_error{nearest(str(by), allowed)}"
        )
    return str(by)


def _of_rank(given: Any, by: str) -> dict[str, Any]:
    """The options of the rankings at the rungs, as they were given."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise UserError(
            f"halving.rank={shown(given)}: must be options of rank.py, as in "
            "'halving.rank={num_updates:4000,hidden:[64,64]}'"
        )
    if by != RANKED:
        raise UserError(f"halving.rank is for halving.by={RANKED}, and halving.by={by}")
    for key in given:
        if key not in _OF_RANK:
            raise UserError(f"unknown key halving.rank.{key}{nearest(str(key), list(_OF_RANK))}")
    try:
        options_of({**_OF_RANK, "hidden": list(_OF_RANK["hidden"]), "initial": "data", **given})
    except UserError as error:
        raise UserError(f"halving.rank.{error}") from None
    return given
