"""What runs the jobs of a sweep or a search: is it there, was it chosen, has it anything to run?"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ivr.config.overrides import parse_overrides
from ivr.errors import UserError

_OF_LAUNCHERS = {
    "joblib": "hydra_joblib_launcher",
    "ray": "hydra_ray_launcher",
    "slurm": "hydra_submitit_launcher",
    "submitit": "hydra_submitit_launcher",
}
"""The package that each file of conf/launcher/ needs."""

_OF_SEARCHES = ("direction", "n_jobs", "n_trials", "sampler", "seed")
"""Options of hydra.sweeper that a search has."""


def check_engines(overrides: Sequence[str], multirun: bool) -> None:
    """Refuse a launcher that is not installed or has no sweep to run, and options of none.

    Args:
        overrides: of the command line.
        multirun: whether they are of a sweep.

    Raises:
        UserError: with the command that installs it, or the word that is lacking.
    """
    parsed = parse_overrides(overrides)
    groups = {x.key_or_group for x in parsed if (x.input_line or "").partition("=")[2] != "none"}
    # What may choose a launcher or a search without saying so here.
    chosen = groups & {"experiment", "hparams_search", "hydra/launcher", "hydra/sweeper"}
    for override in parsed:
        key, name = override.key_or_group, (override.input_line or "").partition("=")[2]
        if key.startswith("hydra.launcher.") and not (chosen or "launcher" in groups):
            raise UserError(f"{key}: give the launcher too, as in launcher=joblib")
        _, _, option = key.partition("hydra.sweeper.")
        if option in _OF_SEARCHES and not chosen:
            raise UserError(f"{key}: give hparams_search=optuna too")
        if key == "launcher" and name != "none" and not multirun:
            raise UserError(
                f"launcher={name} sends out the jobs of a sweep, and this is one run in this "
                "process: give sweep=NAME too"
            )
        package = _OF_LAUNCHERS.get(name) if key == "launcher" else None
        if package is None:
            continue
        plugins = find_spec("hydra_plugins")
        places = [] if plugins is None else list(plugins.submodule_search_locations or ())
        if not any((Path(place) / package).is_dir() for place in places):
            extra = "slurm" if name == "submitit" else name
            raise UserError(
                f"launcher={name} needs the package {package.replace('_', '-')}, which is not "
                f"installed. Install it with `.venv/bin/python -m pip install -e '.[{extra}]'`"
            )


def refuse_lists(overrides: Sequence[str]) -> None:
    """Refuse comma lists in a command that is no sweep.

    Raises:
        UserError: naming the words that train each of the values.
    """
    for override in parse_overrides(overrides):
        if override.is_sweep_override():
            key, values = override.key_or_group, (override.input_line or "").partition("=")[2]
            listed = key in ("seed", "alpha") and "(" not in values
            beside = f" '{key}=[{values}]' trains all in one run." if listed else ""
            raise UserError(f"{key}={values} has several values: sweep=NAME trains each.{beside}")
