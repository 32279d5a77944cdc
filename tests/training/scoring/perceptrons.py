"""V and Q of one transition in float64, layer by layer, from the weights alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivr.algos.engine.base import OfflineAlgorithm

Array = NDArray[np.float64]


def _forward(mlp: Any, at: tuple[int, ...], x: Array) -> float:
    def of(tensor: Any) -> Array:
        return np.asarray(tensor[at].detach().double().numpy())

    for i, layer in enumerate(mlp.layers):
        x = x @ of(layer.weight) + of(layer.bias)[0]
        if i < len(mlp.layers) - 1:
            norm = mlp.norms[i]
            if hasattr(norm, "scale"):
                x = (x - x.mean()) / np.sqrt(x.var() + 1e-6) * of(norm.scale)[0] + of(norm.shift)[0]
            x = np.maximum(x, 0)
    return float(x[0])


def v_of(algorithm: OfflineAlgorithm, member: int, state: Array) -> float:
    """V(s) of a member."""
    value: Any = algorithm.value
    return _forward(value.mlp, (member,), state)


def q_of(
    algorithm: OfflineAlgorithm, member: int, critic: int, state: Array, action: Array
) -> float:
    """Q(s, a) of one of a member's critics."""
    q: Any = algorithm.critic
    return _forward(q.mlp, (member, critic), np.concatenate((state, action)))
