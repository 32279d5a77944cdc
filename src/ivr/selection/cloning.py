"""Clones the policy that made the data."""

import logging
from pathlib import Path

from ivr.algos.bc import BehaviourCloning
from ivr.data.dataset import OfflineDataset
from ivr.data.serving.datamodule import TransitionDataModule
from ivr.data.transforms.normalisation import SMALLEST, Standard
from ivr.data.transforms.picking import digest
from ivr.selection import fitting
from ivr.selection.options import Options

log = logging.getLogger(__name__)


def clone_behaviour(
    data: OfflineDataset, options: Options, device: str, folder: Path | None
) -> BehaviourCloning:
    """Clone the policy that made the data: a Gaussian of maximum likelihood."""
    updates = min(options.cloning_updates, options.num_updates)
    served = TransitionDataModule(
        data.to(device),
        seeds=[0],
        batch_size=min(options.batch_size, data.num_transitions),
        num_updates=updates,
        chunk=50,
        boundaries=(fitting.save_interval(updates),),
    )
    normal = Standard(SMALLEST).fit(data, None)
    clone = BehaviourCloning(
        observation_dim=data.observation_dim,
        action_low=data.info.action_low,
        action_high=data.info.action_high,
        hidden=options.hidden,
        actor_lr=1e-3,
        seeds=[0],
        num_updates=updates,
        input_mean=normal["input_mean"],
        input_scale=normal["input_scale"],
    )
    log.info("clones the policy that made the data")
    mark = digest(data.info.fingerprint, options.of_the_fit, SMALLEST)
    fitting.train(clone, served, device, folder=folder and folder / "clone", mark=mark)
    return clone
