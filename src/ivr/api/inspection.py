"""Looks a dataset over before anything is trained on it, as `python inspect_data.py` does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ivr.api.dataset import Dataset, dataset_options
from ivr.api.options import merged
from ivr.config.call import call


@dataclass(frozen=True)
class Inspection:
    """What is known of a dataset, and what is wrong with it."""

    folder: Path
    """With card.html, a page with pictures, and card.json."""
    card: dict[str, Any]
    """The contents of card.json."""

    @property
    def defects(self) -> list[str]:
        """What a training would refuse, in words: of each kind the first, and how many."""
        return [
            f"{kind}, {found['count']} in all: {found['first'][0]['text']}"
            for kind, found in self.card["defects"].items()
            if found["count"]
        ]

    @property
    def warnings(self) -> list[str]:
        """What is legal, and hardly meant."""
        return list(self.card["warnings"])


def inspect_data(
    dataset: str | Dataset | None = None,
    /,
    *,
    show: int | None = None,
    folder: str | Path | None = None,
    verbose: bool = True,
    **options: Any,
) -> Inspection:
    """Find every defect of a dataset: `python inspect_data.py` with the same options.

    Args:
        dataset: a file of conf/dataset/ or a `Dataset`; left out for files of one's own.
        show: defects of a kind that are listed.
        folder: for the page, instead of a new one under outputs/inspections.
        verbose: print the card.
        options: of the dataset, without their prefix, as in `load_dataset`.

    Raises:
        UserError: no such dataset or option, or data that cannot be opened.
    """
    if dataset is None and "path" in options:
        dataset = "arrays"
    own = {f"dataset.{key}": value for key, value in options.items()}
    chosen = merged(dataset_options(dataset) | {"show": show}, own)
    card, where = call("inspect_data", "inspect", chosen, folder=folder, verbose=verbose)
    return Inspection(where, card)
