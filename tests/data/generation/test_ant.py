import gymnasium
import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from ivr.data.generation.ant import (
    ANT_XML,
    BODIES,
    Body,
    features,
    trained_policy,
    uprightness,
)
from ivr.environments.antmaze import model_spec
from ivr.mazes import Maze


def _states(seed: int, count: int = 5):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, 15)), rng.standard_normal((count, 14)), rng


def _times(p, q):
    """Product of quaternions (w, x, y, z), the first one alone."""
    w, v = p[0], np.asarray(p[1:])
    first = w * q[:, 0] - q[:, 1:] @ v
    return np.column_stack([first, w * q[:, 1:] + q[:, :1] * v + np.cross(v, q[:, 1:])])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.floats(-3.1, 3.1), st.floats(-50, 50), st.floats(-50, 50))
def test_walking_is_the_same_in_all_directions_and_everywhere(seed, angle, x, y):
    qpos, qvel, rng = _states(seed)
    way = 3 * rng.standard_normal((5, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned_qpos, turned_qvel = qpos.copy(), qvel.copy()
    turned_qpos[:, :2] = qpos[:, :2] @ turn.T + [x, y]
    turned_qpos[:, 3:7] = _times((np.cos(angle / 2), 0, 0, np.sin(angle / 2)), qpos[:, 3:7])
    turned_qvel[:, :2] = qvel[:, :2] @ turn.T
    seen = features(turned_qpos, turned_qvel, way @ turn.T)
    assert_allclose(seen, features(qpos, qvel, way), atol=1e-4)
    assert_allclose(uprightness(turned_qpos), uprightness(qpos), atol=1e-9)


def test_the_way_is_told_as_a_direction_that_shrinks_from_two_metres_on():
    qpos, qvel, _ = _states(0, 3)
    qpos[:, 3:7] = [1, 0, 0, 0]
    way = np.array([[20.0, 0.0], [0.0, 2.0], [-0.5, 0.0]])
    assert_allclose(features(qpos, qvel, way)[:, -2:], [[1, 0], [0, 1], [-0.25, 0]], atol=1e-6)


def test_uprightness():
    quaternions = [[1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0], [0.3, 0, 0, 2]]
    qpos = np.zeros((4, 15))
    qpos[:, 3:7] = quaternions
    assert_allclose(uprightness(qpos), [1, -1, 0, 1], atol=1e-12)


def test_the_body_moves_as_gymnasiums_ant():
    environment = gymnasium.make("Ant-v5", include_cfrc_ext_in_observation=False).unwrapped
    environment.reset(seed=0)
    body = Body(mujoco.MjModel.from_xml_path(str(ANT_XML)))
    body.reset(np.array([1.0, -2.0]))
    start, still = body.state
    assert start[:2].tolist() == [1.0, -2.0] and not still.any()
    environment.set_state(start, still)
    rng = np.random.default_rng(0)
    for _ in range(20):
        action = rng.uniform(-1, 1, 8)
        body.step(action)
        observation = environment.step(action)[0]
        assert np.array_equal(np.concatenate(body.state)[2:], observation)


def _on_a_plane(name: str) -> Body:
    if name == "gymnasium":
        return Body(mujoco.MjModel.from_xml_path(str(ANT_XML)))
    empty = Maze(((0,),), 4.0, (0, 0), (0, 0))
    return Body(model_spec(empty).compile(), BODIES[name].torque)


@pytest.mark.parametrize("name", BODIES)
def test_the_shipped_policy_walks_to_a_way_point(name):
    """On an empty plane, 3 m away, without noise; within ten seconds."""
    body, policy = _on_a_plane(name), trained_policy(name)
    for target in ([3.0, 0.0], [-2.0, 2.2]):
        body.reset(np.zeros(2))
        for _ in range(int(10 / BODIES[name].step_seconds)):
            qpos, qvel = (part[None] for part in body.state)
            way = target - qpos[:, :2]
            if np.linalg.norm(way) < 0.5:
                break
            body.step(np.clip(policy(features(qpos, qvel, way))[0], -1, 1))
        else:
            pytest.fail(f"still {np.linalg.norm(way):.1f} m from {target}")
