"""What a notebook builds is what the command line composes."""

from collections.abc import Sequence
from typing import Any

import pytest
from omegaconf import OmegaConf

from ivr.algos.engine.constructors import keywords
from ivr.config.schema import parse_algorithm
from ivr.config.search import choices
from tests.running import composed

PRESETS = {"eql": {"order": 0.0}, "ivr": {"order": 0.5}, "bc10": {"fraction": 0.1}}
"""Names that share a class with another one, and all in which they differ from its defaults."""


def as_in_yaml(value: Any) -> Any:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


@pytest.mark.parametrize("algo", choices("algo"))
def test_the_constructors_defaults_are_the_papers_equations_without_tuning(algo):
    """`algo=NAME protocol=paper` on data of no family, key by key."""
    config = composed((f"algo={algo}", "dataset=arrays", "protocol=paper"))
    node: Any = OmegaConf.to_container(config.algo, resolve=True)
    algorithm = parse_algorithm(node)
    parameters, options = keywords(algorithm.type), algorithm.options
    defaults = {key: as_in_yaml(parameters[key].default) for key in options}
    assert defaults | PRESETS.get(algo, {}) == options
    assert all(defaults[key] != value for key, value in PRESETS.get(algo, {}).items())
