"""Converts the episodes of a source to the columns of an OfflineDataset on disk."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ivr.agreement.bounds import outside, outside_by_number, unresolved
from ivr.agreement.names import called
from ivr.agreement.views import View, join, view_keys
from ivr.data.cache.making import make_folder
from ivr.data.cache.rewards import RewardTransform
from ivr.data.cache.rewards_and_ends import in_maze, rewards_and_ends
from ivr.data.cache.single import Seen
from ivr.data.cache.store import ColumnWriter, checksum, write_info
from ivr.data.sources.defects import BOUNDS, Defects, Report, refuse
from ivr.data.sources.downloads.record import check_digest
from ivr.data.sources.source import Episode, Source, no_transitions, observation_names
from ivr.errors import UserError
from ivr.mazes import SUCCESS_RADIUS, Maze

_FORMAT = 7
"""Raised whenever a conversion would give other numbers or other files."""

_ACTION_EDGE = 1 - 1e-5
"""Recorded actions are kept off the bounds, where a tanh policy has no density."""

_BLOCK = 1 << 20
"""Rewards that are transformed at a time."""


def key(source: Source, options: dict[str, Any]) -> str:
    """Hash all that the conversion depends on, the whole content of the files among it.

    They are read at every start, at 1.6 to 3.3 GiB/s and so in about a second for 20 million Hopper
    transitions: a size and a time of change can stay while the content changes.
    """
    files = [(path.name, path.stat().st_size, checksum(path)) for path in source.files()]
    described = [_FORMAT, SUCCESS_RADIUS, _ACTION_EDGE, options, files, source.metadata]
    return hashlib.blake2b(json.dumps(described).encode(), digest_size=8).hexdigest()


def _watched(source: Source, report: Report, progress: bool) -> Iterator[Episode]:
    """Yield the episodes and show a progress bar of their steps."""
    bar = tqdm(
        desc=f"converting {source.id}",
        total=source.total_steps,
        unit=" steps",
        unit_scale=True,
        disable=not progress,
    )
    with bar:
        for episode in source.episodes(report):
            yield episode
            bar.update(len(episode.actions))


def convert(
    source: Source,
    final: Path,
    view: View,
    reward: RewardTransform,
    maze: Maze | None,
    progress: bool,
) -> None:
    """Write the columns of OfflineDataset into the folder `final`, one episode at a time.

    Args:
        source: where the episodes come from.
        final: the folder, made whole at the end.
        view: see `agreement.views.view_keys`.
        reward: what becomes of the rewards, after relabelling.
        maze: with view=d4rl, rewards and ends are recomputed for its goal.
        progress: show a progress bar.

    Raises:
        UserError: wrong data, no transitions, or a full disk; nothing is left behind.
    """
    width = sum(shape[0] for shape in source.boxes.values()) + len(source.action_low)
    needed = source.total_steps * (4 * width + 18)
    make_folder(
        final,
        needed,
        "IVR_CACHE",
        lambda folder: _write(folder, source, view, reward, maze, progress),
    )


def _write(
    folder: Path,
    source: Source,
    view: View,
    reward: RewardTransform,
    maze: Maze | None,
    progress: bool,
) -> None:
    for path in source.files():
        check_digest(path)
    actions = len(source.action_low)
    columns: dict[str, ColumnWriter] = {}
    content = hashlib.blake2b(digest_size=16)

    def put(name: str, values: NDArray[Any]) -> None:
        if name not in columns:
            columns[name] = ColumnWriter(folder, name, values.shape[1:], values.dtype)
        content.update(columns[name].append(values))

    # What they become may depend on all of them, so they wait in a file.
    recorded = ColumnWriter(folder, "recorded_rewards", (), np.float32)
    returns: list[np.float64] = []
    low, high = source.action_low, source.action_high
    least, greatest = np.full(actions, np.inf), np.full(actions, -np.inf)
    clipped, beyond = 0, np.zeros(actions, np.int64)
    left_out, rewards_left_out, rewards_kept = 0, 0.0, 0.0
    seen = Seen()

    def report(defects: Defects) -> None:
        if defects.kind != BOUNDS or not source.clips_actions:
            refuse(defects)

    from_maze = in_maze(source, maze)
    keys: tuple[str, ...] = ()
    row = 0
    for episode in _watched(source, report, progress):
        steps, new_rewards, terminated, truncated = rewards_and_ends(episode, view, maze, from_maze)
        left_out += len(episode.left_out)
        rewards_left_out += float(np.abs(episode.left_out, dtype=np.float64).sum())
        if steps == 0:
            continue
        least = np.minimum(least, episode.actions[:steps].min(0))
        greatest = np.maximum(greatest, episode.actions[:steps].max(0))
        if source.clips_actions:
            clipped += int(outside(episode.actions[:steps], low, high).sum())
            beyond += outside_by_number(episode.actions[:steps], low, high)
        scaled = 2 * (episode.actions[:steps] - low) / (high - low) - 1
        # Which entries these are depends on their values, and must not change on the way.
        keys = keys or view_keys(view, episode.observations)
        put("observations", join(keys, episode.observations)[: steps + 1])
        seen.see([episode.observations[key][: steps + 1] for key in keys])
        put("actions", np.clip(scaled, -_ACTION_EDGE, _ACTION_EDGE).astype(np.float32))
        put("terminated", terminated)
        put("truncated", truncated)
        put("rows", np.arange(row, row + steps))
        recorded.append(new_rewards)
        rewards_kept += float(np.abs(episode.rewards[:steps], dtype=np.float64).sum())
        returns.append(new_rewards.sum(dtype=np.float64))
        row += steps + 1
    if not returns:
        raise UserError(no_transitions(source, left_out))
    for number in unresolved(least, greatest, low, high)[:1]:
        name = called(source.action_names, "action", int(number))
        raise UserError(
            f"{source.id} at {source.place}: {name} lies between "
            f"{least[number]:g} and {greatest[number]:g}, and its bounds are {low[number]:g} "
            f"to {high[number]:g}. Actions are scaled by their bounds, and between these all "
            "of them would be the same. Give narrower ones: dataset.action_low=... "
            "dataset.action_high=..."
        )
    put("episode_returns", np.array(returns))
    recorded.close()
    waiting = np.load(folder / "recorded_rewards.npy", mmap_mode="r")
    for start in range(0, len(waiting), _BLOCK):
        put("rewards", reward(waiting[start : start + _BLOCK], np.array(returns)))
    (folder / "recorded_rewards.npy").unlink()
    for column in columns.values():
        column.close()
    names = observation_names(source, keys)
    facts = {
        "fingerprint": content.hexdigest(),
        "episodes": len(returns),
        "left_out": left_out,
        "rewards_left_out": rewards_left_out,
        "rewards_kept": rewards_kept,
        "action_low": low.tolist(),
        "action_high": high.tolist(),
        "clipped": clipped,
        "clipped_by_number": beyond.tolist(),
        "action_range": [least.tolist(), greatest.tolist()],
        "observation_names": names,
        "action_names": source.action_names,
        "notes": [*source.notes, *seen.blurred(names)],
    }
    write_info(folder, facts)
