"""Writes one policy of a checkpoint into one file that runs without ivr."""

import logging
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from ivr import random
from ivr.config.options import EXPORT_SUFFIXES, ExportConfig
from ivr.config.recorded import recorded_observations
from ivr.errors import UserError
from ivr.export.facts import as_text, facts
from ivr.export.formats import FORMATS, check_installed
from ivr.export.policy import largest_difference, number_of, one_member
from ivr.files import write_whole
from ivr.training.checkpoints import load_policy
from ivr.training.members import Member

log = logging.getLogger(__name__)

CHECKED = 1024
"""Observations that the file is compared with the checkpoint on."""

TOLERANCE = 1e-5
"""The largest difference of an action, in parts of its range."""


def run(composed: DictConfig, folder: Path, overrides: list[str]) -> Path:
    """Write the file, compare what it does with the checkpoint, and return its path.

    Raises:
        UserError: for a checkpoint that cannot be used, a policy that is no function of the latest
            observation, or packages that are not installed.
    """
    config = ExportConfig.parse(composed)
    check_installed(config.format)
    checkpoint, chosen = Path(config.checkpoint), FORMATS[config.format]
    algorithm, content = load_policy(checkpoint, config.trusted_class)
    description = content["ivr"]
    k = number_of(config.member, content)
    policy = one_member(algorithm, description, k)
    observations, where, seen = _observations(description)
    known = facts(content, k) | {"observation_low": seen[0], "observation_high": seen[1]}
    known["checked"] = {
        "on": where,
        "observations": len(observations),
        "tolerance": TOLERANCE,
    }
    written = chosen.write(policy, observations.shape[1], as_text(known))
    wanted = algorithm.act(observations.expand(algorithm.runs, -1, -1))[k]
    found = chosen.run(written, observations)
    difference = largest_difference(found, wanted, algorithm.action_low, algorithm.action_high)
    if not difference <= TOLERANCE:
        raise UserError(
            f"what would have been written differs from the checkpoint by {difference:.2g} of an "
            f"action's range, and {TOLERANCE} is allowed: nothing was written"
        )
    suffix = EXPORT_SUFFIXES[config.format]
    label = Member(*description["members"][k]).label
    path = Path(config.path or checkpoint.with_name(f"{checkpoint.stem}_{label}{suffix}"))
    write_whole(path, lambda file: file.write(written), "path")
    log.info(f"{known['algorithm']}, {label}, update {known['update']}: {path}")
    log.info(f"{', '.join(known['observations'])} to {', '.join(known['actions'])}")
    log.info(
        f"compared with the checkpoint on {len(observations):,} {where}: actions differ by "
        f"{difference:.1e} of their range at most"
    )
    return path


def _observations(
    description: dict[str, Any],
) -> tuple[Tensor, str, list[list[float]] | list[None]]:
    """Observations to compare on (N, O), the data's where they are here, what they are, and range.

    The least and the greatest of the data's, (O,) each; None where they are elsewhere.
    """
    generator = random.generator(0, "export")
    try:
        found = recorded_observations(description)
        chosen = torch.randperm(len(found), generator=generator)[:CHECKED].sort().values
        return (
            found[chosen].clone(),
            "observations of the data",
            [end.tolist() for end in torch.aminmax(found, dim=0)],
        )
    except UserError as error:
        log.warning(f"compared on drawn observations, as {error}")
    width = description["dataset"]["observation_dim"]
    drawn = torch.randn(CHECKED, width, generator=generator)
    mean, scale = (description["arguments"].get(f"input_{name}") for name in ("mean", "scale"))
    if mean is not None and scale is not None:
        drawn = drawn * torch.tensor(scale) + torch.tensor(mean)
    return drawn, "drawn observations", [None, None]
