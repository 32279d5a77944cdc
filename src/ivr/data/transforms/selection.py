"""Selects the transitions that an algorithm is served."""

import torch
from torch import Tensor

from ivr import random
from ivr.data.dataset import OfflineDataset
from ivr.errors import UserError
from ivr.types import Needs


def select(dataset: OfflineDataset, needs: Needs) -> Tensor | None:
    """Number the transitions that may be drawn, ascending int64; None for all of them.

    Raises:
        UserError: where none is left.
    """
    if needs.best_fraction >= 1 and not needs.next_actions:
        return None
    chosen = torch.ones(dataset.num_transitions, dtype=torch.bool, device=dataset.rows.device)
    if needs.best_fraction < 1:
        chosen &= best_episodes(dataset.episode_returns, needs.best_fraction)[dataset.episodes]
    if needs.next_actions:
        chosen &= dataset.terminated | ~dataset.truncated
    if chosen.all():
        return None
    if not chosen.any():
        raise UserError(
            f"{dataset.info.name} has no transition that this algorithm can learn from: every "
            "episode is cut off before a second action. Use an algorithm without next actions."
        )
    return chosen.nonzero().squeeze(-1)


def best_episodes(returns: Tensor, fraction: float) -> Tensor:
    """Mark the share of the episodes with the highest returns, at least one: (episodes,).

    Of equal returns the earlier episode comes first.
    """
    count = max(1, int(fraction * len(returns) + 1e-9))
    order = torch.argsort(returns, descending=True, stable=True)
    return torch.zeros(len(returns), dtype=torch.bool, device=returns.device).index_fill(
        0, order[:count], True
    )


def hold_out(dataset: OfflineDataset, fraction: float) -> Tensor | None:
    """Mark about this share of transitions with 1, (N,), the same in every run; None for none.

    Raises:
        UserError: for a share outside [0, 1).
    """
    if not 0 <= fraction < 1:
        raise UserError(f"algo.holdout={fraction}: must lie in [0, 1)")
    if fraction == 0:
        return None
    keys = torch.tensor([random.key(0, "holdout")], device=dataset.rows.device)
    first = torch.zeros(1, dtype=torch.int64, device=dataset.rows.device)
    return (random.uniform(keys, first, dataset.num_transitions)[0, 0] < fraction).float()
