from typing import Any

import gymnasium
import gymnasium_robotics
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ivr.environments.replay import replay
from ivr.environments.replay_error import EXACT, replay_error
from ivr.environments.rounding import bits, precision, rounding
from tests.environments.replay_making import Recorded, flat, record, simulation

gymnasium.register_envs(gymnasium_robotics)


def coarse(values: np.ndarray, bits: int) -> np.ndarray:
    """Round to so many bits of mantissa."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.round(np.ldexp(mantissa, bits)), exponent - bits)


def test_what_the_rounding_of_the_records_does_is_no_difference_of_environments() -> None:
    env = gymnasium.make("AntMaze_UMaze-v4")
    data = Recorded(*(coarse(part, 12) for part in record(env, 200)))
    before = *data[:3], data.observations

    def judged() -> Any:
        error = np.asarray(replay(env, *before, observe=flat))
        moved = rounding(env, *before, observe=flat)
        return replay_error(error, data.next_observations, rounded=moved)

    own = judged()
    assert own.exact and own.overall[1] > 10 * EXACT and precision(*before[:3]) == 12
    model = simulation(env).model
    model.actuator_gear *= 1.02
    assert judged().unexplained > 0.3
    model.actuator_gear /= 1.02
    model.geom_friction *= 1.2
    assert judged().unexplained > 0.3


def test_records_of_float32_are_not_replayed_again() -> None:
    env = gymnasium.make("Hopper-v4")
    data = record(env, 50).float32()
    assert rounding(env, *data[:3]) is None and precision(*data[:3]) >= 20


@given(st.integers(8, 24), st.integers(-20, 20), st.integers(0, 1000))
def test_bits_are_counted(kept: int, exponent: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    values = np.ldexp(random.uniform(1, 2, (200, 2)), exponent) * random.choice([-1, 1], (200, 2))
    values[:, 1] = random.choice([-1, 0, 0.5], 200)  # chosen, not rounded
    found = bits(coarse(values, kept)).tolist()
    # All of 200 numbers end in a zero once in 2**200 draws; a mantissa that rounds up is shorter.
    assert found == [kept, 24]
