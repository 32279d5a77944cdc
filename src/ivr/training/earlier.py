"""Translates what earlier versions wrote into checkpoints."""

from typing import Any

import torch

_EPSILON = 1e-6


def in_current_words(description: dict[str, Any]) -> dict[str, Any]:
    """Translate the description of a run, as a checkpoint keeps it.

    COMBO and Decision Transformer once took `observation_mean` and `observation_std` and
    normalised by (s - mean) / (std + 1e-6) themselves, whatever `normalize` was.
    """
    arguments, config = dict(description["arguments"]), dict(description["config"])
    if "observation_std" not in arguments:
        return description
    std = torch.tensor(arguments.pop("observation_std"))
    arguments["input_mean"] = arguments.pop("observation_mean")
    arguments["input_scale"] = (std + _EPSILON).tolist()
    config["normalize"] = {"name": "standard", "epsilon": _EPSILON}
    if "model_updates" in arguments:
        config["algo"] = {**config["algo"], "normalised": "model"}
    return {**description, "arguments": arguments, "config": config}
