"""Ranks policies on logged data, as `python rank.py` does."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ivr.api.dataset import Dataset, dataset_options
from ivr.api.options import merged
from ivr.api.policy import Policy, load_policy
from ivr.api.training import Result
from ivr.config.call import call
from ivr.errors import UserError

Runs = str | Path | Result


@dataclass(frozen=True)
class Ranking:
    """Which policy to take, and how far to trust it."""

    folder: Path
    """With ranking.html, rank.json and rank.csv."""
    record: dict[str, Any]
    """The contents of rank.json."""

    @property
    def policies(self) -> list[dict[str, Any]]:
        """One for each, the highest lower bound first: "name", "value", "lower", "upper" and more.

        Values are discounted, and in units of the recorded rewards.
        """
        return list(self.record["policies"])

    @property
    def recommended(self) -> dict[str, Any]:
        """The entry of `policies` that is recommended."""
        name = self.record["recommendation"]["name"]
        return next(one for one in self.policies if one["name"] == name)

    @property
    def trust(self) -> list[str]:
        """How far to trust the recommendation: sentences, the most important one first."""
        return list(self.record["recommendation"]["trust"])

    def policy(self) -> Policy:
        """The recommended policy."""
        chosen = self.recommended
        return load_policy(chosen["checkpoint"], member=chosen["member"])


def rank(
    policies: Runs | Sequence[Runs],
    *,
    dataset: str | Dataset | None = None,
    folder: str | Path | None = None,
    verbose: bool = True,
    **options: Any,
) -> Ranking:
    """Rank policies without a simulator: `python rank.py` with the same options.

    Args:
        policies: results of trainings, checkpoints, or folders of runs (of which
            `which="last"` takes the last.ckpt alone), one or several. Of a result its last.ckpt
            is taken.
        dataset: other data than those that the policies were trained on.
        folder: for the files, instead of a new one under outputs/rankings.
        verbose: show the progress and the table.
        options: all others, such as discount, num_updates, critics, which, and episodes to hold
            the ranking against the truth in an environment.

    Raises:
        UserError: nothing that can be ranked, data of another size, or a wrong option.
    """
    alone = isinstance(policies, str | os.PathLike | Result) or not isinstance(policies, Iterable)
    given: list[Any] = [policies] if alone else list(policies)  # type: ignore[arg-type]
    for one in given:
        if not isinstance(one, str | os.PathLike | Result):
            raise UserError(
                f"policies={one!r:.80}: must be results, or paths of checkpoints or folders"
            )
    paths = [x.last_checkpoint if isinstance(x, Result) else Path(x) for x in given]
    runs = [path for path in paths if path.is_dir()]
    chosen = merged(
        {
            "runs": runs or None,
            "checkpoints": [path for path in paths if path not in runs] or None,
            **dataset_options(dataset),
        },
        options,
    )
    record, where = call("rank", "run", chosen, folder=folder, verbose=verbose)
    return Ranking(where, record)
