"""Writes the results of whole experiments whose true means are known."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ivr.paper.deck import COMPARED, DATASETS, printed
from tests.report.making import write

D4RL = {"dataset_source": "d4rl gym/file.hdf5", "certificate": {"status": "exact"}, "noise": {}}
"""What result.json says of the paper's data; its seeds are many updates old."""

Draw = Callable[[float, int], np.ndarray[Any, np.dtype[np.float64]]]


def normal(seed: int, deviation: float = 5.0) -> Draw:
    rng = np.random.default_rng(seed)
    return lambda mean, seeds: rng.normal(mean, deviation, seeds)


def run(path: Path, scores: Any, **changes: Any) -> None:
    """One result of a method on a dataset, a seed for each score."""
    everything = D4RL | {"num_updates": 1_000_000} | changes
    write(path, {k: float(score) for k, score in enumerate(scores)}, **everything)


def results_table(
    folder: Path, draw: Draw, mean: Callable[[str, str], float], seeds: int = 5, **changes: Any
) -> None:
    """The whole results table, `mean` of dataset and method the truth."""
    for dataset in DATASETS:
        for algo in (*COMPARED, "sql", "eql"):
            if printed(dataset, algo) is not None:
                scores = draw(mean(dataset, algo), seeds)
                run(folder / f"{dataset}_{algo}", scores, dataset=dataset, algo=algo, **changes)
