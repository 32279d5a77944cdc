from typing import Any

import gymnasium
import gymnasium_robotics
import numpy as np
import pytest

from ivr.environments.replay import replay, states
from ivr.environments.replay_error import EXACT, replay_error
from ivr.errors import UserError
from tests.environments.replay_making import Recorded, flat, record, simulation

gymnasium.register_envs(gymnasium_robotics)

LOCOMOTION = [
    f"{robot}-{version}"
    for robot in ("Hopper", "HalfCheetah", "Walker2d")
    for version in ("v4", "v5")
]
STATEFUL = ["ivr/D4RLAntMaze-umaze-v2", "AntMaze_UMaze-v4", *LOCOMOTION]


def error(env: Any, data: Recorded) -> Any:
    replayed = replay(env, data.qpos, data.qvel, data.actions, data.observations, observe=flat)
    return replay_error(replayed, data.next_observations)


@pytest.mark.parametrize("name", STATEFUL)
def test_an_environment_repeats_its_own_data_and_no_other_body_or_clock_does(name: str) -> None:
    env = gymnasium.make(name)
    data = record(env).float32()
    own = error(env, data)
    assert own.exact and own.transitions == 150
    assert own.overall[2] < 1e-4  # float32
    model = simulation(env).model
    model.opt.timestep *= 1.1
    clock = error(env, data)
    model.opt.timestep /= 1.1
    model.actuator_gear *= 1.1
    gear = error(env, data)
    for other in (clock, gear):
        assert not other.exact and other.overall[0] > 10 * EXACT


@pytest.mark.parametrize("name", [*LOCOMOTION, "ivr/D4RLAntMaze-medium-v2"])
def test_an_observation_that_determines_the_state_is_enough(name: str) -> None:
    env = gymnasium.make(name)
    data = record(env, 400).float32()
    found = states(env, data.observations)
    assert found is not None
    qpos, qvel, certain = found
    first = 0 if "AntMaze" in name else 1  # x is not observed, and nothing depends on it
    np.testing.assert_array_equal(qpos[:, first:], data.qpos[:, first:])
    np.testing.assert_array_equal(qvel[certain], data.qvel[certain])
    assert certain.sum() > 30
    read = Recorded(qpos, qvel, *data[2:])
    assert error(env, Recorded(*(part[certain] for part in read))).overall[2] < 1e-4


def test_gymnasiums_antmaze_tells_its_state_by_place_and_observation() -> None:
    env = gymnasium.make("AntMaze_UMaze-v4")
    data = record(env).float32()
    assert states(env, data.observations) is None  # 27 numbers: x and y are apart
    found = states(env, np.hstack([data.qpos[:, :2], data.observations]))
    assert found is not None and found[2].all()
    assert error(env, Recorded(*found[:2], *data[2:])).exact


def test_a_speed_at_the_bound_of_what_is_observed_is_not_certain() -> None:
    env = gymnasium.make("Hopper-v4")
    seen = np.zeros((3, 11))
    seen[1, 7], seen[2, 9] = 10, -10
    found = states(env, seen)
    assert found is not None and found[2].tolist() == [True, False, False]


def test_version_4_does_not_repeat_walker2d_of_version_5() -> None:
    """Version 5 doubled the friction of the right foot."""
    data = record(gymnasium.make("Walker2d-v5"), 300)
    assert error(gymnasium.make("Walker2d-v5"), data).exact
    assert not error(gymnasium.make("Walker2d-v4"), data).exact


def test_gymnasiums_antmaze_does_not_repeat_d4rls() -> None:
    data = record(gymnasium.make("ivr/D4RLAntMaze-umaze-v2"))
    theirs = data._replace(next_observations=data.next_observations[:, 2:])
    assert error(gymnasium.make("AntMaze_UMaze-v4"), theirs).overall[0] > 0.1


def test_the_kitchen_repeats_its_states() -> None:
    env = gymnasium.make("ivr/D4RLKitchen-complete-v0")
    data = record(env, 60)
    state = lambda _: env.unwrapped.data.qpos.copy()  # noqa: E731
    replayed = replay(env, *data[:4], observe=state)[:-1]
    assert replay_error(replayed, data.qpos[1:]).exact
    other = data.observations + 0.01
    assert not replay_error(replay(env, *data[:3], other, observe=state)[:-1], data.qpos[1:]).exact
    assert states(env, data.observations) is None  # velocities are not observed
    with pytest.raises(UserError, match="moves from what was observed"):
        replay(env, *data[:3])


def test_a_step_leaves_nothing_behind_for_the_next() -> None:
    env = gymnasium.make("ivr/D4RLAntMaze-umaze-v2")
    data = record(env, 40)
    there = replay(env, *data[:3])
    back = replay(env, *(part[::-1] for part in data[:3]))
    np.testing.assert_array_equal(there, back[::-1])


def test_states_of_another_body_are_one_message() -> None:
    env = gymnasium.make("Hopper-v4")
    with pytest.raises(UserError, match=r"15 positions and 14 velocities, but Hopper-v4 has 6"):
        replay(env, np.zeros((1, 15)), np.zeros((1, 14)), np.zeros((1, 8)))


def test_an_environment_without_mujoco_is_one_message() -> None:
    with pytest.raises(UserError, match="CartPole-v1 is no MuJoCo simulation"):
        replay(gymnasium.make("CartPole-v1"), np.zeros((1, 1)), np.zeros((1, 1)), np.zeros(1))
