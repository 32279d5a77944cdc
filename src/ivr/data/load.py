"""From a source to an OfflineDataset: converted once, mapped from disk afterwards."""

import dataclasses
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ivr.agreement.names import called
from ivr.agreement.views import View, check_view, flattened, left_out
from ivr.agreement.walls import check_walls, placed, recorded_walls
from ivr.data.cache.convert import convert, key
from ivr.data.cache.rewards import RewardTransform
from ivr.data.cache.store import is_built, read_store
from ivr.data.dataset import DatasetInfo, OfflineDataset
from ivr.data.kinds import KINDS
from ivr.data.opening import open_source
from ivr.data.sources.d4rl.published import find_published, goal_of
from ivr.data.spec import DataSpec
from ivr.errors import UserError, counted, printable
from ivr.mazes import MAZES, Maze
from ivr.progress import shown

_MANY = 0.2
"""Share of the rows that are left out from which a warning is due."""


def load_dataset(
    spec: DataSpec, cache: Path | None = None, progress: bool = True
) -> OfflineDataset:
    """The transitions of a dataset, on the CPU, mapped from the cache.

    The first call converts the source into `cache`; later ones map it.

    Args:
        spec: which data, and how they are read.
        cache: folder of converted data; $IVR_CACHE or ~/.cache/ivr where None.
        progress: show progress bars, unless TQDM_DISABLE=1.

    Raises:
        UserError: a value that is not allowed, data that are missing or wrong, a full disk.
    """
    transform = RewardTransform(spec.reward, spec.reward_scale, spec.reward_shift)
    maze = named_maze(spec.maze, spec.maze_scale)
    if maze is not None and spec.view not in ("d4rl", "goal_conditioned", "flat"):
        raise UserError(
            f"dataset.view={spec.view} leaves out the positions in dataset.maze={spec.maze}: use "
            "dataset.view=d4rl, or dataset.maze=null."
        )
    if maze is not None and spec.terminals != "as_recorded":
        raise UserError(
            f"dataset.terminals={spec.terminals}: in dataset.maze={spec.maze} ends are recomputed "
            "for the goal, whatever is recorded: leave it out."
        )
    recorded = open_source(spec, progress)
    view: View = spec.view
    if recorded.is_dict:
        view = flattened(view, list(recorded.boxes), True)
    usual = maze
    layout = recorded_walls(recorded.env_spec)
    if maze is not None:
        check_walls(layout, maze, str(spec.maze))
        if layout is None:
            warnings.warn(f"{recorded.id} does not record its walls: not checked.", stacklevel=2)
        maze, _ = placed(maze, recorded.env_spec)

    options: dict[str, Any] = {
        "view": view,
        "reward": dataclasses.asdict(transform),
        "maze": spec.maze,
        "maze_scale": spec.maze_scale,
        "clip": recorded.clips_actions,
    }
    if maze is not None and maze != usual:
        options["goal"] = maze.goal
    if spec.terminals != "as_recorded":
        options |= {"terminals": spec.terminals, "limit": spec.max_episode_steps}
    safe_name = re.sub(r"[^\w.-]", "_", spec.name)
    final = cache_folder(cache) / f"{safe_name}-{key(recorded, options)}"
    if not is_built(final, "IVR_CACHE"):
        check_view(view, set(recorded.boxes), recorded.is_dict)
        convert(recorded, final, view, transform, maze, progress and shown())
    columns, facts = read_store(final)
    if recorded.is_dict and (said := left_out(view, [*recorded.boxes, *recorded.unread])):
        warnings.warn(f"{recorded.id}: {printable(said)}", stacklevel=2)
    low, high = facts["action_low"], facts["action_high"]
    for said in facts["notes"]:
        warnings.warn(printable(said), stacklevel=2)
    if facts["clipped"]:
        warnings.warn(f"{recorded.id}: {_clipped(facts, len(columns['rows']))}", stacklevel=2)
    rows = facts["left_out"] + len(columns["rows"])
    if facts["left_out"] > _MANY * rows:
        warnings.warn(
            f"{recorded.id}: {facts['left_out']:,} of {rows:,} rows are the last ones of "
            f"{counted(facts['episodes'], 'episode')} or more, and left out, as what came next is "
            "unknown: is the episode another column?",
            stacklevel=2,
        )
    # Earlier conversions do not know it.
    if facts.get("rewards_left_out", 0) > facts.get("rewards_kept", 0):
        warnings.warn(
            f"{recorded.id}: most of the reward stands in the {facts['left_out']:,} rows that are "
            "left out, the last ones of episodes, as what came next is unknown. If the task ends "
            "there, mark them by terminated; else move a reward to the row whose action earned it",
            stacklevel=2,
        )
    if KINDS[spec.source].finds_bounds and None in (spec.action_low, spec.action_high):
        warnings.warn(
            f"actions are scaled by the data's own bounds, from {low} to {high}, where "
            "dataset.action_low and dataset.action_high give none.",
            stacklevel=2,
        )
    origin = f"generated by ivr, not D4RL: {recorded.id}"
    if not recorded.id.startswith("ivr/"):
        given = [spec.path] if isinstance(spec.path, str | Path) else spec.path or []
        places = f" at {', '.join(map(str, given))}" if given else ""
        as_published = spec.source == "d4rl" and find_published(spec.id)[1] and not recorded.differs
        origin = f"{spec.source} {spec.id if as_published else recorded.id}{places}"
    if recorded.differs:
        origin += f"; not {spec.name} as it was published: {recorded.differs}"
    scale, shift = transform.affine(columns["episode_returns"].numpy())
    as_d4rl = "d4rl" in (spec.source, spec.body)
    goal = goal_of(spec.name) if as_d4rl else None
    if maze is not None:
        goal = tuple(maze.centre(maze.goal).tolist())
    info = DatasetInfo(
        name=f"{spec.name} (as is)" if recorded.differs else spec.name,
        source=origin,
        fingerprint=facts["fingerprint"],
        transitions=len(columns["rows"]),
        episodes=facts["episodes"],
        action_low=tuple(low),
        action_high=tuple(high),
        env_spec=recorded.env_spec,
        maze_layout=layout,
        goal=goal,
        reward_scale=scale,
        reward_shift=shift,
        requirements=requirements(recorded.metadata),
        observation_names=tuple(map(printable, facts["observation_names"])),
        entries=() if isinstance(view, str) else tuple(map(printable, view)),
        action_names=tuple(map(printable, facts["action_names"])),
    )
    return OfflineDataset(**columns, info=info)


def _clipped(facts: Mapping[str, Any], transitions: int) -> str:
    """Say how many actions are clipped, and which of their numbers."""
    counts, (least, greatest) = facts["clipped_by_number"], facts["action_range"]
    said = [
        f"{called(facts['action_names'], 'action', i)} in {count:,} ({least[i]:.4g} to "
        f"{greatest[i]:.4g}, bounds {facts['action_low'][i]:.4g} to {facts['action_high'][i]:.4g})"
        for i, count in enumerate(counts)
        if count
    ]
    more = f", and {len(said) - 8} more" if len(said) > 8 else ""
    return (
        f"{facts['clipped']:,} of {transitions:,} actions lie outside their bounds and are clipped "
        f"to them: {', '.join(said[:8])}{more}. dataset.actions=refuse stops at the first."
    )


def requirements(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """List the packages that the metadata of a Minari dataset name, as in mujoco>=3.1,<3.2."""
    named = metadata.get("requirements")
    plain = r"[A-Za-z0-9][\w.-]*(\[[\w,-]+\])?([<>=!~]=?[\w.,<>=!~*+-]+)?"
    return tuple(
        name
        for name in (named if isinstance(named, list) else [])
        if isinstance(name, str) and re.fullmatch(plain, name, re.ASCII)
    )


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
