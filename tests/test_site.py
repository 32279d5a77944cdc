"""The site's navigation (mkdocs.yml) and its pages are the same; `make docs` checks the rest."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))


def pages(entries: Any) -> Iterator[str]:
    """The pages of a navigation, however deep."""
    for entry in entries:
        (target,) = entry.values() if isinstance(entry, dict) else (entry,)
        yield from pages(target) if isinstance(target, list) else (target,)


def test_every_page_is_in_the_navigation_once() -> None:
    listed = [page for page in pages(SITE["nav"]) if not page.startswith("repository/")]
    assert sorted(listed) == sorted(path.name for path in (ROOT / "docs").glob("*.md")), (
        "a page of docs/ has its line in mkdocs.yml"
    )


def test_every_notebook_is_in_the_navigation() -> None:
    shown = {Path(page).stem for page in pages(SITE["nav"]) if page.startswith("repository/")}
    assert shown == {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}


def test_what_is_broken_ends_the_building() -> None:
    assert SITE["strict"] is True
    checks = SITE["validation"]["nav"] | SITE["validation"]["links"]
    assert set(checks.values()) == {"warn"} and "anchors" in checks
