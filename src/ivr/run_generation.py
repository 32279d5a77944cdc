"""Makes the datasets that this project generates itself."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ivr.data.pointmaze import ensure_pointmaze
from ivr.errors import UserError
from ivr.mazes import MAZES


def run_generation(composed: DictConfig, folder: Path, overrides: list[str]) -> None:
    """Generate the dataset that is asked for, unless it is there, and say where it is.

    Raises:
        UserError: for a dataset that is published instead of generated.
    """
    dataset: Any = OmegaConf.to_container(composed.dataset, resolve=True)
    if dataset["source"] != "pointmaze":
        raise UserError(
            f"dataset={dataset['name']} is not made here: its source is {dataset['source']}. "
            f"Made here: {', '.join(f'pointmaze-{maze}' for maze in MAZES)}"
        )
    folder = ensure_pointmaze(dataset["name"])
    print(f"{dataset['id']} is in {folder}")
