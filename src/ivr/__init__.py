"""Offline RL with no out-of-distribution actions: implicit value regularization in Lightning.

`ivr.train`, `ivr.load_policy` and the rest of `ivr.api` are loaded when they are first used, so
that `import ivr` takes no time (docs/api.md).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ivr.environments.registration import register
from ivr.errors import UserError

if TYPE_CHECKING:
    from ivr.api import (
        Dataset,
        Evaluation,
        Inspection,
        Policy,
        Ranking,
        Result,
        evaluate,
        export_policy,
        finetune,
        from_arrays,
        from_frame,
        inspect_data,
        load_dataset,
        load_policy,
        rank,
        train,
    )

__version__ = "0.2.0"

__all__ = [
    "Dataset",
    "Evaluation",
    "Inspection",
    "Policy",
    "Ranking",
    "Result",
    "UserError",
    "__version__",
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

register()


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("ivr.api"), name)
    raise AttributeError(f"module 'ivr' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
