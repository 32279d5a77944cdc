"""Lays a ranking out as a table for the terminal, as JSON and as CSV."""

import csv
import dataclasses
import io
import textwrap
from typing import Any

from ivr.errors import counted, printable
from ivr.selection.estimates import Estimate, Ranking

WIDTH = 80
_ROWS, _NAME = 30, 24
_METRICS = ("spearman", "regret@1", "regret@3", "regret@5", "absolute error")


def table(ranking: Ranking) -> str:
    """Every policy in 80 columns, the recommendation, and how far to trust it."""
    facts = ranking.facts
    known = any(one.truth is not None for one in ranking.estimates)
    header = (
        f"{'':>3} {'policy':<{_NAME}} {'value':>8} {'5 %':>8} {'95 %':>8} {'unlike':>6} {'TD':>7}"
    )
    lines = ["", header + (f" {'truth':>8}" if known else "  !")]
    for number, one in enumerate(ranking.estimates[:_ROWS], 1):
        lines.append(_row(str(number), one, known))
        lines += [f"    {line}" for w in one.warnings for line in _wrapped(f"! {w}", WIDTH - 4)]
    more = len(ranking.estimates) - _ROWS
    lines += [f"    and {more} more, on the page"] if more > 0 else []
    lines.append(_row("", ranking.clone, known))
    lines += [
        "",
        f"value: discounted by {facts['discount']}, of the {facts['rewards']}: mean of",
        "  Q(s0, pi(s0)), and its 5 and 95 % over critics and initial states. unlike:",
        "  share of actions farther from the data's than 99 % of those. TD: root of the",
        f"  mean squared TD error on {counted(facts['held_out_episodes'], 'held-out episode')}",
        f"the data's own episodes returned {_short(ranking.returned)}, and "
        f"{_short(ranking.behaviour)} with the critics' estimate",
        "  of what came after their time limits",
    ]
    lines += _metrics(ranking)
    chosen = ranking.recommendation
    lines += ["", f"recommended: {chosen.name}, worth {_short(chosen.lower)} at least"]
    lines += [f"  {line}" for sentence in chosen.trust for line in _wrapped(sentence, WIDTH - 2)]
    return printable("\n".join(lines))


def as_json(ranking: Ranking) -> dict[str, Any]:
    """Everything that is known, in plain types."""
    return {
        "recommendation": dataclasses.asdict(ranking.recommendation),
        "policies": [_flat(one) for one in ranking.estimates],
        "cloned_behaviour": _flat(ranking.clone),
        "returned": ranking.returned,
        "behaviour": ranking.behaviour,
        "metrics": {
            criterion: {name: dataclasses.asdict(metric) for name, metric in found.items()}
            for criterion, found in ranking.metrics.items()
        },
        "left_out": [{"policy": name, "why": why} for name, why in ranking.left_out],
        "truth_above_lower_bound": ranking.held,
        "truth_above_recommended_bound": ranking.held_recommended,
        **ranking.facts,
    }


def as_csv(ranking: Ranking) -> str:
    """One row for each policy, the best first."""
    rows = [_flat(one) | {"warnings": "; ".join(one.warnings)} for one in ranking.estimates]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _flat(one: Estimate) -> dict[str, Any]:
    found = dataclasses.asdict(one)
    return {**found.pop("candidate"), **found}


def _row(number: str, one: Estimate, known: bool) -> str:
    name = one.candidate.name
    name = name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
    numbers = "".join(f" {_short(value):>8}" for value in (one.value, one.lower, one.upper))
    line = f"{number:>3} {name:<{_NAME}}{numbers} {one.outside:>6.0%} {_short(one.td_error):>7}"
    if known:
        return f"{line} {_short(one.truth):>8}"
    return line + ("  !" if one.warnings else "")


def _metrics(ranking: Ranking) -> list[str]:
    """What each criterion would have chosen, with intervals over the policies."""
    if not ranking.metrics:
        return []
    lines = ["", f"{'chosen by':<17}" + "".join(f"{name:>15}" for name in _METRICS[:4])]
    for criterion, found in ranking.metrics.items():
        cells = [found.get(name) for name in _METRICS[:4]]
        lines.append(
            f"{criterion:<17}"
            + "".join(
                f"{'–':>15}" if m is None else f"{m.value:>5.2f} {_ends(m.lower, m.upper):>9}"
                for m in cells
            )
        )
    lines.append("5 and 95 % over a bootstrap of the policies; regret as a share of the range")
    if ranking.held is not None and ranking.held_recommended is not None:
        lines.append(
            f"worth their lower bound or more: {ranking.held:.0%} of the policies, "
            f"{ranking.held_recommended:.0%} of those"
        )
        lines.append("  recommended of random halves of them")
    return lines


def _ends(low: float, high: float) -> str:
    return f"{low:.1f}–{high:.1f}".replace("0.", ".") if low >= 0 else f"{low:.1f}–{high:.1f}"


def _short(value: float | None) -> str:
    text = "–" if value is None else f"{value:.4g}"
    return text if len(text) <= 8 else f"{value:.2g}"


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="  ")
