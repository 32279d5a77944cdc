"""What the pages say of this repository is there: links, paths, options, algorithms."""

import functools
import re
from pathlib import Path

import pytest

from ivr.config.search import choices
from tests.running import composed

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FOLDERS = "tests|src|conf|docs|benchmarks|scripts|notebooks"


def anchors(page: str) -> set[str]:
    """The names that a page's headings are linked by."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


def missing(page: str, folder: Path, root: Path) -> list[str]:
    """What a page links to, or names as a path from the root, and is not there."""
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page):
        if re.match(r"https?:", target):
            continue
        name, _, anchor = target.partition("#")
        path = folder / name if name else None
        if (path is not None and not path.exists()) or (
            anchor and anchor not in anchors(page if path is None else path.read_text("utf-8"))
        ):
            found.append(target)
    named = re.findall(rf"`((?:{FOLDERS})/[\w./-]+)`", page)
    return found + [
        name for name in named if not re.search("[A-Z]{4}", name) and not (root / name).exists()
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_is_there(page: Path) -> None:
    assert missing(page.read_text(encoding="utf-8"), page.parent, ROOT) == []


def test_what_is_missing_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# On disk, at last\n")
    page = (
        "[a](there.md) [b](gone.md) [c](there.md#on-disk-at-last) [d](there.md#off) [e](#none)\n"
        "`tests/gone.py` `tests/NAME.py` [f](https://example.org)\n"
    )
    assert missing(page, tmp_path, tmp_path) == [
        "gone.md",
        "there.md#off",
        "#none",
        "tests/gone.py",
    ]


@functools.cache
def module_of(algo: str) -> str:
    return str(composed((f"algo={algo}",)).algo["class"]).split(".")[2]


def test_every_algorithm_is_linked_to_its_file() -> None:
    text = (ROOT / "docs" / "algorithms.md").read_text(encoding="utf-8")
    for algo in choices("algo"):
        module = module_of(algo)
        linked = rf"\[`{algo}`\]\(\.\./src/ivr/algos/{module}\.py\)"
        assert re.search(rf"^\|[^|]*{linked}", text, re.MULTILINE), (algo, module)


def test_the_readme_leads_to_the_value_loss_of_sql_in_two_hops() -> None:
    (file,) = re.findall(r"`implicit_value_loss` in \[[^\]]+\]\(([^)]+)\)", README)
    assert "def implicit_value_loss(" in (ROOT / file).read_text(encoding="utf-8")


def test_every_option_that_is_explained_exists() -> None:
    page = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    table = page[page.index("| option | meaning |") :].split("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    options = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert len(options) > 10
    config = composed(())
    assert [name for name in options if name not in config and not choices(name)] == []
