"""The JAX code of a method's authors, unchanged, for a Python that it was not written for.

`.venv-authors/bin/python benchmarks/authors.py` makes the updates that benchmarks/agreement.py asks
for in lists of JSON, a line each, and answers each with a line:

    ["begin", "FILE.npz", {words}]   a Learner with these words and the parameters of the file
    ["update", "FILE.npz"]           an update with each batch of the file
    ["save", "FILE.npz"]             its parameters, into a file
"""

import inspect
import json
import os
import sys
import warnings
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORIES = Path(__file__).parents[1] / ".venv-authors"
NETWORKS = ("actor", "value", "critic", "target_critic")


def learner(repository: str, observations: np.ndarray, actions: np.ndarray, **words: Any) -> Any:
    """The `Learner` of a folder of REPOSITORIES, seed 0.

    Newer Flax gives it the frozen parameters that it expects if asked to, newer JAX has another
    name for a map over trees, and refuses a static argument that is named but missing.
    """
    import flax
    import jax

    flax.config.update("flax_return_frozendict", True)
    jax.tree_multimap = jax.tree_util.tree_map
    jit = jax.jit

    def lenient(function: Callable[..., Any], **options: Any) -> Any:
        names = inspect.signature(function).parameters
        if "static_argnames" in options:
            options["static_argnames"] = [n for n in options["static_argnames"] if n in names]
        return jit(function, **options)

    jax.jit = lenient
    sys.path.insert(0, str(REPOSITORIES / repository))
    from learner import Learner

    if "args" in words:  # what is static must be hashable
        words["args"] = namedtuple("Args", words["args"])(**words["args"])
    return Learner(0, observations, actions, **words)


def batch(columns: dict[str, np.ndarray], rows: Any) -> Any:
    """Some rows of the columns, as `Learner.update` takes them."""
    from common import Batch

    found = {
        "observations": columns["observations"][rows],
        "actions": columns["actions"][rows],
        "rewards": columns["rewards"][rows],
        "masks": 1 - columns["terminals"][rows],
        "next_observations": columns["next_observations"][rows],
    }
    return Batch(**{name: found.get(name) for name in Batch._fields})


def begin(parameters: dict[str, np.ndarray], words: dict[str, Any]) -> Any:
    """A learner with parameters named NETWORK/MODULE/.../kernel."""
    from flax.core import freeze
    from flax.traverse_util import flatten_dict, unflatten_dict

    observations, actions = (np.zeros((1, words.pop(key))) for key in ("o", "a"))
    agent = learner(words.pop("repository"), observations, actions, **words)
    for name in NETWORKS:
        given = {
            key.removeprefix(f"{name}/"): value
            for key, value in parameters.items()
            if key.startswith(f"{name}/")
        }
        network = getattr(agent, name)
        own = flatten_dict(network.params, sep="/")
        assert {k: v.shape for k, v in own.items()} == {k: v.shape for k, v in given.items()}
        setattr(agent, name, network.replace(params=freeze(unflatten_dict(given, sep="/"))))
    return agent


def save(agent: Any, path: str) -> None:
    from flax.traverse_util import flatten_dict

    found = {
        f"{name}/{key}": np.asarray(value)
        for name in NETWORKS
        for key, value in flatten_dict(getattr(agent, name).params, sep="/").items()
    }
    np.savez(path, **found)


def read(path: str) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def serve() -> None:
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the libraries print
    warnings.filterwarnings("ignore")
    import jax

    print(f"authors' code, JAX {jax.__version__}", file=answer, flush=True)
    agent: Any = None
    for line in sys.stdin:
        command, path, *rest = json.loads(line)
        if command == "begin":
            agent = begin(read(path), *rest)
        elif command == "update":
            columns = read(path)
            for i in range(len(columns["rewards"])):
                agent.update(batch(columns, i))
        elif command == "save":
            save(agent, path)
        print("done", file=answer, flush=True)


if __name__ == "__main__":
    serve()
