"""The paper's data: which there are, which of them belong together, and what stands in for them."""

import re

from ivr.report.paper import ALGORITHMS, SCORES

PARTS = {
    "table": "The results table",
    "noisy": "Noisy data",
    "small": "Small data",
    "online": "From offline to online",
}
"""The deck's tables and figures, by the name of their folder."""

DATASETS = tuple(dict.fromkeys(dataset for dataset, _ in SCORES))
"""The 18 rows of the results table."""

FAMILIES = {
    "locomotion": ("halfcheetah-", "hopper-", "walker2d-"),
    "AntMaze": ("antmaze-", "pointmaze-"),
    "Kitchen": ("kitchen-",),
}
"""How the names of a family's data begin, the stand-ins' (pointmazes for AntMaze) among them."""

NAMES = dict(
    zip(
        (*ALGORITHMS, "xql", "ivr"),
        (
            "BC",
            "10%BC",
            "BCQ",
            "DT",
            "One-step",
            "TD3+BC",
            "CQL",
            "IQL",
            "SQL",
            "EQL",
            "XQL",
            "IVR",
        ),
        strict=True,
    )
)
"""Methods as the paper calls them, by `algo=`."""

COMPARED = tuple(algo for algo in ALGORITHMS if algo not in ("sql", "eql"))
"""The methods that SQL and EQL are compared with."""


def family(dataset: str) -> str:
    """The family that a dataset, or a stand-in, belongs to; "other" where there is none."""
    found = (name for name, starts in FAMILIES.items() if dataset.startswith(starts))
    return next(found, "other")


def of_family(name: str) -> tuple[str, ...]:
    """The paper's datasets of a family, in the order of its table."""
    return tuple(dataset for dataset in DATASETS if family(dataset) == name)


def called(algo: str) -> str:
    """The paper's name of a method."""
    return NAMES.get(algo, algo)


def printed(dataset: str, algo: str) -> float | None:
    """The mean that the paper prints; None where it has none."""
    found = SCORES.get((dataset, algo))
    return None if found is None else score(found)[0]


def score(text: str) -> tuple[float, float]:
    """A number of the paper's table, and its spread; 0 where it gives none."""
    mean, _, spread = text.partition("±")
    return float(mean), float(spread or 0)


def noise_of(text: str) -> str:
    """What kind of noise a path or an id names."""
    found = re.findall(r"random|medium(?!-expert|_expert)", text.rpartition("/")[2] or text)
    return found[-1] if found else "other"
