"""Where an episode ends that a model imagines: the environments' own rules, by name.

Hopper and Walker2d of Gymnasium end where the body falls; their observations begin with its height
(m) and angle (rad). HalfCheetah never ends. In a maze the goal ends an episode, which is no matter
of the dynamics: an imagined episode does not end there, and is short.
"""

from collections.abc import Callable

from torch import Tensor


def never(observations: Tensor) -> Tensor:
    """Nothing ends: (..., O) to (...) bool."""
    return observations[..., 0].isnan()


def hopper(observations: Tensor) -> Tensor:
    """Healthy: height above 0.7, angle within 0.2, all but the height below 100 in size."""
    height, angle = observations[..., 0], observations[..., 1]
    moderate = (observations[..., 1:].abs() < 100).all(-1)
    return ~((height > 0.7) & (angle.abs() < 0.2) & moderate)


def walker2d(observations: Tensor) -> Tensor:
    """Healthy: height between 0.8 and 2, angle within 1."""
    height, angle = observations[..., 0], observations[..., 1]
    return ~((height > 0.8) & (height < 2.0) & (angle.abs() < 1.0))


TERMINATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": never,
    "hopper": hopper,
    "walker2d": walker2d,
}
"""From the observation that was reached, (..., O), to whether the episode ended there, (...)."""
