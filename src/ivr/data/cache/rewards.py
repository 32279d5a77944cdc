"""Transforms a dataset's rewards as dataset.reward says."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivr.errors import UserError

REWARDS = ("none", "minus_one", "return_range", "scale_shift")


@dataclass(frozen=True)
class RewardTransform:
    """Transforms all rewards of a dataset: r becomes scale * r + shift.

    none: as they are. minus_one: r - 1 (AntMaze in the released code). return_range:
    1000 r / (best - worst return of a trajectory), undiscounted (MuJoCo in the released code of
    IQL and SQL). scale_shift: `scale` r + `shift`.

    Raises:
        UserError: an unknown name, or numbers that the name has no use for.
    """

    name: str
    scale: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in REWARDS:
            raise UserError(f"dataset.reward={self.name}: there is {', '.join(REWARDS)}.")
        if self.scale == 0:
            raise UserError("dataset.reward_scale=0 makes all rewards equal: give another factor.")
        if self.name != "scale_shift" and (self.scale, self.shift) != (1, 0):
            raise UserError(
                f"dataset.reward_scale={self.scale} and dataset.reward_shift={self.shift} do "
                f"nothing with dataset.reward={self.name}: set dataset.reward=scale_shift."
            )

    def affine(self, returns: NDArray[np.float64]) -> tuple[float, float]:
        """Compute scale and shift for data with these episode returns (E,).

        Raises:
            UserError: return_range, and all returns are equal.
        """
        if self.name == "minus_one":
            return 1.0, -1.0
        if self.name == "return_range":
            spread = float(returns.max() - returns.min())
            if spread == 0:
                raise UserError(
                    f"dataset.reward=return_range divides by best - worst return, and all "
                    f"{len(returns)} episodes have a return of {returns[0]:g}: use "
                    "dataset.reward=none or scale_shift."
                )
            return 1000 / spread, 0.0
        return float(self.scale), float(self.shift)

    def __call__(
        self, rewards: NDArray[np.float32], returns: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Transform recorded rewards (N,), given the episodes' returns (E,)."""
        scale, shift = self.affine(returns)
        return np.float32(scale) * rewards + np.float32(shift)
