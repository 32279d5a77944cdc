"""How policies are ranked without a simulator. Light to import."""

from dataclasses import dataclass, field, fields

INITIAL = ("data", "evaluation")
"""Where the episodes whose return is estimated begin."""


@dataclass(frozen=True)
class Options:
    """What an off-policy evaluation is asked for; the defaults are those of `conf/rank.yaml`."""

    num_updates: int = 20_000
    """Of the critics; the cloned behaviour policy has as many at most as `cloning_updates`."""
    batch_size: int = 256
    critics: int = 8
    """K, for each policy and seed."""
    hidden: tuple[int, ...] = (128, 128)
    """Of the critics and of the cloned behaviour policy."""
    critic_lr: float = 3e-4
    target_tau: float = 0.05
    cloning_updates: int = 5_000
    seeds: tuple[int, ...] = field(default=(0,))
    """Of the evaluation itself: each gives every policy K critics more."""
    split: float = 0.1
    """Share of the episodes that the critics are not fitted to, where the runs held none out."""
    initial: str = "data"
    """One of `INITIAL`: the data's first observations, or those of the environment."""
    horizon: int = 20
    """Steps that the importance weights are multiplied over."""
    level: float = 0.9
    """Of the interval; the lower bound is its lower end."""

    @property
    def of_the_fit(self) -> tuple[object, ...]:
        """What the networks depend on, besides the data: the others are of what is made of them."""
        later = ("initial", "horizon", "level")
        return tuple(getattr(self, one.name) for one in fields(self) if one.name not in later)
