"""What a command needs on this machine before it can run."""

import re
from collections.abc import Sequence
from pathlib import Path

from ivr.data.sources.d4rl.location import d4rl_root
from ivr.data.sources.d4rl.published import PUBLISHED
from ivr.data.sources.stand_ins import RANDOM


def absent(words: Sequence[str]) -> list[Path]:
    """Name the files of a command that are not there; nothing is fetched.

    Args:
        words: overrides of train.py or finetune.py.
    """
    options = dict(word.split("=", 1) for word in words if "=" in word)
    needed = [
        Path(path).expanduser()
        for key in ("dataset.path", "noise.source", "checkpoint")
        for path in re.split(r"[\[\],'\"]+", options.get(key, ""))
        if path
    ]
    name = options.get("dataset", "")
    # Mazes have other sources, and random actions are made here.
    others = name.startswith(("antmaze-", "kitchen-")) or name in RANDOM
    of_d4rl = name in PUBLISHED and (options.get("dataset.source") == "d4rl" or not others)
    if of_d4rl and "dataset.path" not in options:
        ids = (options.get("dataset.id", PUBLISHED[name].id), options.get("noise.id"))
        needed += [d4rl_root() / Path(one).name for one in ids if one]
    return [path for path in needed if not path.exists()]
