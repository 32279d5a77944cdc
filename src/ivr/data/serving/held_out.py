"""Serves what was held out, as the algorithm is served what it trains on."""

import dataclasses

import torch

from ivr import random
from ivr.data.dataset import OfflineDataset
from ivr.data.serving.datamodule import TransitionDataModule
from ivr.data.serving.returns import discounted_returns_to_go
from ivr.data.serving.windows import Windows
from ivr.data.transforms.selection import select
from ivr.types import Batch

MEASURED = 8192
"""Transitions that are measured at most, each step of a window among them."""


def held_out_batches(dataset: OfflineDataset, served: TransitionDataModule) -> list[Batch]:
    """Cut what was held out into batches (B, ...), the same for every member and every run.

    All of it, or MEASURED transitions of it that are drawn by a key of their own. Outcomes are in
    the units of those that are trained on. Of the best trajectories nothing is selected: what was
    held out stands for all of the data.

    Args:
        dataset: what was held out.
        served: what is trained on; it says what the algorithm needs, and the size of a batch.

    Raises:
        UserError: where what was held out lacks what the algorithm needs.
    """
    device, needs = served.dataset.rows.device, served.needs
    dataset = dataset.to(device)
    chosen = select(dataset, dataclasses.replace(needs, best_fraction=1.0))
    index = torch.arange(dataset.num_transitions, device=device) if chosen is None else chosen
    most = max(1, MEASURED // (needs.window or 1))
    if len(index) > most:
        order = torch.randperm(len(index), generator=random.generator(0, "held out"))
        index = index[order[:most].sort().values.to(device)]
    windows = None if needs.window is None else Windows(dataset, needs.window)
    outcomes = None if served.outcomes is None else served.outcomes.of(dataset)
    returns = None
    if needs.return_discount is not None:
        returns = discounted_returns_to_go(dataset, needs.return_discount)
    batches = []
    for number, part in enumerate(torch.split(index, served.batch_size)):
        if windows is not None:
            batches.append(windows.gather(part))
            continue
        batch = dataset.gather(part, needs.next_actions)
        if outcomes is not None:
            update = torch.tensor([number], device=device)
            batch = batch._replace(outcomes=outcomes.draw(part[None, None], [0], update)[0, 0])
        if returns is not None:
            batch = batch._replace(discounted_returns_to_go=returns[part])
        if needs.holdout:  # a model is fitted to none of them, and measured on all
            batch = batch._replace(held_out=torch.zeros_like(batch.rewards))
        batches.append(batch)
    return batches
