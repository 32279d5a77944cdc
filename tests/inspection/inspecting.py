"""Runs `inspect_data.py` and reads its card."""

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ivr.commands import inspect_data as run_inspection
from ivr.errors import UserError
from tests.data.sources.d4rl.d4rl_making import Made, encoded_columns, write_d4rl
from tests.running import composed

EPISODES = [Made(3, "timeout"), Made(5, "terminal"), Made(4, "timeout")]


def inspect(
    folder: Path, *words: str, pictures: bool = False
) -> tuple[dict[str, Any], UserError | None]:
    """The data card, and the error that the program ends with; drawing takes most of the time."""
    folder.mkdir(exist_ok=True)
    error = None
    with patch.object(run_inspection, "plots", run_inspection.plots if pictures else _no_pictures):
        try:
            run_inspection.run(composed(words, "inspect_data"), folder, list(words))
        except UserError as raised:
            error = raised
    return json.loads((folder / "card.json").read_text()), error


def _no_pictures(*_: Any) -> dict[str, str]:
    return {}


def places(card: dict[str, Any]) -> set[tuple[str, int | None, int | None, int | None]]:
    return {
        (kind, one["episode"], one["step"], one["row"])
        for kind, found in card["defects"].items()
        for one in found["first"]
    }


def d4rl_words(path: Path, change: Any) -> tuple[str, ...]:
    columns = encoded_columns([Made(30, "timeout"), Made(40, "terminal"), Made(30, "timeout")])
    change(columns)
    written = write_d4rl(path / "a.hdf5", columns)
    return "dataset=d4rl_hdf5", f"dataset.path={written}"
