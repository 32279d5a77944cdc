"""How often does the member that is the best in the end survive a successive halving?

    python benchmarks/halving.py outputs/.../sql                  # finished runs without a halving
    python benchmarks/halving.py RUN RUN --by evaluation/score held_out/bellman_error

Members never mix, so a stack that was trained to the end and measured at every rung says what a
halving would have done. Draws halves of the members of all runs together, replays the halving of
each by the rule that train.py follows, and prints how many of the draws still hold a member with
the best last score of the draw, after each rung; how far the last score of the member that is
chosen in the end, by the same measure, falls short of that; and the share of the updates. Beside
it stands whom the measure chooses without a halving, and a halving at random.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ivr.errors import UserError
from ivr.report.gathering.curves import read_metrics
from ivr.training.rungs import Halving

SCORE, RANDOM = "evaluation/score", "at random"
BY = (
    SCORE,
    "evaluation/bellman_error",
    "held_out/bellman_error",
    "held_out/explained_variance",
    "held_out/action_error",
)
DRAWS = 2000
Floats = NDArray[np.float64]


class Measured(NamedTuple):
    """What members were measured to be, at every evaluation."""

    updates: list[int]
    values: dict[str, Floats]
    """(evaluations, members), by metric; of an evaluation that failed NaN."""


class Replayed(NamedTuple):
    """What came of one halving."""

    survives: list[bool]
    """After each rung: whether a member that will have the best last score goes on."""
    regret: float
    """What the last score of the member that is chosen falls short of the best."""
    updates: float
    """Those of all members, as a share of what they take without a halving."""


def measured(runs: Sequence[Path], metrics: Sequence[str]) -> Measured:
    """The members of runs, pooled.

    Raises:
        UserError: a run was not evaluated, or not as often as the others.
    """
    columns: dict[str, list[dict[int, float]]] = {metric: [] for metric in metrics}
    for run in runs:
        if not (run / "metrics.csv").is_file():
            raise UserError(f"{run}: there is no run with a metrics.csv in it")
        found = read_metrics(run / "metrics.csv", metrics)
        for member in sorted({member for member, metric in found if metric == SCORE}):
            for metric in metrics:
                columns[metric].append(found.get((member, metric), {}))
    updates = sorted({update for series in columns[SCORE] for update in series})
    if not updates or any(series.keys() != set(updates) for series in columns[SCORE]):
        raise UserError(f"{', '.join(map(str, runs))}: not every member has the same evaluations")
    values = {
        metric: np.array([[series.get(update, np.nan) for series in all_] for update in updates])
        for metric, all_ in columns.items()
        if any(all_)
    }
    return Measured(updates, values)


def replay(halving: Halving, values: Floats, scores: Floats, updates: Sequence[int]) -> Replayed:
    """Halve members, whose values and scores are (evaluations, members)."""
    last, best = scores[-1], np.maximum.accumulate(scores)
    left, survives, spent, before = list(range(values.shape[1])), [], 0, 0

    def order(at: int) -> list[int]:
        so_far = best[at, left].tolist() if halving.by == SCORE else []
        found = halving.order({halving.by: values[at, left].tolist()}, so_far, [None] * len(left))
        return [left[k] for k in found]

    while (rung := halving.next_rung(before, updates[-1])) is not None and len(left) > 1:
        spent += (rung - before) * len(left)
        left, before = halving.kept(order(updates.index(rung))), rung
        survives.append(bool(last[left].max() == last.max()))
    spent += (updates[-1] - before) * len(left)
    chosen = order(len(updates) - 1)[0]
    share = spent / (updates[-1] * values.shape[1])
    return Replayed(survives, float(last.max() - last[chosen]), share)


def row(halving: Halving, found: Measured, members: int, rng: np.random.Generator) -> str:
    """One halving over many draws, as a row of the table."""
    scores, none = found.values[SCORE], Halving(halving.factor, found.updates[-1], halving.by)
    replays, without = [], []
    for _ in range(DRAWS):
        drawn = rng.choice(scores.shape[1], members, replace=False)
        # Random values for a random order; the members' order itself, where values are equal.
        values = rng.random((len(scores), members))
        if halving.by in found.values:
            values = found.values[halving.by][:, drawn]
        replays.append(replay(halving, values, scores[:, drawn], found.updates))
        without.append(replay(none, values, scores[:, drawn], found.updates).regret)
    survived = " → ".join(f"{share:.0%}" for share in np.mean([r.survives for r in replays], 0))
    regret = np.mean([r.regret for r in replays])
    return (
        f"| {halving.factor} | {halving.first:,} | {halving.by} | {survived} | {regret:.1f} "
        f"| {np.mean(without):.1f} | {replays[0].updates:.0%} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--by", nargs="+", default=BY)
    parser.add_argument("--factor", nargs="+", type=int, default=(2, 4))
    parser.add_argument("--first", nargs="+", type=int, help="by default the first evaluation")
    given = parser.parse_args()
    found = measured(given.runs, sorted({SCORE, *given.by}))
    scores = found.values[SCORE]
    members = scores.shape[1] // 2
    for first in given.first or ():
        if first not in found.updates:
            raise UserError(f"--first {first}: the runs were evaluated after {found.updates}")
    print(f"{scores.shape[1]} members, {DRAWS:,} draws of {members}; mean score, and how many are")
    print("within 5 of the best:")
    for update, at in zip(found.updates, scores, strict=True):
        print(f"  after {update:,}: {np.nanmean(at):.0f}, {int((at >= np.nanmax(at) - 5).sum())}")
    print("\n| factor | first | by | the best survives | regret | without halving | updates |")
    print("|---|---|---|---|---|---|---|")
    for first in given.first or found.updates[:1]:
        for factor in given.factor:
            for by in (*(by for by in given.by if by in found.values), RANDOM):
                rng = np.random.default_rng(0)
                print(row(Halving(factor, first, by), found, members, rng), flush=True)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"Error: {error}") from None
