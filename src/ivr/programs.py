"""The programs: what a root script, `python -m ivr NAME` and the installed `ivr NAME` can start.

Only the standard library is imported here.
"""

from pathlib import Path
from typing import NamedTuple


class Program(NamedTuple):
    """A module of `ivr.commands`, and what is done before it runs."""

    summary: str
    hydra: bool = True
    """Its `run` receives a composed configuration; otherwise the arguments as they are."""
    folder: bool = True
    """It leaves its configuration in a folder of its own."""
    data: bool = False
    """The dataset must be available before anything is imported."""


PROGRAMS = {
    "train": Program("train policies and evaluate them", data=True),
    "evaluate": Program("score a checkpoint again"),
    "export": Program("write a policy into one file that runs without ivr", folder=False),
    "finetune": Program("take policies from offline to online", data=True),
    "inspect_data": Program("look at a dataset, and for its defects", data=True),
    "generate": Program("make a dataset of this project's own", folder=False),
    "report": Program("gather the results of many runs", folder=False),
    "status": Program("how a sweep stands, and when it will end", folder=False),
    "paper": Program("make the paper's tables and figures, and decide its claims", folder=False),
    "rank": Program("which policy to take, by logged data alone", data=True),
    "list_algorithms": Program("what algo= can name", hydra=False),
    "list_datasets": Program("what dataset= can name, and where the data are", hydra=False),
}

_CHECKOUT = Path(__file__).resolve().parents[2]


def command(program: str, lasting: bool = False) -> str:
    """How a person starts a program here: its root script, or as a module or a command.

    Args:
        program: one of PROGRAMS.
        lasting: for a file, which may be read in another folder than this one.
    """
    script = f"{program}.py"
    if not (_CHECKOUT / script).is_file():
        return f"ivr {program}"
    try:
        here = Path.cwd() == _CHECKOUT
    except OSError:  # it was removed
        here = False
    return f"python {script}" if here or lasting else f"python -m ivr {program}"
