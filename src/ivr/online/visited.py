"""Shows where a run that went online in a maze has been, at first and at last."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ivr.evaluation.pictures import visited_picture
from ivr.files import write_whole
from ivr.mazes import Maze
from ivr.online.collect import Collector
from ivr.training.scoring.report import MAX_PICTURES


def draw_visited(folder: Path, maze: Maze, collector: Collector) -> None:
    """Write visited_LABEL.png into a folder, for up to MAX_PICTURES members."""
    for k, label in enumerate(collector.labels[:MAX_PICTURES]):
        picture = visited_picture(maze, first_and_last(collector, k), f"where {label} has been")
        image = Image.fromarray(picture)
        write_whole(folder / f"visited_{label}.png", partial(image.save, format="png"))


def first_and_last(collector: Collector, member: int) -> dict[str, NDArray[np.float32]]:
    """A member's positions in the warm-up and in as many steps at the end, (N, 2) by their steps.

    Where the buffer has lost the warm-up, the first positions are the oldest that it holds.
    """
    buffer = collector.buffer
    oldest = max(0, buffer.added - buffer.capacity)
    count = min(max(1, collector.schedule.warmup_steps), buffer.added - oldest)
    found = {}
    for name, first in (("first", oldest), ("last", buffer.added - count)):
        places = np.arange(first, first + count) % buffer.capacity
        positions = buffer.columns.observations[member, places, :2].cpu().numpy()
        found[f"{name} steps: {first + 1:,} to {first + count:,}"] = positions
    return found
