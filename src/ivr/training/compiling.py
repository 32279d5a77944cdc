"""Whether to compile the updates: half a minute at the start against a faster run."""

import shutil
import warnings

# On two cores compiling takes some 30 seconds and saves about 4 milliseconds an update.
WORTHWHILE_UPDATES = 20_000


def compiler_wanted(word: str, num_updates: int, device: str) -> bool:
    """Answer `compile=auto|true|false`; warns where a compiler is wanted and there is none."""
    if word == "false" or (word == "auto" and num_updates < WORTHWHILE_UPDATES):
        return False
    if device == "cpu" and not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        warnings.warn("compile: no C++ compiler found, so the updates run uncompiled", stacklevel=2)
        return False
    import torch._dynamo  # takes a second

    # The compiler gives up a function that it has compiled too often, as a sweep would.
    torch._dynamo.reset()
    return True
