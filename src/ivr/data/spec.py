"""Which data a training reads, and how. Light to import: it is known before anything is opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ivr.data.sources.arrays.mapping import ColumnMap
from ivr.data.sources.source import Bound
from ivr.data.sources.terminals import Terminals
from ivr.errors import UserError

_ACTIONS = ("refuse", "clip")
MISSING = ("refuse", "drop_episode", "previous")
"""What can be done about missing values."""

Paths = str | Path | Sequence[str] | None


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """The keys of a configuration's dataset node that decide what the data are.

    Raises:
        UserError: a number of steps or of transitions below 1, or no such way to read terminals.
    """

    name: str
    """What the dataset is called in reports; with source=generated, which one it is."""
    source: str = "minari"
    """A name of `kinds.KINDS`."""
    id: str | None = None
    """Minari id, or path of a file on D4RL's server."""
    path: Paths = None
    """Where the data lie, instead of the id: a folder, a file, or a list of such, as the source
    reads them."""
    as_is: bool = False
    """With source=d4rl, whether to take files that are not those published under `name`."""
    transitions: int | None = None
    """With source=generated, how many to make; None for the usual number."""
    body: str | None = None
    """With source=generated and an AntMaze, d4rl for D4RL's Ant, frame and format instead of
    Gymnasium's and Minari's."""
    view: str | Sequence[str] = "d4rl"
    """One of `agreement.views.VIEWS`, or the names of an observation's entries; see
    `agreement.views.view_keys`."""
    reward: str = "none"
    """none, minus_one, return_range or scale_shift; see `rewards.RewardTransform`."""
    reward_scale: float = 1.0
    """With reward=scale_shift, the factor."""
    reward_shift: float = 0.0
    """With reward=scale_shift, what is then added."""
    max_episode_steps: int | None = None
    """Limit of the collection where nothing in a D4RL file marks its time-outs; of the evaluation
    everywhere."""
    terminals: str = "as_recorded"
    """Whether recorded terminals were ends by time; see `terminals.Terminals`, whose limit is
    max_episode_steps."""
    maze: str | None = None
    """Maze of the evaluation. With view=d4rl, rewards and ends are recomputed for the centre of its
    goal cell; with view=goal_conditioned for each recorded goal, also where only the data record a
    maze."""
    maze_scale: float | None = None
    """Metres a cell."""
    action_low: Bound = None
    """The least action: one number for all dimensions, or one for each. None: with source=arrays
    and d4rl_hdf5, the environment's, or without one the least in the data, or -1; with
    source=minari, the recorded one. Other sources have their own."""
    action_high: Bound = None
    """The greatest action, likewise."""
    actions: str | None = None
    """What is done about actions beyond their bounds: refuse or clip. None: clip with
    source=minari, refuse with arrays and d4rl_hdf5; D4RL's own are clipped."""
    columns: Mapping[str, Any] | None = None
    """With source=arrays, which columns are what; see `mapping.ColumnMap`."""
    missing: str = "refuse"
    """With source=arrays, what is done about missing values: refuse, drop_episode or previous."""

    def __post_init__(self) -> None:
        for key in ("max_episode_steps", "transitions"):
            number = getattr(self, key)
            if number is not None and number < 1:
                raise UserError(f"dataset.{key}={number}: must be a whole number from 1")
        for key, choices in (("actions", (None, *_ACTIONS)), ("missing", MISSING)):
            if getattr(self, key) not in choices:
                allowed = " or ".join(choice for choice in choices if choice is not None)
                raise UserError(f"dataset.{key}={getattr(self, key)}: must be {allowed}")
        self.read_terminals, self.read_columns  # noqa: B018  checks them

    @property
    def read_terminals(self) -> Terminals:
        """How recorded terminals are read."""
        return Terminals(self.terminals, self.max_episode_steps)

    @property
    def read_columns(self) -> ColumnMap:
        """Which columns are what."""
        return ColumnMap.parse(self.columns)
