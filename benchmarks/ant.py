"""How well does the Ant walk that makes the AntMaze stand-ins, and how fast are they made?

    python benchmarks/ant.py [episodes of each dataset, by default 32] [body: gymnasium or d4rl]

One process, one line a dataset: the share of episodes that reached their own goal, the median of
their steps, the share that ended upside down, the mean speed over all steps, and the steps that are
simulated in a second of this process's time.
"""

import sys
import time

import numpy as np

from ivr.data.generation import antmaze
from ivr.data.generation.ant import BODIES, uprightness
from ivr.data.generation.antmaze_walks import walk_all
from ivr.data.generation.minari_writer import REWARD_RADIUS
from ivr.data.sources.stand_ins import ANTMAZES


def row(name: str, episodes: int, body: str) -> str:
    """One line of the table."""
    maze, limit = antmaze.maze_of(name), antmaze.limit_of(name)
    rngs = [np.random.default_rng([1, episode]) for episode in range(episodes)]
    trips = [antmaze.draw(name, maze, rng) for rng in rngs]
    start = time.process_time()
    walks = walk_all(maze, trips, limit, rngs, body=body)
    spent = time.process_time() - start
    steps = np.array([len(walk.actions) for walk in walks])
    reached = np.array(
        [np.linalg.norm(walk.states[-1, :2] - walk.goal) <= REWARD_RADIUS for walk in walks]
    )
    moved = [np.linalg.norm(np.diff(walk.states[:, :2], axis=0), axis=1) for walk in walks]
    speed = np.concatenate(moved).mean() / BODIES[body].step_seconds
    median = f"{np.median(steps[reached]):.0f}" if reached.any() else "-"
    fallen = np.mean([uprightness(walk.states[-1:, :15])[0] < 0 for walk in walks])
    rates = f"{speed:.2f}", f"{steps.sum() / spent:.0f}"
    cells = (f"{reached.mean():.2f}", median, f"{fallen:.2f}", *rates)
    return f"{name:24}" + "".join(f"{cell:>10}" for cell in cells)


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 32
    ant = sys.argv[2] if len(sys.argv) > 2 else "gymnasium"
    header = ("reached", "steps", "fallen", "m/s", "steps/s")
    print(f"{'dataset':24}" + "".join(f"{word:>10}" for word in header))
    for dataset in ANTMAZES:
        print(row(dataset, number, ant), flush=True)
