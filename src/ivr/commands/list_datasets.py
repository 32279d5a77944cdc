"""What every name of conf/dataset stands for, and where its data are on this machine."""

from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ivr.config.search import CONFIG_DIR, choices
from ivr.data.kinds import KINDS
from ivr.data.sources.d4rl.published import find_published
from ivr.data.sources.downloads.network import first_host, reachable
from ivr.data.sources.stand_ins import GENERATED
from ivr.files import write_text
from ivr.programs import command

DOCUMENT = CONFIG_DIR.parent / "docs" / "datasets.md"
BEGIN, END = "<!-- python list_datasets.py docs -->\n", "<!-- end -->"

_METRICS = {"return": "return", "success": "success rate", "tasks": "tasks completed"}


class Row(NamedTuple):
    """A row of the table."""

    dataset: str
    source: str
    data: str
    reward: str
    environment: str
    steps: str
    score: str
    reference: str


@cache
def datasets() -> list[dict[str, Any]]:
    """The dataset node of each name, as `python train.py dataset=NAME` composes it.

    It is followed by those of the other sources that the name has, as with dataset.source=d4rl.
    """
    found: list[Any] = []
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        for name in choices("dataset"):
            # The smallest configuration with a dataset.
            node = compose("generate", [f"dataset={name}"]).dataset
            usual = node.source
            found.append(OmegaConf.to_container(node, resolve=True))
            node.source = "d4rl"
            if usual != "d4rl" and find_published(node.id)[1] is not None:
                found.append(OmegaConf.to_container(node, resolve=True))
            node.source = "generated"
            if usual != "generated" and name in GENERATED:
                node.id = f"ivr/{name}-v0"
                found.append(OmegaConf.to_container(node, resolve=True))
    return found


def row(dataset: dict[str, Any]) -> Row:
    """What does not depend on the machine."""
    kind, reference = KINDS[dataset["source"]], dataset["reference"]
    env = dataset["env"] or ("as recorded" if kind.records_environment else "dataset.env=")
    return Row(
        dataset["name"],
        dataset["source"],
        f"{dataset['id']} ({kind.publisher})" if dataset["id"] else f"any: {kind.named_by}",
        dataset["reward"],
        env,
        str(dataset["max_episode_steps"] or "its own"),
        _METRICS[dataset["metric"]],
        "none" if reference is None else f"{reference[0]:.9g} to {reference[1]:.9g}",
    )


def whereabouts(dataset: dict[str, Any]) -> str:
    """Where the data are on this machine, or how they would come here."""
    kind, dataset_id = KINDS[dataset["source"]], dataset["id"]
    if not dataset_id:
        return "you name them"
    found = kind.find(dataset_id)
    if found:
        return str(found)
    urls = kind.addresses(dataset_id)
    if not urls:
        return "made on first use"
    hosts = [first_host(url) for url in urls]
    for url, (host, port) in zip(urls, hosts, strict=True):
        if _answers(host, port):
            return f"from {url}"
    names = [host for host, _ in hosts]
    return f"missing: {' and '.join(names)} {'do' if names[1:] else 'does'} not answer"


@cache
def _answers(host: str, port: int) -> bool:
    return reachable(host, port)


def aligned(lines: list[tuple[str, ...]]) -> str:
    """Columns of equal width."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    cells = (map(str.ljust, line, widths) for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in cells)


def markdown(lines: list[tuple[str, ...]]) -> str:
    """The same as a table of docs/datasets.md."""
    rule = tuple("---" for _ in lines[0])
    return "".join(f"| {' | '.join(line)} |\n" for line in (lines[0], rule, *lines[1:]))


def documented(text: str) -> str:
    """docs/datasets.md with its table renewed."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    table = markdown([Row._fields, *map(row, datasets())])
    return f"{before}{BEGIN}{table}{END}{after}"


def run(words: list[str]) -> None:
    """Print the table; with the argument `docs` renew that of docs/datasets.md instead.

    Raises:
        SystemExit: for any other argument.
    """
    if words == ["docs"]:
        write_text(DOCUMENT, documented(DOCUMENT.read_text("utf-8")))
        return
    only_docs("list_datasets", words)
    found = datasets()
    lines = [(*row(dataset), _short(whereabouts(dataset))) for dataset in found]
    print(aligned([(*Row._fields, "here"), *lines]))
    packages = ("gymnasium", "gymnasium-robotics", "mujoco")
    print(f"\nEnvironments of {', '.join(f'{name} {version(name)}' for name in packages)}.")


def only_docs(program: str, words: list[str]) -> None:
    """Raise SystemExit with what a program that lists takes, unless it was given nothing."""
    said = f"{command(program)} lists all; its only argument is docs, which renews the list in docs"
    if words in (["--help"], ["-h"]):
        print(said)
        raise SystemExit(0)
    if words:
        raise SystemExit(f"Error: {' '.join(words)}: {said}")


def _short(place: str) -> str:
    return place.replace(str(Path.home()), "~")
