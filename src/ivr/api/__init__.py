"""Trains, evaluates and uses policies from Python: the commands, as functions (docs/api.md)."""

from ivr.api.dataset import Dataset, load_dataset
from ivr.api.evaluation import Evaluation, evaluate
from ivr.api.export import export_policy
from ivr.api.frame import from_frame
from ivr.api.inspection import Inspection, inspect_data
from ivr.api.own import from_arrays
from ivr.api.policy import Policy, load_policy
from ivr.api.ranking import Ranking, rank
from ivr.api.training import Result, finetune, train

__all__ = [
    "Dataset",
    "Evaluation",
    "Inspection",
    "Policy",
    "Ranking",
    "Result",
    "evaluate",
    "export_policy",
    "finetune",
    "from_arrays",
    "from_frame",
    "inspect_data",
    "load_dataset",
    "load_policy",
    "rank",
    "train",
]
