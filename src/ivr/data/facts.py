"""What the data tell an algorithm, gathered from what it is served."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from ivr.data.dataset import OfflineDataset
from ivr.data.serving.datamodule import TransitionDataModule
from ivr.data.transforms.normalisation import Standard
from ivr.types import DataFacts


def basic_facts(dataset: OfflineDataset) -> DataFacts:
    """Sizes and bounds of a dataset, which take no pass over it."""
    info = dataset.info
    low, high = list(info.action_low), list(info.action_high)
    return DataFacts(dataset.observation_dim, low, high, list(info.entries))


def gather_facts(
    served: TransitionDataModule, wanted: Collection[str], normalisation: Standard | None
) -> DataFacts:
    """The facts of `wanted`; another costs a pass over data that may be large, and stays None.

    Args:
        served: what is trained on.
        wanted: names of fields of DataFacts.
        normalisation: how observations are to be normalised, None for not at all.
    """
    dataset = served.dataset
    facts: dict[str, Any] = {}
    if "best_return" in wanted:
        facts["best_return"] = dataset.best_return
    if served.outcomes is not None:
        facts["outcome_goal"] = served.outcomes.target
    if normalisation is not None:
        facts |= normalisation.fit(dataset, served.selection)
    return replace(basic_facts(dataset), **facts)
