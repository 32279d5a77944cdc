"""Trains, evaluates and uses policies from Python: the commands, as functions (docs/api.md)."""

from ivr.api.dataset import Dataset, load_dataset
from ivr.api.evaluation import Evaluation, evaluate
from ivr.api.frame import from_frame
from ivr.api.own import from_arrays
from ivr.api.policy import Policy, load_policy
from ivr.api.ranking import Ranking, rank
from ivr.api.training import Result, finetune, train

__all__ = [
    "Dataset",
    "Evaluation",
    "Policy",
    "Ranking",
    "Result",
    "evaluate",
    "finetune",
    "from_arrays",
    "from_frame",
    "load_dataset",
    "load_policy",
    "rank",
    "train",
]
