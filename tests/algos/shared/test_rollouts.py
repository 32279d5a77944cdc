"""What is kept of a model's rollouts, and where imagined episodes end."""

import gymnasium
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ivr.algos.shared.rollouts import Rollouts
from ivr.algos.shared.terminations import TERMINATIONS
from ivr.types import Batch


def block(number, size=3):
    """Two runs; a reward says the block, the transition and the run."""
    rewards = 100.0 * number + torch.arange(size) + torch.tensor([[0.0], [0.5]])
    wide = rewards[..., None].expand(-1, -1, 2)
    return Batch(wide, -wide, rewards, 0 * rewards, wide + 1)


@given(blocks=st.integers(1, 4), written=st.integers(1, 9))
def test_the_latest_blocks_are_drawn_evenly_and_nothing_else(blocks, written):
    rollouts = Rollouts(blocks)
    for number in range(written):
        rollouts.write(block(number))
    kept = min(blocks, written)
    uniform = ((torch.arange(3 * kept) + 0.5) / (3 * kept)).expand(2, -1)
    drawn = rollouts.draw(uniform)
    expected = [100.0 * n + i for n in range(written - kept, written) for i in range(3)]
    for run in range(2):
        assert sorted(drawn.rewards[run].tolist()) == [r + run / 2 for r in expected]
    assert torch.equal(drawn.observations[..., 0], drawn.rewards)
    assert torch.equal(drawn.actions[..., 1], -drawn.rewards)
    assert torch.equal(drawn.next_observations[..., 0], drawn.rewards + 1)


def test_the_ends_of_the_range_are_drawn():
    rollouts = Rollouts(2)
    rollouts.write(block(0)), rollouts.write(block(1))
    drawn = rollouts.draw(torch.tensor([[0.0, 1 - 2**-24], [0.0, 1 - 2**-24]]))
    assert drawn.rewards.tolist() == [[0.0, 102.0], [0.5, 102.5]]


@pytest.mark.parametrize(
    ("name", "env"),
    [("hopper", "Hopper-v5"), ("walker2d", "Walker2d-v5"), ("none", "HalfCheetah-v5")],
)
def test_an_episode_ends_where_the_environment_ends_it(name, env):
    made = gymnasium.make(env)
    made.action_space.seed(0)
    reached, ended = [], []
    made.reset(seed=0)
    for _ in range(400):
        observation, _, terminated, truncated, _ = made.step(made.action_space.sample())
        reached.append(torch.tensor(observation, dtype=torch.float32))
        ended.append(terminated)
        if terminated or truncated:
            made.reset()
    made.close()
    found = TERMINATIONS[name](torch.stack(reached))
    assert found.tolist() == ended
    assert any(ended) == (name != "none")


@pytest.mark.parametrize(("name", "env"), [("hopper", "Hopper-v5"), ("walker2d", "Walker2d-v5")])
def test_the_bounds_are_the_environments(name, env):
    """Bodies placed at heights and angles on both sides of every bound."""
    made = gymnasium.make(env).unwrapped
    made.reset(seed=0)
    seen, healthy = [], []
    for height in np.arange(0.65, 2.2, 0.1):
        for angle in (-1.05, -0.95, -0.25, -0.15, 0.0, 0.15, 0.25, 0.95, 1.05):
            position = made.init_qpos.copy()
            position[1:3] = height, angle
            made.set_state(position, made.init_qvel)
            seen.append(torch.tensor(made._get_obs(), dtype=torch.float32))
            healthy.append(bool(made.is_healthy))
    made.close()
    assert len(set(healthy)) == 2
    assert TERMINATIONS[name](torch.stack(seen)).tolist() == [not each for each in healthy]
