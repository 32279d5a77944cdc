"""Translates what earlier versions wrote into checkpoints."""

from typing import Any

import torch

_EPSILON = 1e-6
_MCQ = "ivr.algos.mcq.MildlyConservativeQLearning"


def in_current_words(description: dict[str, Any]) -> dict[str, Any]:
    """Translate the description of a run, as a checkpoint keeps it.

    - COMBO and Decision Transformer once took `observation_mean` and `observation_std` and
      normalised by (s - mean) / (std + 1e-6) themselves, whatever `normalize` was.
    - The policy of MCQ once had the log-std of CQL's, and no options for it.
    """
    arguments, config = dict(description["arguments"]), dict(description["config"])
    if "observation_std" in arguments:
        std = torch.tensor(arguments.pop("observation_std"))
        arguments["input_mean"] = arguments.pop("observation_mean")
        arguments["input_scale"] = (std + _EPSILON).tolist()
        config["normalize"] = {"name": "standard", "epsilon": _EPSILON}
        if "model_updates" in arguments:
            config["algo"] = {**config["algo"], "normalised": "model"}
    if description["class"] == _MCQ and "log_std_range" not in arguments:
        log_std = {"log_std_offset": -1.0, "log_std_range": [-20.0, 2.0]}
        arguments |= log_std
        config["algo"] = {**config["algo"], **log_std}
    return {**description, "arguments": arguments, "config": config}
