"""Mixes noise into expert data, as in the noisy-data experiment of Xu et al. (ICLR 2023).

The released code's `expert_ratio=r` makes a share of r (1 - r) of the transitions expert ones;
here `expert_fraction` is the true share.
"""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ivr.agreement.bounds import same_bounds
from ivr.data.cache.making import make_folder
from ivr.data.cache.store import ColumnWriter, read_store, write_info
from ivr.data.dataset import OfflineDataset
from ivr.data.transforms.picking import digest, pick, random_transitions
from ivr.errors import UserError

_CHUNK = 1 << 18
"""Rows that are copied at a time."""


@dataclass(frozen=True)
class Mix:
    """`noise=mix` mixes other data in and keeps a share of the dataset itself.

    Args:
        expert_fraction: share of the transitions that comes from the dataset itself.
        source: path of the noise, in the format of the dataset; or
        id: its Minari id, or D4RL's.
        transitions: of the whole mixture; None for the most that both sources can give.
        seed: chooses the episodes.

    Raises:
        UserError: no source, or a number outside its range.
    """

    expert_fraction: float
    source: str | Sequence[str] | None = None
    id: str | None = None
    transitions: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.source is None and self.id is None:
            raise UserError(
                "noise=mix: say what is mixed in, noise.source=PATH in the format of the dataset, "
                "or noise.id=... of a published one"
            )
        if not 0 < self.expert_fraction <= 1:
            raise UserError(
                f"noise.expert_fraction={self.expert_fraction}: must be above 0 and up to 1, as in "
                "0.3; 1 is the dataset without noise"
            )
        if self.transitions is not None and self.transitions < 1:
            raise UserError(f"noise.transitions={self.transitions}: must be 1 or more, or null")

    @property
    def name(self) -> str:
        """The option that names the noise, for messages."""
        return f"noise.source={self.source}" if self.id is None else f"noise.id={self.id}"

    def counts(self, experts: int, noise: int) -> tuple[int, int]:
        """Count expert and noise transitions of the mixture: the share is true to half a row.

        Raises:
            UserError: the sources are too small.
        """
        share = self.expert_fraction
        most = experts / share if share == 1 else min(experts / share, noise / (1 - share))
        total = int(most + 1e-6) if self.transitions is None else self.transitions
        of_expert = round(share * total)
        if of_expert > experts or total - of_expert > noise:
            raise UserError(
                f"noise.transitions={total} with noise.expert_fraction={share}: that takes "
                f"{of_expert} transitions of {experts} and {total - of_expert} of {noise} of "
                f"noise. Give at most {int(most + 1e-6)}, or null"
            )
        if of_expert == 0:
            raise UserError(
                f"noise.expert_fraction={share} of {total} transitions is not one: give more"
            )
        return of_expert, total - of_expert

    def __call__(
        self, dataset: OfflineDataset, noise: OfflineDataset, cache: Path
    ) -> OfflineDataset:
        """Mix; the mixture is written into `cache` once and mapped, the dataset's own part first.

        Episodes are whole, in random order, but for the last of each source, which is cut to fit
        and counts as truncated.

        Args:
            dataset: of the experts, with rewards as they were recorded.
            noise: likewise.
            cache: folder of converted data.

        Raises:
            UserError: sources that cannot be joined or are too small.
        """
        self._check_alike(dataset, noise)
        counts = self.counts(dataset.num_transitions, noise.num_transitions)
        chosen = zip(("experts", "noise"), (dataset, noise), counts, strict=True)
        parts = [
            pick(part, random_transitions(part, count, self.seed, f"mixture {purpose}"))
            for purpose, part, count in chosen
            if count > 0
        ]
        mixture = _join(parts, cache)
        share = counts[0] / sum(counts)
        record = {
            "true_share": share,
            "expert_transitions": counts[0],
            "noise_transitions": counts[1],
            "noise_source": noise.info.source,
            "noise_fingerprint": noise.info.fingerprint,
            "fingerprint": mixture.info.fingerprint,
        }
        source = f"{share:.4g} of {dataset.info.source}, {1 - share:.4g} of {noise.info.source}"
        info = dataclasses.replace(mixture.info, source=source, noise=record)
        return dataclasses.replace(mixture, info=info)

    def _check_alike(self, dataset: OfflineDataset, noise: OfflineDataset) -> None:
        name = dataset.info.name
        widths = [(d.observation_dim, d.action_dim) for d in (dataset, noise)]
        if widths[0] != widths[1]:
            raise UserError(
                f"{self.name} has observations and actions of {widths[1]} numbers, and {name} of "
                f"{widths[0]}: only data of one environment can be mixed"
            )
        bounds = [(d.info.action_low, d.info.action_high) for d in (dataset, noise)]
        if not same_bounds(*bounds):
            raise UserError(
                f"{self.name} scales its actions by the bounds {bounds[1]}, and {name} by "
                f"{bounds[0]}: give dataset.action_low and dataset.action_high, which then hold "
                "for both"
            )
        if dataset.info.fingerprint == noise.info.fingerprint:
            raise UserError(f"{self.name} holds the very transitions of {name}: give other data")


def _join(parts: Sequence[OfflineDataset], cache: Path) -> OfflineDataset:
    """Join datasets, whose episodes stay apart; read from disk what was joined before."""
    info = parts[0].info
    key = digest("mixture", *(part.info.fingerprint for part in parts))
    safe_name = re.sub(r"[^\w.-]", "_", info.name)
    final = cache / f"{safe_name}-mixture2-{key[:16]}"  # 2: the format of the files
    if not final.exists():
        _write(parts, final)
    columns, _ = read_store(final)
    info = dataclasses.replace(
        info,
        fingerprint=key,
        transitions=len(columns["rows"]),
        episodes=len(columns["episode_returns"]),
    )
    return OfflineDataset(**columns, info=info)


def _write(parts: Sequence[OfflineDataset], final: Path) -> None:
    width = parts[0].observation_dim + parts[0].action_dim
    needed = sum(part.num_transitions * (4 * width + 14) for part in parts)

    def fill(folder: Path) -> None:
        columns: dict[str, ColumnWriter] = {}

        def put(name: str, values: Tensor) -> None:
            array: Any = values.numpy()
            if name not in columns:
                columns[name] = ColumnWriter(folder, name, array.shape[1:], array.dtype)
            columns[name].append(array)

        first = 0
        for part in parts:
            # Where each transition's observation comes to stand, with a row more an episode.
            rows = torch.arange(part.num_transitions) + part.episodes
            last = rows[torch.unique_consecutive(part.ends)]
            taken = torch.empty(len(rows) + len(last), dtype=torch.int64)
            taken[rows] = part.rows
            taken[last + 1] = taken[last] + 1
            for chunk in torch.split(taken, _CHUNK):
                put("observations", part.observations[chunk])
            for name in ("actions", "rewards", "terminated", "truncated", "episode_returns"):
                put(name, getattr(part, name))
            put("rows", rows + first)
            first += len(taken)
        for column in columns.values():
            column.close()
        write_info(folder, {"parts": [part.info.fingerprint for part in parts]})

    make_folder(final, needed, "IVR_CACHE", fill)
