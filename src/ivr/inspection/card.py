"""Makes the data card: all figures in plain types."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ivr.agreement.names import all_names
from ivr.data.cache.rewards import RewardTransform
from ivr.data.remarks import scales, strange, stretched
from ivr.data.sources.source import Source
from ivr.data.sources.terminals import suspected
from ivr.errors import UserError, counted
from ivr.inspection.findings import Findings
from ivr.inspection.streaming import Moments
from ivr.inspection.tally import Rewards, Tally

_SATURATED = 0.25
"""Share of actions at a bound from which a warning is due."""


def make_card(
    source: Source,
    tally: Tally,
    transform: RewardTransform,
    findings: Findings,
    limit: int | None = None,
) -> dict[str, Any]:
    """Summarise everything that was found in types that JSON has.

    Args:
        source: of the data.
        tally: of its episodes.
        transform: of the rewards that are trained on.
        findings: defects and warnings.
        limit: steps of an episode in the environment; None without one.
    """
    scale, shift, transformed = _transform(source.id, transform, tally.kept, findings)
    card = {
        "source": source.id,
        "place": source.place,
        "rows": source.total_steps,
        "recorded": _rewards(tally.recorded),
        "trained_on": _rewards(tally.kept) | {"rewards": transformed},
        "reward_transform": {"name": transform.name, "scale": scale, "shift": shift},
        "observations": _observations(tally),
        "actions": _actions(source, tally),
        "duplicates": _duplicates(tally),
        "maze": _maze(tally),
        "defects": {
            kind: {
                "count": found.count,
                "first": [
                    one._asdict() | {"text": str(one), "place": one.place} for one in found.first
                ],
            }
            for kind, found in findings.found.items()
        },
    }
    return card | {"warnings": findings.warnings + _warnings(card, source, tally, findings, limit)}


def _rewards(rewards: Rewards) -> dict[str, Any]:
    lengths, returns = np.array(rewards.lengths or [0]), np.array(rewards.returns or [0.0])
    return {
        "episodes": len(rewards.lengths),
        "steps": sum(rewards.lengths),
        "terminated": rewards.terminated,
        "truncated": rewards.truncated,
        "lengths": [int(lengths.min()), float(np.median(lengths)), int(lengths.max())],
        "returns": [float(returns.min()), float(returns.mean()), float(returns.max())],
        "rewards": _three(rewards.moments, 1.0, 0.0),
    }


def _three(moments: Moments, scale: float, shift: float) -> list[float] | None:
    """Transform the least, mean and greatest of one column."""
    if moments.count == 0:
        return None
    three = (moments.least[0], moments.mean[0], moments.greatest[0])
    return [float(scale * value + shift) for value in (three if scale > 0 else three[::-1])]


def _transform(
    dataset: str, transform: RewardTransform, kept: Rewards, findings: Findings
) -> tuple[float | None, float | None, list[float] | None]:
    if not kept.returns:
        return None, None, None
    try:
        scale, shift = transform.affine(np.array(kept.returns))
    except UserError as error:
        findings.misfit(dataset, error)
        return None, None, None
    return scale, shift, _three(kept.moments, scale, shift)


def _moments(moments: Moments) -> dict[str, Any]:
    if moments.count == 0:
        return {"numbers": len(moments.mean)}
    return {
        "numbers": len(moments.mean),
        "min": moments.least.tolist(),
        "mean": moments.mean.tolist(),
        "deviation": moments.deviation.tolist(),
        "max": moments.greatest.tolist(),
        "constant": moments.constant,
    }


def _observations(tally: Tally) -> dict[str, Any] | None:
    seen = tally.observations
    if seen is None:
        return None
    return {"names": all_names(tally.names.observations, "observation", len(seen.mean))} | _moments(
        seen
    )


def _actions(source: Source, tally: Tally) -> dict[str, Any]:
    count = max(tally.actions.count, 1)
    return _moments(tally.actions) | {
        "names": all_names(tally.names.actions, "action", len(tally.at_low)),
        "clipped": tally.clipped if source.clips_actions else 0,
        "clipped_by_number": tally.clipped_by_number.tolist(),
        "low": source.action_low.tolist(),
        "high": source.action_high.tolist(),
        "at_low": (tally.at_low / count).tolist(),
        "at_high": (tally.at_high / count).tolist(),
        # Parts of the bounds' distance that any action lies in.
        "covered": (tally.action_counts > 0).mean(1).tolist(),
    }


def _maze(tally: Tally) -> dict[str, Any] | None:
    if tally.occupancy is None:
        return None
    maze = tally.occupancy.maze
    return {
        "start_cell": list(maze.start),
        "goal_cell": list(maze.goal),
        "cells": tally.cells,
        "episodes_from_start_to_goal": tally.leading,
    }


def _duplicates(tally: Tally) -> dict[str, Any]:
    total, first = tally.duplicates.total(), tally.duplicates.first
    places = None if first is None else [tally.place(row) for row in first]
    return {"count": total, "estimated": tally.duplicates.every > 1, "first": places}


def _warnings(
    card: dict[str, Any], source: Source, tally: Tally, findings: Findings, limit: int | None
) -> list[str]:
    said = []
    for what, count in tally.oddities.items():
        noun, rest = what.split(" ", 1)
        said.append(f"{counted(count, noun)} {rest} (the first: {tally.first[what]})")
    copies = card["duplicates"]
    if copies["count"]:
        about = "about " if copies["estimated"] else ""
        said.append(
            f"{about}{counted(copies['count'], 'repeated transition')}, with the observation, "
            f"action and reward of an earlier one (the first: {copies['first'][0]}, which is "
            f"{copies['first'][1]})"
        )
    for name in ("observations", "actions"):
        constant = (card[name] or {}).get("constant")
        if constant:
            said.append(
                f"{name} hold one value alone in {_few(constant, card[name]['names'])}: leave them "
                "out (with dataset=arrays by dataset.columns), as nothing can be learned from them"
            )
    shares = np.add(card["actions"]["at_low"], card["actions"]["at_high"])
    saturated = [int(i) for i in np.flatnonzero(shares > _SATURATED)]
    if saturated:
        said.append(
            f"actions are at a bound in more than {_SATURATED:.0%} of the steps in "
            f"{_few(saturated, card['actions']['names'])}"
        )
    if card["actions"]["clipped"]:
        counts = card["actions"]["clipped_by_number"]
        each = [f"{name} in {n:,}" for name, n in zip(card["actions"]["names"], counts, strict=True)
                if n]  # fmt: skip
        said.append(
            f"{card['actions']['clipped']:,} of {tally.actions.count:,} actions lie outside their "
            f"bounds and are clipped to them: {', '.join(each[:12])} (the first: "
            f"{''.join(findings.clipped)})"
        )
    seen = tally.observations
    if seen is not None and seen.count:
        observations, actions = tally.sampled
        said += scales(np.hypot(seen.mean, seen.deviation), tally.names.observations)
        said += strange(observations, tally.names.observations)
        said += stretched(actions, (source.action_low, source.action_high), tally.names.actions)
    kept = card["trained_on"]
    if kept["steps"] and kept["rewards"] and kept["rewards"][0] == kept["rewards"][2]:
        said.append(f"all rewards are {kept['rewards'][0]:g}: no trajectory is better than another")
    if tally.occupancy is not None and tally.occupancy.outside:
        outside = counted(tally.occupancy.outside, "position")
        said.append(f"{outside} in no free cell of the maze")
    recorded = tally.recorded
    suspicion = suspected(np.array(recorded.lengths, int), np.array(recorded.ended, bool), limit)
    said += [] if suspicion is None else [suspicion]
    if tally.left_out:
        said.append(
            f"{tally.left_out:,} of {card['rows']:,} rows are not trained on: the last row of an "
            "episode is left out where its next observation is not known"
        )
    return said


def _few(numbers: list[int], names: Sequence[str]) -> str:
    more = ", ..." if len(numbers) > 12 else ""
    return f"{', '.join(names[number] for number in numbers[:12])}{more}"
