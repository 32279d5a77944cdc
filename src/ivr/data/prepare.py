"""From a `DataSpec` to what is trained on: a split, then noise, then a subset, then the rewards.

What is held out is split off the data as they were recorded, so that it is the same whatever noise
or subset is trained on. Every statistic (return_range, the best trajectories, what observations are
normalised by) is that of the transitions that are trained on, as in the released code.
"""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ivr import random
from ivr.data.cache.rewards import RewardTransform
from ivr.data.dataset import OfflineDataset
from ivr.data.load import cache_folder, load_dataset
from ivr.data.sources.d4rl.compare import check_one_robot
from ivr.data.sources.d4rl.location import locate_d4rl
from ivr.data.sources.terminals import suspected
from ivr.data.spec import DataSpec
from ivr.data.transforms.mixing import Mix
from ivr.data.transforms.picking import digest, pick
from ivr.data.transforms.selection import select
from ivr.data.transforms.split import Split
from ivr.data.transforms.subsets import Subset
from ivr.errors import UserError
from ivr.types import Batch, Needs

CLEAN_SAMPLE = 4096
"""Transitions that the Bellman error is measured on."""


class Prepared(NamedTuple):
    """The data of a training."""

    training: OfflineDataset
    clean: OfflineDataset
    """The dataset without noise and whole but for what is held out, its rewards transformed like
    those trained on."""
    held_out: OfflineDataset | None = None
    """The episodes that are kept out of both, their rewards transformed likewise."""


def prepare(
    spec: DataSpec,
    mix: Mix | None = None,
    subset: Subset | None = None,
    split: Split | None = None,
    cache: Path | None = None,
    progress: bool = True,
) -> Prepared:
    """Load the data and transform them.

    Args:
        spec: which data.
        mix: which noise to mix in.
        subset: which part to keep of what is then there.
        split: which episodes to hold out of all of that.
        cache: folder of converted data; see `load_dataset`.
        progress: show progress bars.

    Raises:
        UserError: as `load_dataset` does, and where a transform does not suit the data.
    """
    if mix is None and subset is None and split is None:
        dataset = load_dataset(spec, cache, progress)
        return Prepared(dataset, dataset)
    reward = RewardTransform(spec.reward, spec.reward_scale, spec.reward_shift)
    recorded = dataclasses.replace(spec, reward="none", reward_scale=1.0, reward_shift=0.0)
    clean, held_out = load_dataset(recorded, cache, progress), None
    if split is not None:
        clean, held_out = split(clean)
    training = clean
    if mix is not None:
        other = dataclasses.replace(recorded, path=mix.source, id=mix.id, name=f"{spec.name}_noise")
        try:
            noise = load_dataset(other, cache, progress)
            if spec.source == "d4rl":
                files = [(spec.id, spec.path), (mix.id, mix.source)]
                check_one_robot([path for one in files for path in locate_d4rl(*one)])
        except UserError as error:
            raise UserError(f"{mix.name} cannot be mixed in: {error}") from error
        training = mix(clean, noise, cache_folder(cache))
    if subset is not None:
        training = _keep(training, subset)
    scale, shift = reward.affine(training.episode_returns.numpy())
    return Prepared(
        _scaled(training, scale, shift),
        _scaled(clean, scale, shift),
        None if held_out is None else _scaled(held_out, scale, shift),
    )


def time_limits(dataset: OfflineDataset, limit: int | None) -> str | None:
    """Say that time limits seem to be recorded as terminals; see `suspected`.

    Args:
        dataset: as it was recorded; terminals that were recomputed for a maze's goal are none.
        limit: of an episode in the environment, None where there is none.
    """
    info = dataset.info
    if info.goal is not None or info.maze_layout is not None:
        return None
    ends = (dataset.terminated | dataset.truncated).nonzero().squeeze(-1)
    lengths = ends.diff(prepend=ends.new_tensor([-1]))
    return suspected(lengths.numpy(), dataset.terminated[ends].numpy(), limit)


def _keep(dataset: OfflineDataset, subset: Subset) -> OfflineDataset:
    index = subset(dataset)
    kept = pick(dataset, index)
    in_pieces = bool((dataset.steps[index] > 0)[kept.steps == 0].any())
    record = {
        "kept_transitions": kept.num_transitions,
        "of_transitions": dataset.num_transitions,
        # What is left to learn the task's end from.
        "kept_terminated": int(kept.terminated.sum()),
        "kept_episodes": kept.info.episodes,
        "of_episodes": dataset.info.episodes,
        "true_share": kept.num_transitions / dataset.num_transitions,
        "fingerprint": kept.info.fingerprint,
    }
    source = f"{record['true_share']:.4g} of ({kept.info.source})"
    return dataclasses.replace(
        kept,
        info=dataclasses.replace(kept.info, source=source, subset=record, in_pieces=in_pieces),
    )


def _scaled(dataset: OfflineDataset, scale: float, shift: float) -> OfflineDataset:
    """The dataset with recorded rewards times `scale` plus `shift`."""
    if (scale, shift) == (1, 0):
        return dataset
    rewards = torch.tensor(scale) * dataset.rewards + torch.tensor(shift)
    info = dataclasses.replace(
        dataset.info,
        fingerprint=digest(dataset.info.fingerprint, scale, shift),
        reward_scale=scale,
        reward_shift=shift,
    )
    return dataclasses.replace(dataset, rewards=rewards, info=info)


def clean_sample(dataset: OfflineDataset, needs: Needs, device: torch.device | str) -> Batch:
    """At most CLEAN_SAMPLE transitions, the same for every run on these data, axes (N, ...).

    Args:
        dataset: on the CPU.
        needs: of an algorithm; where it asks for next actions, all of them have one.
        device: of the batch.
    """
    chosen = select(dataset, Needs(next_actions=needs.next_actions))
    of: Tensor = torch.arange(dataset.num_transitions) if chosen is None else chosen
    order = torch.randperm(len(of), generator=random.generator(0, "clean sample"))
    batch = dataset.gather(of[order[:CLEAN_SAMPLE]].sort().values, needs.next_actions)
    return batch.each(lambda part: part.to(device))
