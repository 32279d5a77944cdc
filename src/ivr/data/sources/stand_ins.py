"""Names the datasets that this project generates, and what each stands in for."""

import re

from ivr.errors import UserError
from ivr.mazes import MAZES
from ivr.programs import command

POINTMAZES = tuple(f"pointmaze-{maze}" for maze in MAZES)
ANTMAZES = (
    "antmaze-umaze", "antmaze-umaze-diverse", "antmaze-medium-play",
    "antmaze-medium-diverse", "antmaze-large-play", "antmaze-large-diverse",
)  # fmt: skip
RANDOM = ("halfcheetah-random", "hopper-random", "walker2d-random")
GENERATED = (*POINTMAZES, *ANTMAZES, *RANDOM)
"""The names of all of them."""


def is_file(name: str, body: str | None) -> bool:
    """Whether a dataset that is made here is a file in D4RL's format, or a Minari dataset."""
    return name in RANDOM or body is not None


def identity(name: str, transitions: int | None = None, body: str | None = None) -> str:
    """The id of a dataset that is made here; `transitions` where they are not the usual number."""
    parts = (name, body, None if transitions is None else str(transitions), "v0")
    return f"ivr/{'-'.join(part for part in parts if part is not None)}"


def check_body(name: str, body: str | None) -> None:
    """Check dataset.body of data that are made here.

    Raises:
        UserError: no such body, or a dataset without one.
    """
    if body is not None and (body != "d4rl" or name not in ANTMAZES):
        raise UserError(
            f"dataset.body={body} with dataset={name}: it can be d4rl, with "
            f"{', '.join(ANTMAZES)}, or null."
        )


def stand_in(dataset_id: str, name: str | None = None) -> str:
    """Recommend a dataset to somebody who cannot download the published one.

    Args:
        dataset_id: Minari's id, or the path of a file on D4RL's server.
        name: of the dataset, where the id does not say it.
    """
    maze = re.fullmatch(r"D4RL/(antmaze|pointmaze)/(.+)-v\d+", dataset_id)
    name = f"{maze[1]}-{maze[2]}" if maze else name
    if name in (*POINTMAZES, *ANTMAZES):
        return (
            "train on a local stand-in, which is made on first use and is not D4RL's, with: "
            f"{command('train')} dataset={name} dataset.source=generated"
            f"{'' if maze else ' dataset.body=d4rl'}"
        )
    robot = re.match(r"gym_mujoco(?:_v\d)?/([a-z0-9]+)_", dataset_id)
    if robot and (name := f"{robot[1]}-random") in RANDOM:
        return (
            "train on random actions of the same robot, which are made on first use, with: "
            f"{command('train')} dataset={name}"
        )
    return (
        "train on another dataset, which is made on first use, with: "
        f"{command('train')} dataset=pointmaze-medium"
    )
