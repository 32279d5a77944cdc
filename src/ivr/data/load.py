"""From a source to an OfflineDataset: converted once, mapped from disk afterwards."""

import dataclasses
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ivr.agreement.views import check_view
from ivr.agreement.walls import check_walls, recorded_walls
from ivr.data.cache.convert import convert, key
from ivr.data.cache.rewards import RewardTransform
from ivr.data.cache.store import is_built, read_store
from ivr.data.dataset import DatasetInfo, OfflineDataset
from ivr.data.open_source import open_source
from ivr.errors import UserError
from ivr.mazes import MAZES, Maze


def load_dataset(
    *,
    name: str,
    source: str = "minari",
    id: str | None = None,
    path: str | Path | Sequence[str] | None = None,
    transitions: int | None = None,
    view: str = "d4rl",
    reward: str = "none",
    reward_scale: float = 1.0,
    reward_shift: float = 0.0,
    env: str | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    max_episode_steps: int | None = None,
    maze: str | None = None,
    maze_scale: float | None = None,
    goal: str = "centre",
    reference: Sequence[float] | None = None,
    metric: str = "return",
    action_low: float | Sequence[float] | None = None,
    action_high: float | Sequence[float] | None = None,
    cache: Path | None = None,
    progress: bool = True,
) -> OfflineDataset:
    """The transitions of a dataset, on the CPU, mapped from the cache.

    The first call converts the source into `cache`; later ones map it. The keys are those of
    the configuration's dataset node; `env`, `env_kwargs`, `max_episode_steps`, `goal`,
    `reference` and `metric` concern the evaluation only and change nothing here, but for the one
    use of `max_episode_steps` below.

    Args:
        name: what the dataset is called in reports; with source=generated, which one it is.
        source: minari, d4rl_hdf5, generated (made here on first use, by name: `stand_ins`), or
            arrays (one's own).
        id: Minari id, or path of a file on D4RL's server.
        path: folder of a Minari dataset, instead of the id; or D4RL's file, the folder that holds
            it, or a list of such, whose episodes follow each other; or with source=arrays an
            .npz, .parquet or .csv file, a folder of such, or a list.
        transitions: with source=generated, how many to make; None for the usual number.
        view: d4rl, goal_conditioned, observation or flat; see `agreement.views.view_keys`.
        reward: none, minus_one, return_range or scale_shift; see `rewards.RewardTransform`.
        reward_scale: with reward=scale_shift, the factor.
        reward_shift: with reward=scale_shift, what is then added.
        env: evaluation only.
        env_kwargs: evaluation only.
        max_episode_steps: limit of the evaluation, and of the collection where nothing in a D4RL
            file marks its time-outs.
        maze: evaluation maze. With view=d4rl, rewards and ends are recomputed for the centre of
            its goal cell; with view=goal_conditioned for each recorded goal, maze or not.
        maze_scale: metres a cell.
        goal: evaluation only.
        reference: evaluation only.
        metric: evaluation only.
        action_low: with source=arrays, the least action: a number for all dimensions, or one for
            each; None for the least in the data. action_high likewise.
        cache: folder of converted data; $IVR_CACHE or ~/.cache/ivr where None.
        progress: show progress bars.

    Raises:
        UserError: a value that is not allowed, data that are missing or wrong, a full disk.
    """
    transform = RewardTransform(reward, reward_scale, reward_shift)
    evaluation_maze = named_maze(maze, maze_scale)
    if evaluation_maze is not None and view == "observation":
        raise UserError(
            f"dataset.view=observation leaves out the positions in dataset.maze={maze}: use "
            "dataset.view=d4rl, or dataset.maze=null."
        )
    recorded = open_source(
        source,
        name,
        id,
        path,
        transitions=transitions,
        limit=max_episode_steps,
        action_low=action_low,
        action_high=action_high,
        progress=progress,
    )
    layout = recorded_walls(recorded.env_spec)
    if evaluation_maze is not None:
        check_walls(layout, evaluation_maze, str(maze))
        if layout is None:
            warnings.warn(f"{recorded.id} does not record its walls: not checked.", stacklevel=2)

    options = {
        "view": view,
        "reward": dataclasses.asdict(transform),
        "maze": maze,
        "maze_scale": maze_scale,
    }
    safe_name = re.sub(r"[^\w.-]", "_", name)
    final = cache_folder(cache) / f"{safe_name}-{key(recorded, options)}"
    if not is_built(final, "IVR_CACHE"):
        check_view(view, set(recorded.boxes), recorded.is_dict)
        convert(recorded, final, view, transform, evaluation_maze, progress)
    columns, facts = read_store(final)
    low, high = facts["action_low"], facts["action_high"]
    if source == "arrays" and None in (action_low, action_high):
        warnings.warn(
            f"dataset.action_low={action_low} and dataset.action_high={action_high}: actions are "
            f"scaled by the data's own bounds where none are given, from {low} to {high}.",
            stacklevel=2,
        )
    origin = f"generated by ivr, not D4RL: {recorded.id}"
    if not recorded.id.startswith("ivr/"):
        given = [path] if isinstance(path, str | Path) else path or []
        origin = f"{source} {recorded.id}" + (f" at {', '.join(map(str, given))}" if given else "")
    scale, shift = transform.affine(columns["episode_returns"].numpy())
    goal_cell = evaluation_maze.centre(evaluation_maze.goal) if evaluation_maze else None
    info = DatasetInfo(
        name=name,
        source=origin,
        fingerprint=facts["fingerprint"],
        transitions=len(columns["rows"]),
        episodes=facts["episodes"],
        action_low=tuple(low),
        action_high=tuple(high),
        env_spec=recorded.env_spec,
        maze_layout=layout,
        goal=None if goal_cell is None else tuple(goal_cell.tolist()),
        reward_scale=scale,
        reward_shift=shift,
    )
    return OfflineDataset(**columns, info=info)


def named_maze(name: str | None, scale: float | None) -> Maze | None:
    """The maze of dataset.maze and dataset.maze_scale.

    Raises:
        UserError: there is no such maze, or no scale.
    """
    if name is None:
        return None
    if name not in MAZES:
        raise UserError(f"dataset.maze={name}: there is {', '.join(MAZES)}, null.")
    if not scale or scale <= 0:
        raise UserError(
            f"dataset.maze_scale={scale}: with dataset.maze={name} it must be the metres a cell, "
            "4 for AntMaze and 1 for PointMaze."
        )
    return Maze.named(name, scale)


def cache_folder(cache: Path | None) -> Path:
    """Where converted data are kept."""
    return cache or Path(os.environ.get("IVR_CACHE") or Path.home() / ".cache" / "ivr")
