"""Which commands make which part of the deck: a scale's sets, written out."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ivr.data.sources.d4rl.location import d4rl_root
from ivr.paper.needs import absent


@dataclass(frozen=True)
class Step:
    """One command, whose runs are jobs of one sweep."""

    part: str
    program: str
    """train or finetune, whose runs are jobs of a sweep; or generate, which makes data."""
    folder: Path
    """Of the sweep."""
    words: tuple[str, ...]

    @property
    def is_sweep(self) -> bool:
        """Whether it leaves jobs in its folder."""
        return self.program != "generate"

    @property
    def arguments(self) -> list[str]:
        """The command's, the sweep's folder among them."""
        more = ["sweep=paper", f"hydra.sweep.dir={self.folder}"] if self.is_sweep else []
        return [*self.words, *more]


def steps(scale: Mapping[str, Any], folder: Path, parts: Sequence[str]) -> list[Step]:
    """Write out the commands of a scale, in the order in which they are run.

    A set has a part, words that all of its commands share, commands, and datasets with words of
    their own, each as one types them: each command is given for each dataset, in the folder
    `part/dataset`. A set with `otherwise` counts where no data of that part are on this machine.

    Args:
        scale: a file of conf/scale/ in plain types.
        folder: of all runs, `{folder}` in a word; `{d4rl}` is D4RL's.
        parts: that are wanted.
    """
    sets = [(one, list(_written(one, folder))) for one in scale["sets"]]
    there = {
        one["part"]
        for one, written in sets
        if "otherwise" not in one and any(not absent(step.words) for step in written)
    }
    return [
        step
        for one, written in sets
        if one["part"] in parts and one.get("otherwise") not in there
        for step in written
    ]


def _written(one: Mapping[str, Any], folder: Path) -> Iterator[Step]:
    places = {"{folder}": str(folder), "{d4rl}": str(d4rl_root())}
    for dataset, own in one["datasets"].items():
        for command in one["commands"]:
            text = f"{own} {one.get('words', '')} {command}"
            for name, place in places.items():
                text = text.replace(name, shlex.quote(place))
            yield Step(
                part=one["part"],
                program=one.get("program", "train"),
                folder=folder / one["part"] / dataset,
                words=tuple(shlex.split(text)),
            )
