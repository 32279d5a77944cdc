"""Renders the data card as one page of HTML that needs no other file."""

import base64
from collections.abc import Mapping
from typing import Any

from ivr.inspection.text import card_text
from ivr.pages import page_template


def page(card: dict[str, Any], plots: Mapping[str, str]) -> str:
    """Fill `page.html` with the figures of `card` and the SVG pictures by their titles."""
    kept = card["trained_on"]
    return page_template("inspection").render(
        card=card,
        text=card_text(card).strip(),
        total=sum(found["count"] for found in card["defects"].values()),
        numbers={
            "transitions": f"{kept['steps']:,}",
            "episodes": f"{kept['episodes']:,}",
            "terminated": f"{kept['terminated']:,}",
            "truncated": f"{kept['truncated']:,}",
            "median length": f"{kept['lengths'][1]:,.0f}",
            "mean return": f"{kept['returns'][1]:,.4g}",
        },
        # Each picture is a document of its own: names inside it cannot meet those of another.
        pictures={title: base64.b64encode(svg.encode()).decode() for title, svg in plots.items()},
    )
