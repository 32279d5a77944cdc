"""What is known of each policy without a simulator, and what follows from it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ivr.selection.candidates import Candidate
from ivr.selection.metrics import Metric


@dataclass(frozen=True)
class Estimate:
    """One policy; values are discounted and in units of the recorded rewards."""

    candidate: Candidate
    value: float
    """The mean over critics and initial states of Q(s_0, pi(s_0)); NaN where a critic diverged."""
    lower: float
    upper: float
    """The ends of the interval; see `interval`."""
    disagreement: float
    """Standard deviation of the critics' answers."""
    outside: float
    """Share of the data's states at which it acts unlike the data; see `Overlap`."""
    td_error: float
    """Root of the mean squared TD error of its critics on held-out episodes."""
    td_error_training: float
    """The same on the episodes that they were fitted to."""
    unsettled: float
    """|E[y - Q]| / (1 - gamma): what longer training may still move the value by."""
    clipped: float
    """Share of targets that were cut to the attainable range."""
    cut: float
    """Share of targets that were cut by more than a hundredth of that range."""
    gain: float
    """The lower bound of what it is worth more than the cloned behaviour, critic by critic."""
    own_value: float | None = None
    """The algorithm's own Q(s_0, pi(s_0)), which its maximisation biases; None without a critic."""
    own_td_error: float | None = None
    """Of the algorithm's own critic on held-out episodes."""
    importance: float | None = None
    doubly_robust: float | None = None
    effective: float | None = None
    """Episodes that the importance weights are worth at the last step."""
    warnings: tuple[str, ...] = ()
    truth: float | None = None
    """Mean discounted return in the environment."""
    truth_error: float | None = None
    """Its standard error."""


@dataclass(frozen=True)
class Recommendation:
    """The policy to take, and how far to trust it."""

    name: str
    lower: float
    trust: tuple[str, ...]
    """Sentences, the most important one first."""


@dataclass(frozen=True)
class Ranking:
    """Every policy, the highest lower bound first."""

    estimates: Sequence[Estimate]
    returned: float
    """What the data's own episodes returned, discounted, from their first steps."""
    behaviour: float
    """The same with the critics' estimate of what came after their time limits."""
    clone: Estimate
    """The cloned behaviour policy, estimated as all others."""
    recommendation: Recommendation
    facts: dict[str, Any]
    """How it was made: data, discount, options."""
    left_out: Sequence[tuple[str, str]] = ()
    metrics: dict[str, dict[str, Metric]] = field(default_factory=dict)
    """Where the truth is known, of each criterion by its name."""
    held: float | None = None
    """Where it is known, the share of policies that are worth their lower bound or more."""
    held_recommended: float | None = None
    """The same of the policies that are recommended of random halves."""

    @property
    def best(self) -> Estimate:
        """The recommended policy; its `lower` is what a search without a simulator maximises."""
        name = self.recommendation.name
        return next(one for one in self.estimates if one.candidate.name == name)


UNLIKE = 0.1
"""Share of unlike actions from which an estimate is a guess about actions that nobody took."""
_CUT = 0.01
_OVERFITTED = 2.0


def warnings_of(one: Estimate, spread: float) -> tuple[str, ...]:
    """Say what speaks against an estimate.

    Args:
        one: the estimate.
        spread: standard deviation of the data's returns to go.
    """
    found = []
    if one.value != one.value:
        return ("its critics diverged: no estimate",)
    if one.outside > UNLIKE:
        found.append(f"poor overlap: {one.outside:.0%} of its actions are unlike the data's")
    if one.cut > _CUT:
        found.append(f"{one.cut:.0%} of its targets lay far outside of what rewards can add up to")
    if one.unsettled > max(0.5 * (one.upper - one.lower), 0.01 * spread):
        found.append(f"not settled: longer training may move it by {one.unsettled:.3g}")
    if one.td_error > _OVERFITTED * one.td_error_training and one.td_error > 0.01 * spread:
        found.append("its TD error is twice as large on held-out episodes")
    return tuple(found)


def preferred(estimates: Sequence[Estimate]) -> Estimate:
    """Take the first that nothing speaks against, or else the first that has an estimate."""
    sound = [one for one in estimates if not one.warnings]
    known = [one for one in estimates if one.value == one.value]
    return (sound or known or estimates)[0]


def recommend(
    estimates: Sequence[Estimate], clone: Estimate, behind: Callable[[Estimate, Estimate], bool]
) -> Recommendation:
    """Choose by the lower bound, among the policies that nothing speaks against where there are.

    Args:
        estimates: the highest lower bound first.
        clone: of the policy that made the data.
        behind: whether the first is worse than the second for certain.
    """
    best, sound = preferred(estimates), any(not one.warnings for one in estimates)
    others = (one for one in estimates if one is not best and not math.isnan(one.value))
    rivals = sum(not behind(one, best) for one in others)
    trust = []
    if not sound:
        trust.append(
            "Do not rely on it: something speaks against every policy. Against this one: "
            f"{'; '.join(best.warnings)}."
        )
    if best.gain > 0:
        trust.append(
            f"It is worth {best.gain:.4g} more at least than the policy that made the data, whose "
            f"clone is worth {clone.value:.4g} by the same estimate."
        )
    else:
        trust.append(
            "Nothing here shows that it is better than the policy that made the data, whose clone "
            f"is worth {clone.value:.4g} by the same estimate."
        )
    if rivals:
        trust.append(
            f"{rivals} of the {len(estimates) - 1} others may be as good: critic by critic, none "
            "of them is worse for certain."
        )
    better = [one for one in estimates if one.lower > best.lower]
    if better:
        trust.append(
            f"{len(better)} with higher bounds were passed over for their warnings, "
            f"{better[0].candidate.name} first."
        )
    trust.append(
        f"Its bound is the highest of {len(estimates)}, and the highest of many is too high more "
        "often than one in twenty. The interval holds what the sample of episodes leaves open, not "
        "what critics make of actions that are not in the data: in the study of docs/selection.md "
        "the bounds of recommended policies often failed. Take it as a short list to try with "
        "care, not as a promise."
    )
    return Recommendation(best.candidate.name, best.lower, tuple(trust))
