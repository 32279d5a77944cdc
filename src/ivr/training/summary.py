"""What a person reads when a run has ended."""

import math
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ivr.errors import UserError
from ivr.programs import command

_MEASURES = ("explained_variance", "bellman_error", "action_error")


def table(result: dict[str, Any]) -> str:
    """The members' last and best scores, one line each."""
    speed = result["updates_per_second"]
    active = sum(1 for member in result["members"] if not member.get("stopped"))
    rate = "" if speed is None else f", {_rate(speed)} updates/s x {active}"
    lines = [
        "",
        f"{result['algo']} on {result['dataset']} ({result['protocol']}): {result['status']} at "
        f"update {result['updates_done']:,} after {result['wall_seconds']:.0f} s{rate}",
        f"data: {result['dataset_source']}",
    ]
    if result.get("stopped_early"):
        lines.append(
            f"ended before update {result['num_updates']:,} by a callback or trainer.max_time: "
            "with more time, or a larger num_updates, resume= trains on"
        )
    failed = result.get("failed_evaluations", [])
    if failed:
        updates = ", ".join(str(one["update"]) for one in failed)
        lines.append(f"not evaluated, as the environment failed: update {updates}")
    for member in result["members"]:
        if member.get("diverged"):
            lines.append(_diverged(member))
    if any(member["last"] is not None for member in result["members"]):
        lines.append(f"environment: {result['evaluation']['environment']}")
        if result.get("certificate"):
            lines.append(f"replay {result['certificate']['words']}")
        halved = any(member.get("stopped") for member in result["members"])
        titles = ("seed", "alpha", "last", "return", "episodes", "best", "  at update")
        rows: list[tuple[str, ...]] = [(*titles, "stopped") if halved else titles]
        for member in result["members"]:
            last, best = member["last"], member["best"]
            cells = (
                str(member["seed"]),
                "-" if member["alpha"] is None else f"{member['alpha']:g}",
                *_last_cells(last),
                "-" if best is None else _with_error(best),
                "-" if best is None else str(best["update"]),
            )
            stopped = str(member["stopped"]["update"]) if member.get("stopped") else "-"
            rows.append((*cells, stopped) if halved else cells)
        lines += ["", *_right_aligned(rows)]
        lines.append("last and best are normalized scores, or returns where there is no reference")
        if halved:
            lines.append("stopped: at that update, by halving; its policies are in rungN_last.ckpt")
    elif result["members"][0].get("held_out"):
        lines += held_out_table(result)
    return "\n".join(lines)


def held_out_table(result: dict[str, Any]) -> list[str]:
    """What was measured on held-out episodes, where there are no scores: lines, one a member."""
    split, members = result["split"], result["members"]
    by = members[0]["held_out"].get("best_by")
    names = [name for name in _MEASURES if name in members[0]["held_out"]["last"]]
    columns = list(dict.fromkeys([*names, *([by] if by else [])]))
    rows: list[tuple[str, ...]] = [("seed", "alpha", "update", *columns)]
    if by:
        rows[0] += ("best", "  at update")
    for member in members:
        last, best = member["held_out"]["last"], member["held_out"].get("best")
        alpha = "-" if member["alpha"] is None else f"{member['alpha']:g}"
        cells = [str(member["seed"]), alpha, str(last["update"])]
        cells += [_short(last[name]) for name in columns]
        if by:
            cells += ["-", "-"] if best is None else [_short(best[by]), str(best["update"])]
        rows.append(tuple(cells))
    where = f"the {result['transitions']:,} transitions that were trained on, as none are held out"
    if split is not None:
        where = f"{split['episodes']:,} held-out episodes ({split['transitions']:,} transitions)"
    return [
        "no environment: no score is known, and none of these is one",
        f"measured on {where}:",
        "",
        *_right_aligned(rows),
        *([f"best is the {by} by which best.ckpt was chosen"] if by else []),
        *_expected(members),
    ]


def _expected(members: Sequence[dict[str, Any]]) -> list[str]:
    """What was expected of the episodes and what came of them, as far as they go."""
    last = [member["held_out"]["last"] for member in members]
    if "value_start" not in last[0]:
        return []
    expected = ", ".join(_short(one["value_start"]) for one in last)
    came = _short(last[0]["discounted_return"])
    return [
        "",
        f"expected of these episodes at their start, discounted: {expected}; what came to their",
        f"end: {came}. Where the two lie far apart, the values are not learned yet, or wrong",
    ]


def _last_cells(last: dict[str, Any] | None) -> tuple[str, str, str]:
    if last is None:  # the environment failed where the member was stopped
        return "-", "-", "-"
    return _with_error(last), _number(last["return_mean"]), str(last["episodes"])


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _right_aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Columns as wide as their widest cell, so that a terminal of 80 characters wraps none."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.rjust, row, widths)) for row in rows]


def conclude(result: dict[str, Any]) -> None:
    """End the program as the run ended.

    Raises:
        SystemExit: it was interrupted.
        UserError: members diverged: which, and what to do.
    """
    if result["status"] == "interrupted":
        raise SystemExit(130)
    found = [member for member in result["members"] if member.get("diverged")]
    if found:
        which = "; ".join(map(_diverged, found))
        advice = found[0]["diverged"]["advice"]
        raise UserError(f"{which}. The other members {result['status']}. {advice}")


def _diverged(member: dict[str, Any]) -> str:
    alpha = "" if member["alpha"] is None else f" alpha {member['alpha']:g}"
    found = member["diverged"]
    return (
        f"seed {member['seed']}{alpha} diverged at update {found['update']} ({found['term']}) and "
        "stays as it was before"
    )


def online_table(result: dict[str, Any]) -> str:
    """What training online has cost each member, measured on its training episodes."""
    columns = {
        "J0": "baseline_return",
        "regret": "regret",
        "worst dip": "worst_dip",
        "low share": "share_below_decile",
        "falls/1000": "falls_per_1000_steps",
        "passes at": "steps_to_pass",
    }
    whose = "its own untrained policy's" if result["algo"] == "rlpd" else "the offline policy's"
    lines = ["", f"training episodes, after {whose} first ones (return J0):"]
    rows: list[tuple[str, ...]] = [("seed", *columns)]
    for member in result["members"]:
        found = [member["online"][key] for key in columns.values()]
        rows.append((str(member["seed"]), *("-" if x is None else f"{x:.3g}" for x in found)))
    lines += _right_aligned(rows)
    lines.append("regret and worst dip: shares of the range of returns; passes at: env steps")
    return "\n".join(lines)


def next_steps(
    folder: Path,
    quoted: Callable[[str], str],
    program: str = "train",
    repeated: Sequence[str] = (),
    evaluated: bool = True,
) -> str:
    """The commands to look at the run, evaluate it and resume it.

    Args:
        folder: of the run.
        quoted: writes a text as Hydra reads it back.
        program: that resumes it.
        repeated: overrides that are not taken from a checkpoint.
        evaluated: whether it has an environment; else its policies are ranked without one.
    """

    def override(key: str, path: Path) -> str:
        plain = re.fullmatch(r"[\w./+-]+", str(path), re.ASCII) is not None
        return shlex.quote(f"{key}={path if plain else quoted(str(path))}")

    here = Path.cwd()  # the run's own folder with hydra.job.chdir=true
    shown = folder.relative_to(here) if here in folder.parents else folder
    best, last = shown / "checkpoints" / "best.ckpt", shown / "checkpoints" / "last.ckpt"
    lines, events = [""], shown / "tensorboard"
    if events.is_dir():
        lines.append(f"look:     tensorboard --logdir {shlex.quote(str(events))}")
    if best.exists():
        named = (word.removeprefix("dataset.") for word in repeated)
        more = [shlex.quote(word) for word in named if word.startswith("env=")]
        more += ["video=true"] if evaluated else []
        lines.append(" ".join([
            f"evaluate: {command('evaluate')} {override('checkpoint', best)}", *more
        ]))  # fmt: skip
        if not evaluated:
            lines.append(f"rank:     {command('rank')} {override('runs', shown)}")
    if last.exists():
        again = " ".join([override("resume", last), *map(shlex.quote, repeated)])
        lines.append(f"resume:   {command(program)} {again}")
    return "\n".join(lines)


def _rate(speed: float) -> str:
    return f"{speed:,.0f}" if speed >= 10 else f"{speed:.2g}"


def _number(value: float | None) -> str:
    return "nan" if value is None else f"{value:.1f}"


def _with_error(score: dict[str, Any]) -> str:
    of_success = [score.get(f"success_{name}") for name in ("rate", "low", "high")]
    normalized = score["normalized_score"]
    if normalized is not None and None not in of_success:
        rate, low, high = (100 * float(x) for x in of_success if x is not None)
        if math.isclose(normalized, rate, abs_tol=1e-9):
            # Wilson's: of 50 failures the standard error is 0, and the truth may be 7 %.
            return f"{rate:.0f} [{low:.0f}, {high:.0f}]"
    if normalized is None:
        return f"{_number(score['return_mean'])}±{_number(score['return_sem'])}"
    return f"{score['normalized_score']:.1f}±{score['normalized_score_sem']:.1f}"
