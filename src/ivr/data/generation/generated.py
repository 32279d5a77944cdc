"""Generates this project's own datasets on first use. They are never called D4RL's."""

from pathlib import Path

from ivr.data.cache.making import make_folder
from ivr.data.sources.d4rl.location import d4rl_root
from ivr.data.sources.minari.location import datasets_root
from ivr.data.sources.stand_ins import ANTMAZES, GENERATED, POINTMAZES, RANDOM
from ivr.errors import UserError, nearest


def ensure_generated(name: str, transitions: int | None = None, progress: bool = True) -> Path:
    """Find a generated dataset; generate it where it is not there yet.

    Mazes are local Minari datasets, `ivr/<name>-v0`, among Minari's own. Random actions are files
    in D4RL's format, for their many short episodes, in a folder ivr/ among D4RL's. A number of
    transitions other than the usual one stands in the dataset's name.

    Returns:
        A Minari dataset's folder, the one above data/; or the HDF5 file.

    Raises:
        UserError: no such dataset, or a place that cannot be written to.
    """
    if name not in GENERATED:
        raise UserError(f"dataset.name={name} is not made here{nearest(name, GENERATED)}")
    if transitions is not None and transitions < 1:
        raise UserError(
            f"dataset.transitions={transitions}: must be a whole number from 1, or null"
        )
    # Only here: they bring MuJoCo along, which reading data has no use for.
    from ivr.data.generation import antmaze, pointmaze, random_actions

    if name in POINTMAZES:
        usual = pointmaze.TRANSITIONS[name.removeprefix("pointmaze-")]
        size = pointmaze.BYTES_PER_TRANSITION
    else:
        module = antmaze if name in ANTMAZES else random_actions
        usual, size = module.TRANSITIONS, module.BYTES_PER_TRANSITION
    total = transitions or usual
    full_name = f"{name}-v0" if total == usual else f"{name}-{total}-v0"
    dataset_id = f"ivr/{full_name}"
    as_file = name in RANDOM
    root, setting = (
        (d4rl_root(), "D4RL_DATASET_DIR") if as_file else (datasets_root(), "MINARI_DATASETS_PATH")
    )
    folder = root / "ivr" / full_name

    def fill(temporary: Path) -> None:
        if as_file:
            path = temporary / f"{full_name}.hdf5"
            random_actions.generate(
                name, path, transitions=total, dataset_id=dataset_id, progress=progress
            )
        elif name in ANTMAZES:
            antmaze.generate(
                name, temporary, transitions=total, dataset_id=dataset_id, progress=progress
            )
        else:
            pointmaze.generate(
                name.removeprefix("pointmaze-"),
                temporary,
                transitions=total,
                dataset_id=dataset_id,
                progress=progress,
            )

    if not folder.exists():
        make_folder(folder, total * size, setting, fill)
    return folder / f"{full_name}.hdf5" if as_file else folder
