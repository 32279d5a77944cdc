"""Renders a ranking as one page of HTML that needs no other file."""

import math

from ivr.pages import page_template
from ivr.selection.estimates import Estimate, Ranking


def page(ranking: Ranking) -> str:
    """Fill `page.html` with a ranking."""
    template = page_template("selection", number=_number, short=lambda value: _number(value, ".2f"))
    shown = [*ranking.estimates, ranking.clone]
    scale = _scale(shown)
    return template.render(
        ranking=ranking,
        facts=ranking.facts,
        shown=shown,
        place=lambda value: None if value is None else _place(value, *scale),
        ends=scale,
        known=any(one.truth is not None for one in ranking.estimates),
    )


def _scale(estimates: list[Estimate]) -> tuple[float, float]:
    """What the bars span: every interval and truth, a little wider."""
    values = [
        value
        for one in estimates
        for value in (one.lower, one.upper, one.truth)
        if value is not None and math.isfinite(value)
    ]
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = 0.03 * (high - low) or 1.0
    return low - margin, high + margin


def _place(value: float, low: float, high: float) -> float:
    """In percent of the width of the bars."""
    return 0.0 if not math.isfinite(value) else round(100 * (value - low) / (high - low), 2)


def _number(value: float | None, form: str = ",.4g") -> str:
    return "–" if value is None or math.isnan(value) else f"{value:{form}}"
