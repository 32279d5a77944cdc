"""Trains the Ant that walks to way points, which makes this project's AntMaze data.

Processes run the policy in 32 Ants on an empty plane (`ant_plane.py`), 256 steps a round, while
this one improves it (`ant_ppo.py`).

    python scripts/train_ant.py --minutes 25

It may be stopped at any time: the checkpoint and the curve in outputs/ant/ are written whole every
ten rounds, and `--resume` goes on from them (with new Ants, and an optimizer that has forgotten its
moments). What the project ships is then made with

    python scripts/train_ant.py --export

which writes src/ivr/data/generation/ant_walker.npz, the policy in half precision, and
docs/ant_training.csv and .png. `python benchmarks/ant.py` measures how it walks in the mazes.

`--body d4rl` trains and exports the Ant of D4RL's AntMaze instead (ant_walker_d4rl.npz,
ant_training_d4rl.csv and .png), in a folder of its own, outputs/ant_d4rl/. It begins with the
shipped policy of Gymnasium's Ant, its actions times five as D4RL's motors are a fifth as strong:
that walks already. For the first rounds only the critic learns.
"""

import argparse
import csv
import io
import math
import multiprocessing as mp
import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from ant_plane import ROUND_STEPS, work
from ant_ppo import Learner, improve

from ivr.data.generation.ant import BODIES
from ivr.files import write_text, write_whole

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"

LEARNING_RATE, ENVIRONMENTS = 3e-4, 32
CRITIC_ROUNDS = 5  # before a policy that walks already is changed
DATA_STD = 0.2  # of the noise on actions in the datasets


def train(
    minutes: float,
    steps: int,
    processes: int,
    seed: int,
    folder: Path,
    resume: bool,
    body: str = "gymnasium",
) -> None:
    """Train one of BODIES for so many minutes or steps, whichever ends first."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)  # more only wait for each other on a busy machine
    learner, curve, start, done, spent_before = Learner(), [], time.monotonic(), 0, 0.0
    if resume:
        with open(folder / "curve.csv", newline="") as file:
            curve = [
                {key: float(value) for key, value in row.items()} for row in csv.DictReader(file)
            ]
        done, spent_before = int(curve[-1]["steps"]), curve[-1]["minutes"]
        seed += done  # other Ants than those of before
        with np.load(folder / "checkpoint.npz", allow_pickle=False) as arrays:
            learner.load(dict(arrays), done)
    elif body != "gymnasium":
        with np.load(BODIES["gymnasium"].weights, allow_pickle=False) as arrays:
            learner.begin_as(dict(arrays), BODIES[body].weakness)
    optimizer = torch.optim.Adam(learner.parameters(), LEARNING_RATE, eps=1e-5)
    context = mp.get_context("spawn")
    pipes, workers = [], []
    for k in range(processes):
        here, there = context.Pipe()
        workers.append(
            context.Process(
                target=work,
                args=(there, ENVIRONMENTS // processes, seed + k, body),
                daemon=True,
            )
        )
        workers[-1].start()
        pipes.append(here)
    per_round = ROUND_STEPS * (ENVIRONMENTS // processes) * processes
    for pipe in pipes:
        pipe.send(learner.arrays())
    while done < steps and (spent := (time.monotonic() - start) / 60) < minutes:
        left = min(1 - done / steps, 1 - spent / minutes)
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * max(left, 0.1)
        rounds = [pipe.recv() for pipe in pipes]
        # They go on with the policy of now while it is improved: one round behind.
        for pipe in pipes:
            pipe.send(learner.arrays())
        batch = {key: np.concatenate([r[key] for r in rounds], axis=1) for key in rounds[0]}
        walks = body != "gymnasium" and len(curve) < CRITIC_ROUNDS
        improve(learner, optimizer, batch, actor=not walks)
        # The noise shrinks towards that of the data, for which the gait is to be good.
        with torch.no_grad():
            learner.log_std.clamp_(max=math.log(DATA_STD + (0.6 - DATA_STD) * left))
        done += per_round
        row = {
            "steps": done,
            "minutes": round(spent_before + (time.monotonic() - start) / 60, 2),
            "speed": round(float(batch["progress"].mean()), 4),
            "way_points_per_1000_steps": round(1000 * float(batch["hits"].mean()), 3),
            "falls_per_1000_steps": round(1000 * float(batch["falls"].mean()), 3),
            "action_std": round(float(learner.log_std.detach().exp().mean()), 4),
        }
        curve.append(row)
        if len(curve) % 10 == 0:
            save(learner, curve, folder)
            print(row, flush=True)
    save(learner, curve, folder)
    for worker in workers:
        worker.terminate()


def save(learner: Learner, curve: list[dict[str, float]], folder: Path) -> None:
    """Write the checkpoint and the curve, each whole."""
    folder.mkdir(parents=True, exist_ok=True)
    text, arrays = io.StringIO(newline=""), learner.arrays()
    writer = csv.DictWriter(text, curve[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(curve)
    write_whole(folder / "checkpoint.npz", lambda file: np.savez(file, **arrays))
    write_text(folder / "curve.csv", text.getvalue())


def export(folder: Path, body: str = "gymnasium") -> None:
    """Write what the project ships: the policy, its curve, and a picture of that."""
    name = "ant_training" if body == "gymnasium" else f"ant_training_{body}"
    with np.load(folder / "checkpoint.npz", allow_pickle=False) as found:
        # The statistics in full: a small deviation would lose its digits.
        shipped = {
            key: value.astype(np.float16 if key.startswith("actor") else np.float32)
            for key, value in found.items()
            if key.startswith(("actor", "mean", "scale"))
        }
    write_whole(BODIES[body].weights, lambda file: np.savez(file, **shipped))
    text = (folder / "curve.csv").read_text()
    write_text(DOCS / f"{name}.csv", text)
    rows = list(csv.DictReader(io.StringIO(text)))
    steps = [int(float(row["steps"])) / 1e6 for row in rows]
    figure, axes = plt.subplots(1, 3, figsize=(10, 2.8), layout="constrained")
    for axis, key, title in zip(
        axes,
        ("speed", "way_points_per_1000_steps", "falls_per_1000_steps"),
        ("speed towards the way point, m/s", "way points in 1,000 steps", "falls in 1,000 steps"),
        strict=True,
    ):
        axis.plot(steps, [float(row[key]) for row in rows], linewidth=1)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("million steps")
        axis.grid(alpha=0.3)
    picture = io.BytesIO()
    figure.savefig(picture, dpi=100)
    write_whole(DOCS / f"{name}.png", lambda file: file.write(picture.getvalue()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--steps", type=int, default=4_000_000, help="in all, with those before")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--body", choices=BODIES, default="gymnasium")
    parser.add_argument("--folder", type=Path, help="outputs/ant, or outputs/ant_d4rl")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--export", action="store_true", help="only write what is shipped")
    given = parser.parse_args()
    name = "ant" if given.body == "gymnasium" else f"ant_{given.body}"
    place = given.folder or ROOT / "outputs" / name
    if given.export:
        export(place, given.body)
        sys.exit()
    train(
        given.minutes,
        given.steps,
        given.processes,
        given.seed,
        place,
        given.resume,
        given.body,
    )
