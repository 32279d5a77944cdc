"""The few shapes that rooms share.

Axes: R runs trained side by side, B transitions of a batch, O and A the sizes of an
observation and an action.

Light to import: a process that only steps environments has no need of torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor


class Batch(NamedTuple):
    """Transitions (s, a, r, d, s'), all float32; of any leading shape.

    What stands after them is None unless the algorithm's `Needs` ask for it. Where they ask for
    windows, every column has an axis of K steps more, (R, B, K, ...).
    """

    observations: Tensor  # (R, B, O)
    actions: Tensor  # (R, B, A), scaled to [-1, 1]
    rewards: Tensor  # (R, B)
    terminated: Tensor  # (R, B), 1 where the task ended; a time limit is not an end
    next_observations: Tensor  # (R, B, O)
    next_actions: Tensor | None = None  # (R, B, A), the data's in s'; any where terminated
    outcomes: Tensor | None = None  # (R, B, W), what the trajectory later reached
    discounted_returns_to_go: Tensor | None = None  # (R, B), of the rewards trained on
    returns_to_go: Tensor | None = None  # (R, B, K), undiscounted, of the recorded rewards
    timesteps: Tensor | None = None  # (R, B, K) int64, steps since the episode's start
    mask: Tensor | None = None  # (R, B, K), 1 at a step, 0 past the episode's end
    held_out: Tensor | None = None  # (R, B), 1 where a transition is not to be fitted by a model
    bootstrap: Tensor | None = None  # (R, B, K), how much each of K critics is fitted to it

    def at(self, i: int) -> Batch:
        """Take entry i of the leading axis."""
        return self.each(lambda tensor: tensor[i])

    def each(self, function: Callable[[Tensor], Tensor]) -> Batch:
        """Apply `function` to every tensor of the batch."""
        made: dict[str, Any] = {
            name: None if tensor is None else function(tensor)
            for name, tensor in self._asdict().items()
        }
        return Batch(**made)


@dataclass(frozen=True)
class Needs:
    """What an algorithm asks of the data beyond transitions; the data module serves it."""

    next_actions: bool = False
    """Serve a'; transitions that were cut off before an a' are left out."""
    best_fraction: float = 1.0
    """Serve only this share of the trajectories, those of the highest returns."""
    outcome: str | None = None
    """Serve what each trajectory later reached: its "return" or its "goal"."""
    outcome_target: float | None = None
    """The return that is asked for at evaluation; None: the best that the data hold."""
    return_discount: float | None = None
    """Serve the return to go, of the rewards as they are trained on, at this discount."""
    window: int | None = None
    """Serve windows of K consecutive steps of an episode, with their returns to go."""
    holdout: float = 0.0
    """Mark this share of the transitions as held out."""
    bootstrap: int = 0
    """Serve the weights of so many critics, each fitted to its own bootstrap of the episodes."""


@dataclass(frozen=True)
class DataFacts:
    """What the data tell an algorithm and an evaluation; None where it was not asked for.

    An algorithm receives those that its constructor has a keyword for.
    """

    observation_dim: int
    """O."""
    action_low: Sequence[float]
    """Least actions of the environment, A numbers."""
    action_high: Sequence[float]
    """Greatest actions of the environment, A numbers."""
    entries: Sequence[str] | None = None
    """Entries of a dictionary that an observation joins, in their order; None or none where
    dataset.view says it."""
    best_return: float | None = None
    """The highest return of an episode, undiscounted, of the recorded rewards."""
    outcome_goal: Sequence[float] | None = None
    """The outcome that a policy is asked for when it acts."""
    input_mean: Sequence[float] | None = None
    """What is subtracted from observations to normalise them, O numbers."""
    input_scale: Sequence[float] | None = None
    """What they are then divided by, O numbers."""


class Policy(Protocol):
    """All that an evaluation sees of an algorithm: R deterministic policies and their values."""

    def act(self, observations: Tensor) -> Tensor:
        """(R, N, O) raw observations to (R, N, A) actions inside the environment's bounds."""

    def state_value(self, observations: Tensor) -> Tensor | None:
        """(R, N, O) raw observations to V of shape (R, N); None where no V is learned."""


ActFunction: TypeAlias = "Callable[[Tensor, Tensor, Tensor], Tensor]"
"""How R policies act in S episodes each, with what they remember of these.

From observations (R, S, O), the rewards received since the call before (R, S), and whether an
episode begins here (R, S) bool, to actions (R, S, A). Where one begins nothing is remembered of
the episode before, and the reward means nothing.
"""


@runtime_checkable
class RememberingPolicy(Policy, Protocol):
    """A policy whose action depends on more of an episode than its latest observation.

    Its `act` answers for an episode that begins.
    """

    def begin(self, slots: int) -> ActFunction:
        """Begin S = `slots` episodes for each member, with an empty memory."""
