from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from ivr.environments.kitchen import GOALS, HIGH, LOW, NOISE, START, TASKS, D4RLKitchen
from ivr.errors import UserError

REST = np.zeros(9, np.float32)


@pytest.fixture(scope="module")
def env() -> Any:
    return gymnasium.make("ivr/D4RLKitchen-partial-v0")


def put(env: Any, task: str, share: float = 1.0) -> None:
    """Move the joints of a task to `share` of the way from the start to its goal."""
    place, goal = GOALS[task]
    there = slice(place, place + len(goal))
    env.unwrapped.data.qpos[there] = START[there] + share * (np.array(goal) - START[there])


def test_the_clock_and_the_spaces_are_d4rls(env: Any) -> None:
    inner = env.unwrapped
    assert (inner.model.opt.timestep, inner.frame_skip) == (0.002, 40)
    assert inner.dt == pytest.approx(0.08)
    assert env.observation_space.shape == (60,) and np.all(env.observation_space.high == 8)
    assert env.action_space.shape == (9,) and np.all(env.action_space.high == 1)


@pytest.mark.parametrize("name", TASKS)
def test_tasks_and_goal_numbers_are_d4rls(name: str) -> None:
    expected = np.zeros(30)
    expected[17:19] = -0.69, -0.05
    expected[22] = -0.75
    expected[23:30] = -0.23, 0.75, 1.62, 0.99, 0, 0, -0.06
    if name == "mixed":
        expected[11:13] = -0.88, -0.01
    else:
        expected[19] = 0.37
    observation, _ = gymnasium.make(f"ivr/D4RLKitchen-{name}-v0").reset(seed=0)
    np.testing.assert_array_equal(observation[30:], expected)


def test_noise_has_a_tenth_of_the_configured_width(env: Any) -> None:
    seen = np.array([env.reset(seed=seed)[0][:30] for seed in range(300)])
    error = np.abs(seen - env.unwrapped.data.qpos)
    assert np.all(error <= NOISE)
    # Of 300 draws the largest misses the end of the interval by 1/301 on average.
    np.testing.assert_allclose(error.max(axis=0), NOISE, rtol=0.05)
    widths = [0.01] * 9 + [0.0005] * 2 + [0.00005] * 6 + [0.0005] * 3 + [0.01] * 3
    np.testing.assert_allclose(NOISE, widths + [0.0005] * 3 + [0.01] * 3 + [0.0005])


def test_the_robots_foot_touches_nothing(env: Any) -> None:
    """It is for the eye in D4RL; the rest is Gymnasium-Robotics' as it is."""
    ours = env.unwrapped.model
    theirs = gymnasium.make("FrankaKitchen-v1").unwrapped.model
    (foot,) = np.flatnonzero(ours.geom_contype != theirs.geom_contype)
    assert ours.geom_size[foot, :2].tolist() == [0.12, 0.9]
    assert (ours.geom_contype[foot], ours.geom_conaffinity[foot]) == (0, 0)


def test_every_start_is_the_same_state(env: Any) -> None:
    for seed in (0, 1):
        env.reset(seed=seed)
        qpos = START.copy()
        qpos[26:] /= np.linalg.norm(qpos[26:])
        np.testing.assert_allclose(env.unwrapped.data.qpos, qpos, rtol=0, atol=1e-15)
        assert not env.unwrapped.data.qvel.any()


def test_an_action_is_a_velocity_from_the_observed_joints(env: Any) -> None:
    observation, _ = env.reset(seed=0)
    action = np.linspace(-1.5, 1, 9)
    env.unwrapped.step(action)
    # ±1 is 2 rad/s for 0.08 s; the arm's and fingers' limits hold.
    target = np.clip(observation[:9] + 2 * np.clip(action, -1, 1) * 0.08, LOW, HIGH)
    np.testing.assert_allclose(env.unwrapped.data.ctrl, target, rtol=0, atol=1e-15)


def test_a_task_pays_once_and_the_episode_ends_with_the_last(env: Any) -> None:
    env.reset(seed=0)
    assert env.step(REST)[1] == 0
    for number, task in enumerate(TASKS["partial"], 1):
        put(env, task)
        _, reward, terminated, _, info = env.step(REST)
        assert reward == 1 and info["step_task_completions"] == [task]
        assert info["episode_task_completions"] == list(TASKS["partial"][:number])
        assert terminated == (number == 4)
        assert terminated or env.step(REST)[1] == 0
    assert info["tasks_to_complete"] == []
    assert env.reset(seed=0)[1]["tasks_to_complete"] == list(TASKS["partial"])


def test_a_task_is_done_within_three_tenths(env: Any) -> None:
    # The slide cabinet starts 0.3702 from its goal; its noise is 0.0005.
    for distance, done in ((0.302, False), (0.298, True)):
        share = 1 - distance / (0.37 - START[19])
        env.reset(seed=0)
        put(env, "slide cabinet", share)
        assert env.step(REST)[1] == done


def test_a_task_of_another_set_pays_nothing(env: Any) -> None:
    env.reset(seed=0)
    put(env, "bottom burner")
    assert env.step(REST)[1] == 0


def test_gymnasium_finds_nothing_to_complain_of(env: Any) -> None:
    check_env(env.unwrapped, skip_render_check=True)


def test_an_unknown_set_of_tasks_is_one_message() -> None:
    with pytest.raises(UserError, match="tasks=all is not one of complete, partial, mixed"):
        D4RLKitchen("all")


def test_what_frankakitchen_can_change_can_be_changed() -> None:
    arguments = {
        "tasks_to_complete": ["microwave"],
        "remove_task_when_completed": False,
        "terminate_on_tasks_completed": False,
    }
    env: Any = gymnasium.make("ivr/D4RLKitchen-mixed-v0", **arguments)
    observation, info = env.reset(seed=0)
    assert info["tasks_to_complete"] == ["microwave"] and np.count_nonzero(observation[30:]) == 1
    put(env, "microwave")
    steps = [env.step(REST) for _ in range(2)]
    assert [step[1:3] for step in steps] == [(1.0, False), (1.0, False)]
    assert steps[1][4]["episode_task_completions"] == ["microwave"]
    with pytest.raises(UserError, match=r"tasks_to_complete=\['sink'\]: there is bottom burner"):
        D4RLKitchen("mixed", tasks_to_complete=["sink"])
