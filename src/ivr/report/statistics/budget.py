"""What a policy is worth that was chosen with few rollouts: deployment, simulated on record.

Many policies were trained, and few episodes in the real environment can be afforded to choose one
(Kurenkov & Kolesnikov, ICML 2022). Every policy's recorded episodes are split at random: rollouts
are drawn from one half, and the policy that is chosen by them is worth the mean of its other half,
which the choice has not seen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivr.report.statistics.intervals import Floats

SIMULATIONS = 2000


@dataclass(frozen=True)
class Recorded:
    """P policies of one dataset."""

    episodes: Sequence[Floats]
    """Scores of the recorded episodes of each, two at least."""
    estimates: Floats | None = None
    """What rank.py thinks of each without rollouts, (P,), higher is better; None without one."""


def expected_best(scores: Floats, tried: int) -> float:
    """Compute the expected highest score of `tried` policies drawn out of all of them.

    The expected online performance of Kurenkov & Kolesnikov (ICML 2022), drawn without putting
    back: sum over i of C(i - 1, k - 1) / C(N, k) times the i-th lowest score.

    Args:
        scores: (N,), of every policy.
        tried: k, from 1 to N.
    """
    ordered, n = np.sort(scores), len(scores)
    weights = [math.comb(i, tried - 1) / math.comb(n, tried) for i in range(n)]
    return float(np.dot(weights, ordered))


def simulate(recorded: Recorded, budget: int, simulations: int = SIMULATIONS) -> dict[str, Floats]:
    """Compute the expected score of the chosen policy after 0, 1, ..., `budget` rollouts.

    "each once" rolls policies out by turns, in random order, and takes the highest mean.
    "halving" is sequential halving (Karnin et al., ICML 2013): as many policies as the budget can
    bring to a single one enter, and after each round the better half is rolled out further.
    "UCB" rolls every policy out once, then each time the one whose mean may be the highest (UCB1,
    Auer et al., Machine Learning 2002), and takes the highest mean.
    Where there are estimates all are there again with "by rank": policies enter in the order of
    their estimates, which also decide between equal means.

    Returns:
        by strategy, (budget + 1,).
    """
    rng = np.random.default_rng(0)
    count = len(recorded.episodes)
    found = {name: np.zeros(budget + 1) for name in strategies(recorded)}
    for _ in range(simulations):
        order = rng.permutation(count)
        drawn, worth = _halves(recorded.episodes, rng)
        orders = {"": order}
        if recorded.estimates is not None:
            # Stable: equal estimates stay in random order.
            orders[" by rank"] = order[np.argsort(-recorded.estimates[order], kind="stable")]
        for suffix, entering in orders.items():
            for name, choose in (("each once", _by_turns), ("halving", _halving)):
                for rollouts in range(budget + 1):
                    found[name + suffix][rollouts] += worth[choose(entering, drawn, rollouts)]
            for rollouts, chosen in enumerate(_ucb(entering, drawn, budget)):
                found["UCB" + suffix][rollouts] += worth[chosen]
    return {name: total / simulations for name, total in found.items()}


def strategies(recorded: Recorded) -> list[str]:
    """The names of the strategies that can be simulated."""
    names = ["each once", "halving", "UCB"]
    return names + ([f"{n} by rank" for n in names] if recorded.estimates is not None else [])


def exhausted(recorded: Recorded, simulations: int = SIMULATIONS) -> float:
    """Compute the expected score of the policy chosen by all rollouts that may be drawn."""
    rng = np.random.default_rng(0)
    total = 0.0
    for _ in range(simulations):
        drawn, worth = _halves(recorded.episodes, rng)
        total += worth[int(np.argmax([sums[-1] / len(sums) for sums in drawn]))]
    return total / simulations


def _halves(
    episodes: Sequence[Floats], rng: np.random.Generator
) -> tuple[list[Floats], list[float]]:
    """Sums of the episodes that may be drawn, and the mean of the others, of each policy.

    Sums over the first 1, 2, ... of them in random order.
    """
    drawn, worth = [], []
    for scores in episodes:
        mixed = rng.permutation(scores)
        half = len(mixed) // 2
        drawn.append(mixed[:half].cumsum())
        worth.append(float(mixed[half:].mean()))
    return drawn, worth


def _mean(sums: Floats, rollouts: int) -> float:
    """Of the first rollouts; where they are used up they repeat."""
    whole, rest = divmod(rollouts, len(sums))
    return float(whole * sums[-1] + (sums[rest - 1] if rest else 0.0)) / rollouts


def _by_turns(order: NDArray[np.int64], drawn: Sequence[Floats], rollouts: int) -> int:
    """Roll policies out by turns; the highest mean is chosen, the earlier of equal ones."""
    if rollouts == 0:
        return int(order[0])
    whole, rest = divmod(rollouts, len(order))
    entering = order if whole else order[:rest]
    means = [_mean(drawn[p], whole + (place < rest)) for place, p in enumerate(entering)]
    return int(entering[int(np.argmax(means))])


def _halving(order: NDArray[np.int64], drawn: Sequence[Floats], rollouts: int) -> int:
    """Halve the policies that enter until one is left."""
    entering = 1
    while entering < len(order) and (entering + 1) * _rounds(entering + 1) <= rollouts:
        entering += 1
    left, done = [int(policy) for policy in order[:entering]], 0
    for _ in range(_rounds(entering)):
        done += rollouts // (_rounds(entering) * len(left))
        means = {policy: _mean(drawn[policy], done) for policy in left}
        # Stable: of equal ones the earlier goes on.
        left = sorted(left, key=lambda policy: -means[policy])[: math.ceil(len(left) / 2)]
    return left[0]


def _ucb(order: NDArray[np.int64], drawn: Sequence[Floats], budget: int) -> list[int]:
    """UCB1 in the range of the scores that were seen: the choice after 0, 1, ..., `budget`."""
    chosen = [_by_turns(order, drawn, rollouts) for rollouts in range(min(budget, len(order)) + 1)]
    means = np.array([_mean(drawn[p], 1) for p in order])
    counts = np.ones(len(order), np.int64)
    low, high = means.min(), means.max()
    for done in range(len(order), budget):
        bounds = means + (high - low) * np.sqrt(2 * math.log(done) / counts)
        k = int(np.argmax(bounds))
        before = means[k] * counts[k]
        counts[k] += 1
        means[k] = _mean(drawn[order[k]], int(counts[k]))
        score = means[k] * counts[k] - before
        low, high = min(low, score), max(high, score)
        chosen.append(int(order[int(np.argmax(means))]))
    return chosen


def _rounds(policies: int) -> int:
    return math.ceil(math.log2(policies))
