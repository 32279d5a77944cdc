"""One rule shows the same numbers of the data and of the environment."""

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete

from ivr.agreement.views import VIEWS, check_view, join, left_out, view_keys
from ivr.errors import UserError
from ivr.evaluation.task.checks import check_observations
from ivr.evaluation.task.wrappers import FlatView

SIZES = {"observation": 4, "achieved_goal": 2, "desired_goal": 2}


class _Goals(gymnasium.Env):
    """Observations of 4 numbers and two goals; `repeats` the position in the observation."""

    action_space = Box(-1.0, 1.0, (1,))

    def __init__(self, repeats: bool) -> None:
        self.observation_space = Dict({k: Box(-np.inf, np.inf, (n,)) for k, n in SIZES.items()})
        self.repeats = repeats

    def _seen(self):
        seen = {key: self.np_random.normal(size=size) for key, size in SIZES.items()}
        if self.repeats:
            seen["observation"][:2] = seen["achieved_goal"]
        return seen

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._seen(), {}

    def step(self, action):
        return self._seen(), 0.0, False, False, {}


@pytest.mark.parametrize(
    "view", ["d4rl", "goal_conditioned", "observation", ["desired_goal", "observation"]]
)
@pytest.mark.parametrize("repeats", [True, False])
def test_an_episode_recorded_from_an_environment_looks_as_the_environment_does(view, repeats):
    env, shown = _Goals(repeats), FlatView(_Goals(repeats), view)
    recorded = [env.reset(seed=3)[0], *(env.step(None)[0] for _ in range(5))]
    episode = {key: np.stack([seen[key] for seen in recorded]) for key in SIZES}
    live = np.stack([shown.reset(seed=3)[0], *(shown.step(None)[0] for _ in range(5))])
    assert np.array_equal(join(view_keys(view, episode), episode), live)
    assert live.dtype == np.float32
    assert shown.observation_space.shape == live.shape[1:]
    position = 2 * (view in ("d4rl", "goal_conditioned") and not repeats)
    assert live.shape == (6, 4 + position + 2 * (view not in ("d4rl", "observation")))


def test_the_order_is_position_observation_goal():
    seen = {key: np.full(size, float(i)) for i, (key, size) in enumerate(SIZES.items())}
    assert view_keys("goal_conditioned", seen) == ("achieved_goal", "observation", "desired_goal")
    assert join(view_keys("goal_conditioned", seen), seen).tolist() == [1, 1, 0, 0, 0, 0, 2, 2]


def test_a_box_of_several_axes_is_flattened():
    env = gymnasium.wrappers.ReshapeObservation(gymnasium.make("Pendulum-v1"), (3, 1))
    shown = FlatView(env, "flat")
    assert shown.observation_space.shape == shown.reset(seed=0)[0].shape == (3,)


@pytest.mark.parametrize(
    ("keys", "is_dict", "fitting"),
    [
        (set(SIZES), True, {"d4rl", "goal_conditioned", "observation"}),
        ({"observation"}, True, {"observation"}),
        ({"observation"}, False, {"flat"}),
        ({"pixels"}, True, set()),
    ],
)
def test_the_views_that_fit_are_named(keys, is_dict, fitting):
    for view in set(VIEWS) - fitting:
        with pytest.raises(UserError, match=f"view={view} does not fit the data") as caught:
            check_view(view, keys, is_dict)
        advice = str(caught.value).partition(";")[2]
        assert {word for word in VIEWS if f"={word}" in advice or f" {word}" in advice} == fitting
    for view in fitting:
        check_view(view, keys, is_dict)
    with pytest.raises(UserError, match="there is d4rl, goal_conditioned, observation, flat"):
        check_view("full", keys, is_dict)


NAMED = {"position", "velocity"}


@pytest.mark.parametrize("view", [["velocity"], ["velocity", "position"]])
def test_entries_are_joined_in_the_order_of_their_names_in_the_view(view):
    check_view(view, NAMED, True)
    seen = {"position": np.array([1.0, 2.0]), "velocity": np.array([3.0])}
    assert join(view_keys(view, seen), seen).tolist() == [3.0, 1.0, 2.0][: 1 + 2 * len(view[1:])]


@pytest.mark.parametrize(
    ("view", "keys", "is_dict", "says"),
    [
        ("flat", NAMED, True, r"position, velocity; name those .*'dataset.view=\[position,velo"),
        (["speed"], NAMED, True, r"view=\[speed\] does not fit .*'dataset.view=\[position,velo"),
        ([], NAMED, True, r"view=\[\] does not fit"),
        (["position", "position"], NAMED, True, "each once"),
        (["observation"], {"observation"}, False, "is a Box; use dataset.view=flat"),
        (["speed"], set(SIZES), True, "use dataset.view=d4rl or goal_conditioned or observation"),
    ],
)
def test_names_that_do_not_fit(view, keys, is_dict, says):
    with pytest.raises(UserError, match=says):
        check_view(view, keys, is_dict)


def test_entries_that_are_left_out_are_named():
    entries = ["battery", "observation", "achieved_goal"]
    assert left_out("observation", entries) == (
        "entries of an observation that are not read: battery (dataset.view=observation)."
    )
    assert "not read: achieved_goal, battery (" in left_out(["observation"], entries)
    assert left_out("d4rl", SIZES) == left_out(list(SIZES), SIZES) == ""


def test_an_environment_whose_observations_are_no_vectors_is_refused():
    env = gymnasium.Env()
    env.observation_space = Discrete(3)
    with pytest.raises(UserError, match=r"observations of X-v0 are Discrete\(3\)"):
        check_observations(env, "X-v0", "flat")
    env.observation_space = Dict({"observation": Box(0, 1, (3,)), "achieved_goal": Discrete(2)})
    with pytest.raises(UserError, match=r"view=d4rl does not fit X-v0.*view=observation"):
        check_observations(env, "X-v0", "d4rl")
