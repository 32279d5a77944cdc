"""What every name of conf/algo stands for: its source, its needs, its temperature."""

import importlib
import inspect
import shutil
import textwrap
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ivr.commands.list_datasets import END, markdown, only_docs
from ivr.config.search import CONFIG_DIR, choices
from ivr.files import write_text

if TYPE_CHECKING:
    from ivr.types import Needs

DOCUMENT = CONFIG_DIR.parent / "docs" / "algorithms.md"
BEGIN = "<!-- python list_algorithms.py docs -->\n"


class Row(NamedTuple):
    """A row of the table."""

    algo: str
    temperature: str
    needs: str
    file: str
    source: str


def algorithms() -> list[Row]:
    """The row of each name, with the values that it has for MuJoCo."""
    found = []
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        for name in choices("algo"):
            node = compose("config", [f"algo={name}", "dataset=hopper-medium"]).algo
            algo: Any = OmegaConf.to_container(node, resolve=True)
            found.append(row(algo))
    return found


def row(algo: dict[str, Any]) -> Row:
    """The row of an `algo` node."""
    from ivr.config.schema import parse_algorithm  # takes seconds: torch

    algorithm = parse_algorithm(algo)
    cls = algorithm.type
    options = tuple(f"algo.{name}" for name in cls.alpha_options)
    if algorithm.takes("alpha"):
        options = ("alpha", *options)
    module = cls.__module__
    documentation = inspect.getdoc(importlib.import_module(module)) or ""
    return Row(
        algorithm.name,
        ", ".join(options) or "none",
        in_words(algorithm.needs(discount=0.99)),
        f"src/{module.replace('.', '/')}.py",
        documentation.splitlines()[0].rstrip("."),
    )


def in_words(needs: "Needs") -> str:
    """What is asked of the data beyond transitions."""
    asked = {
        "next actions": needs.next_actions,
        f"the best {needs.best_fraction:.0%}": needs.best_fraction < 1,
        f"the {needs.outcome} reached": needs.outcome is not None,
        "returns to go": needs.return_discount is not None,
        f"windows of {needs.window} steps": needs.window is not None,
        f"{needs.holdout:.0%} held out": needs.holdout > 0,
    }
    return ", ".join(words for words, wanted in asked.items() if wanted) or "transitions"


def documented(text: str) -> str:
    """docs/algorithms.md with its table renewed."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{markdown([Row._fields, *algorithms()])}{END}{after}"


def known() -> list[Row]:
    """The rows of docs/algorithms.md: to look them up anew takes seconds, as torch does.

    Raises:
        SystemExit: the page lacks its table.
    """
    _, _, rest = DOCUMENT.read_text("utf-8").partition(BEGIN)
    lines = rest.partition(END)[0].splitlines()[2:]
    try:
        return [Row(*line.removeprefix("| ").removesuffix(" |").split(" | ")) for line in lines]
    except TypeError:
        raise SystemExit(f"{DOCUMENT} is damaged: python list_algorithms.py docs") from None


def listed(rows: list[Row], width: int) -> str:
    """A paragraph for each algorithm, in lines of so many characters."""
    fill = partial(textwrap.fill, width=width, break_long_words=False, break_on_hyphens=False)
    indent = " " * (max(len(row.algo) for row in rows) + 2)
    return "\n".join(
        fill(row.source, initial_indent=row.algo.ljust(len(indent)), subsequent_indent=indent)
        + "\n"
        + fill(
            f"temperature: {row.temperature}; data: {row.needs}; {row.file}",
            initial_indent=indent,
            subsequent_indent=indent,
        )
        for row in rows
    )


def run(words: list[str]) -> None:
    """Print the table; with the argument `docs` renew that of docs/algorithms.md, which is read.

    Raises:
        SystemExit: for any other argument.
    """
    if words == ["docs"]:
        write_text(DOCUMENT, documented(DOCUMENT.read_text("utf-8")))
        return
    only_docs("list_algorithms", words)
    print(listed(known(), shutil.get_terminal_size().columns))
