"""Loads the templates of the pages that programs write: HTML that needs no other file."""

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from ivr.errors import printable


def page_template(folder: str, **filters: Callable[[Any], str]) -> Template:
    """Load `page.html` of a folder of this package.

    What is filled in is text: Jinja2 escapes HTML, and control characters are spelled out.

    Args:
        folder: such as report/output.
        filters: of the template, by their names in it.
    """
    environment = Environment(
        loader=PackageLoader("ivr", folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=lambda value: printable(value) if isinstance(value, str) else value,
    )
    environment.filters.update(filters)
    return environment.get_template("page.html")
