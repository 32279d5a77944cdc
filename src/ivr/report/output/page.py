"""Renders a report as one page of HTML that needs no other file."""

import base64
from collections.abc import Mapping, Sequence

from ivr.pages import page_template
from ivr.report.output.sections import Section
from ivr.report.output.tables import shown


def page(title: str, place: str, sections: Sequence[Section], images: Mapping[str, bytes]) -> str:
    """Fill `page.html` with tables and figures.

    Args:
        title: of the page.
        place: where the results lie, and what the page was made with.
        sections: in their order.
        images: SVG by the name of each picture; a document of its own each, so that names inside
            it cannot meet those of another.
    """
    return page_template("report/output").render(
        title=title,
        place=place,
        sections=sections,
        images={name: base64.b64encode(svg).decode() for name, svg in images.items()},
        shown=shown,
    )
