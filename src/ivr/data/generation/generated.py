"""Generates this project's own datasets on first use. They are never called D4RL's."""

from pathlib import Path

from ivr.data.cache.making import make_folder
from ivr.data.sources.d4rl.location import d4rl_root
from ivr.data.sources.minari.location import datasets_root
from ivr.data.sources.stand_ins import (
    ANTMAZES,
    GENERATED,
    POINTMAZES,
    RANDOM,
    check_body,
    identity,
    is_file,
)
from ivr.errors import UserError, nearest


def ensure_generated(
    name: str, transitions: int | None = None, progress: bool = True, body: str | None = None
) -> Path:
    """Find a generated dataset; generate it where it is not there yet.

    Mazes are local Minari datasets, `ivr/<name>-v0`, among Minari's own. Random actions are files
    in D4RL's format, for their many short episodes, in a folder ivr/ among D4RL's, and so is an
    AntMaze with body=d4rl. A number of transitions other than the usual one, and a body, stand in
    the dataset's name.

    Returns:
        A Minari dataset's folder, the one above data/; or the HDF5 file.

    Raises:
        UserError: no such dataset or body, or a place that cannot be written to.
    """
    if name not in GENERATED:
        raise UserError(f"dataset.name={name} is not made here{nearest(name, GENERATED)}")
    if transitions is not None and transitions < 1:
        raise UserError(
            f"dataset.transitions={transitions}: must be a whole number from 1, or null"
        )
    check_body(name, body)
    # Only here: they bring MuJoCo along, which reading data has no use for.
    from ivr.data.generation import antmaze, antmaze_d4rl, pointmaze, random_actions

    if name in POINTMAZES:
        usual = pointmaze.TRANSITIONS[name.removeprefix("pointmaze-")]
        size = pointmaze.BYTES_PER_TRANSITION
    else:
        module = antmaze if name in ANTMAZES else random_actions
        usual, size = module.TRANSITIONS, module.BYTES_PER_TRANSITION
    total = transitions or usual
    dataset_id = identity(name, None if total == usual else total, body)
    full_name = dataset_id.removeprefix("ivr/")
    as_file = is_file(name, body)
    root, setting = (
        (d4rl_root(), "D4RL_DATASET_DIR") if as_file else (datasets_root(), "MINARI_DATASETS_PATH")
    )
    folder = root / "ivr" / full_name

    def fill(temporary: Path) -> None:
        if as_file:
            path = temporary / f"{full_name}.hdf5"
            make = random_actions.generate if name in RANDOM else antmaze_d4rl.generate
            make(name, path, transitions=total, dataset_id=dataset_id, progress=progress)
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
