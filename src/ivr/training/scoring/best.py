"""Keeps each member as it was at its own best evaluation."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.files import write_whole
from ivr.training.checkpoints import described
from ivr.training.scoring.episodes import Episodes
from ivr.training.scoring.scores import Score


class BestPolicies:
    """Writes best.ckpt, which holds every member at its own best.

    Args:
        path: of that checkpoint.
        description: of the run, kept in it.
    """

    def __init__(self, path: Path, description: dict[str, Any]) -> None:
        self.path = path
        self.description = description
        self.records: list[Score] = []
        """The best score of each member, with its update."""
        self.scores: list[float] = []
        """The numbers by which they are the best."""
        self.episodes: list[Episodes] = []
        """Those of the best scores."""
        self.weights: dict[str, Tensor] = {}
        """The state dict in which each member is as it was then."""

    @property
    def known(self) -> list[Score | None]:
        """The best score of each member; None where none was a finite number."""
        pairs = zip(self.records, self.scores, strict=True)
        return [None if math.isnan(score) else record for record, score in pairs]

    def keep(
        self,
        module: OfflineAlgorithm,
        update: int,
        records: Sequence[Score],
        scores: Sequence[float],
        episodes: Sequence[Episodes] = (),
    ) -> None:
        """Take over the members that have never scored higher, and write the file.

        Args:
            module: the members as they are.
            update: after which they are so.
            records: what is known of each of them then.
            scores: the number of each by which it may be the best.
            episodes: behind the scores, where there are any.
        """
        found = [score if math.isfinite(score) else math.nan for score in scores]
        weights = {name: tensor.detach().cpu() for name, tensor in module.state_dict().items()}
        if not self.records:
            self.records = [{**record, "update": update} for record in records]
            self.scores = found
            self.episodes = list(episodes)
            self.weights = {name: tensor.clone() for name, tensor in weights.items()}
        for k, score in enumerate(found):
            if score > self.scores[k] or (math.isnan(self.scores[k]) and not math.isnan(score)):
                self.records[k] = {**records[k], "update": update}
                self.scores[k] = score
                if episodes and self.episodes:  # an earlier version kept none
                    self.episodes[k] = episodes[k]
                for name, tensor in weights.items():
                    self.weights[name][k] = tensor[k]
        content = {
            "state_dict": self.weights,
            "updates": [score["update"] for score in self.records],
            "scores": self.records,
            # By which one of them is the best, the higher the better.
            "ranking": self.scores,
            # What `load_from_checkpoint` restores besides the weights.
            "updates_done": update,
            "sums": [],
        }
        file = described(content, self.description)
        write_whole(self.path, lambda target: torch.save(file, target))
