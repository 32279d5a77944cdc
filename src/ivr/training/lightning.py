"""How Lightning is used: the options that every Trainer here has, and what it prints and raises."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning_fabric.utilities.exceptions import MisconfigurationException

from ivr.errors import UserError


def trainer_options(device: str) -> dict[str, Any]:
    """Options of the Trainer: on a device such as cpu or cuda:1, ended by updates, not epochs."""
    return {
        "accelerator": {"cpu": "cpu", "mps": "mps"}.get(device, "gpu"),
        "devices": 1 if ":" not in device else [int(device.split(":")[1])],
        "max_epochs": -1,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "use_distributed_sampler": False,
    }


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Without the lines in which Lightning counts devices and gives tips."""
    lightning = [logging.getLogger(f"{p}") for p in ("pytorch_lightning", "lightning_fabric")]
    levels = [logger.level for logger in lightning]
    for logger in lightning:
        logger.setLevel(logging.WARNING)
    # What callbacks say that a person has chosen.
    for name in ("callbacks", "utilities.model_summary"):
        logging.getLogger(f"pytorch_lightning.{name}").setLevel(logging.INFO)
    try:
        with warnings.catch_warnings():
            # The loader is a plain iterable over chunks: it needs no worker processes.
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            # A checkpoint holds the weights after its update: that is what we want.
            warnings.filterwarnings("ignore", message=".*ModelCheckpoint with manual optim.*")
            # Lightning 2.6 and torch 2.13 disagree on a name.
            warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
            yield
    finally:
        for logger, level in zip(lightning, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def lightning_errors() -> Iterator[None]:
    """Turn what Lightning says of a callback or an option that cannot be used into one message."""
    try:
        yield
    except MisconfigurationException as error:
        raise UserError(f"Lightning refuses callbacks or trainer: {error}") from error
    except RuntimeError as error:
        if not str(error).startswith("Early stopping conditioned on metric"):
            raise
        raise UserError(f"callbacks: {error}") from error
