"""The options of Lightning's Trainer that a person may set, and what to use for all others."""

import re
from typing import Any

from ivr.config.fields import fits, shown
from ivr.errors import UserError

TRAINER_OPTIONS = (
    "accelerator", "profiler", "detect_anomaly", "deterministic", "benchmark", "max_time",
)  # fmt: skip

INSTEAD = {
    "max_steps": "num_updates",
    "min_steps": "num_updates",
    "max_epochs": "num_updates (an epoch is eval_every updates)",
    "min_epochs": "num_updates (an epoch is eval_every updates)",
    "devices": "device",
    "num_nodes": "seed and alpha lists (one process trains many runs)",
    "strategy": "seed and alpha lists (one process trains many runs)",
    "precision": "precision",
    "logger": "logger",
    "callbacks": "callbacks",
    "enable_checkpointing": "checkpoint_every",
    "enable_progress_bar": "callbacks",
    "enable_model_summary": "callbacks (Lightning's ModelSummary by _target_)",
    "gradient_clip_val": "the algorithm's own options (algo.*)",
    "gradient_clip_algorithm": "the algorithm's own options (algo.*)",
    "accumulate_grad_batches": "batch_size",
    "val_check_interval": "eval_every",
    "check_val_every_n_epoch": "eval_every",
    "log_every_n_steps": "log_every",
    "default_root_dir": "hydra.run.dir",
    "limit_train_batches": "num_updates",
    "limit_val_batches": "eval_episodes",
    "overfit_batches": "subset",
    "fast_dev_run": "debug=fast",
    "num_sanity_val_steps": "eval_every",
    "reload_dataloaders_every_n_epochs": "eval_every",
    "plugins": "precision",
}
"""What to use for options of the Trainer that the run decides itself."""


def check_trainer_option(name: str) -> None:
    """Refuse an option of the Trainer that the run decides itself.

    Raises:
        UserError: naming what to use instead.
    """
    if name in INSTEAD:
        raise UserError(f"trainer.{name}: the run decides it itself. Use {INSTEAD[name]} instead")
    if name not in TRAINER_OPTIONS:
        raise UserError(f"unknown key trainer.{name}: it has {', '.join(TRAINER_OPTIONS)}")


def check_trainer_value(name: str, value: Any) -> None:
    """Refuse a value that the Trainer takes without a word, or ends in a traceback for.

    Raises:
        UserError: naming what is allowed.
    """
    allowed = "true or false"
    if name == "max_time":
        allowed = "a time such as 00:12:00:00 (days:hours:minutes:seconds) or {hours: 12}, above 0"
        fine = (
            isinstance(value, dict)
            and value.keys() <= {"weeks", "days", "hours", "minutes", "seconds"}
            and all(fits(x, float) and x >= 0 for x in value.values())
            and any(value.values())
        )
        if isinstance(value, str):
            fine = re.fullmatch(r"\d+:\d\d:\d\d:\d\d", value) is not None
            fine = fine and value.strip("0:") != ""
    elif name == "deterministic":
        allowed += ", or warn"
        fine = isinstance(value, bool) or value == "warn"
    else:
        fine = isinstance(value, bool) or name not in ("benchmark", "detect_anomaly")
    if value is not None and not fine:
        raise UserError(f"trainer.{name}={shown(value)}: must be {allowed}")
