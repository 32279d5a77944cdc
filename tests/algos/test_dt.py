"""The Decision Transformer's memory, its optimizer, and a whole run."""

import pytest
import torch

from ivr.algos.dt import Context
from ivr.algos.engine.gradients import clipped, gradient_norm
from ivr.errors import UserError
from ivr.evaluation.stepping.acting import begin_episodes
from tests.algos.algorithm_making import ACTIONS, STATES, build, toy_batches, toy_windows, train
from tests.running import evaluate
from tests.running import train as run

K, SLOTS = 4, 3


def trained():
    """Weights that attend, as the initial ones hardly do."""
    algorithm = build("dt", [0, 1])
    train(algorithm, 20)
    for k, parameter in enumerate(algorithm.parameters()):
        drawn = torch.Generator().manual_seed(k)
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=drawn)
    return algorithm.requires_grad_(False)


@pytest.fixture(scope="module")
def policy():
    return trained()


def episode(steps, seed=0):
    """Observations, the reward that precedes each, and no start but the first."""
    drawn = torch.Generator().manual_seed(seed)
    observations = torch.randn(steps, 2, SLOTS, STATES, generator=drawn)
    rewards = torch.randn(steps, 2, SLOTS, generator=drawn)
    starts = torch.zeros(steps, 2, SLOTS, dtype=torch.bool)
    starts[0] = True
    return observations, rewards, starts


def play(policy, observations, rewards, starts):
    player = begin_episodes(policy, SLOTS)
    return torch.stack([player(*each) for each in zip(observations, rewards, starts, strict=True)])


def test_an_action_is_what_the_network_says_of_the_last_steps(policy):
    """Against the window written out: returns 1 - (rewards so far), its own actions, times."""
    observations, rewards, starts = episode(7)
    actions = play(policy, observations, rewards, starts)
    low, high = policy.action_low, policy.action_high
    taken = 2 * (actions - low) / (high - low) - 1
    received = torch.cat((torch.zeros_like(rewards[:1]), rewards[1:])).cumsum(0)
    for t in range(7):
        first = max(0, t + 1 - K)
        window = [part[first : t + 1].movedim(0, 2) for part in (1 - received, observations, taken)]
        times = torch.arange(first, t + 1).expand(2, SLOTS, -1)
        # In the network every run has its slots as a batch: (R, S, K, ...).
        expected = policy.predict(*window, times)[:, :, -1]
        torch.testing.assert_close(taken[t], expected, rtol=1e-4, atol=1e-5)


def test_a_player_normalises_what_it_sees():
    given = {"input_mean": [1.0, 0.0, -1.0], "input_scale": [2.0, 4.0, 0.5]}
    raw, normal = build("dt", [0, 1]), build("dt", [0, 1], **given)
    observations, rewards, starts = episode(3)
    mean, scale = (torch.tensor(given[key]) for key in ("input_mean", "input_scale"))
    with torch.no_grad():
        expected = play(raw, (observations - mean) / scale, rewards, starts)
        assert torch.equal(play(normal, observations, rewards, starts), expected)


def test_a_context_that_is_reset_is_a_fresh_one_and_the_others_go_on(policy):
    observations, rewards, starts = episode(12)
    alone = play(policy, observations, rewards, starts)
    starts[6, 0, 1] = True
    restarted = play(policy, observations, rewards, starts)
    fresh = play(
        policy, observations[6:], rewards[6:], starts[6:] | (torch.arange(6) == 0)[:, None, None]
    )
    assert torch.equal(restarted[6:, 0, 1], fresh[:, 0, 1])
    assert (restarted[6:, 0, 1] != alone[6:, 0, 1]).any(-1).all()
    others = torch.ones(2, SLOTS, dtype=torch.bool)
    others[0, 1] = False
    assert torch.equal(restarted[:, others], alone[:, others])


def test_a_reward_lowers_the_return_that_is_still_asked_for(policy):
    context = Context(policy, SLOTS)
    for reward in (0.25, 0.5, -1.0):
        context.step(torch.zeros(2, SLOTS, STATES))
        context.receive(torch.full((2, SLOTS), reward))
    context.step(torch.zeros(2, SLOTS, STATES))
    assert context.returns_to_go[0, 0].tolist() == [1.0, 0.75, 0.25, 1.25]
    assert context.timesteps[1, 2].tolist() == [0, 1, 2, 3]
    context.step(torch.zeros(2, SLOTS, STATES))
    assert context.timesteps[1, 2].tolist() == [1, 2, 3, 4]
    assert context.actions.shape == (2, SLOTS, K, ACTIONS)


def test_a_step_past_the_end_is_not_learned_from(policy):
    batch = toy_windows(toy_batches([0, 1], range(1)), K).at(0)
    loss, _ = policy.actor_loss(batch, None)
    gone = batch.mask == 0
    assert gone.any() and gone.shape == batch.rewards.shape
    moved = batch._replace(
        observations=torch.where(gone[..., None], 9.0, batch.observations),
        actions=torch.where(gone[..., None], 9.0, batch.actions),
        returns_to_go=torch.where(gone, 9.0, batch.returns_to_go),
    )
    assert torch.equal(policy.actor_loss(moved, None)[0], loss)
    kept = batch._replace(actions=torch.where(gone[..., None], batch.actions, 9.0))
    assert not torch.equal(policy.actor_loss(kept, None)[0], loss)


def test_the_learning_rate_grows_over_the_warmup():
    """(u + 1) / 10 of 1e-4 until u = 9."""
    algorithm = build("dt", [0])
    algorithm.warmup = 10
    rates = [algorithm.learning_rate("actor", update) for update in (0, 4, 9, 10, 1000)]
    assert rates == pytest.approx([1e-5, 5e-5, 1e-4, 1e-4, 1e-4])


def test_each_runs_gradient_is_clipped_by_itself():
    """(3, 4) has norm 5 and becomes (1.5, 2) at the bound 2.5; (0.3, 0.4) stays."""
    weight, bias = clipped((torch.tensor([[3.0], [0.3]]), torch.tensor([[[4.0]], [[0.4]]])), 2.5)
    torch.testing.assert_close(weight, torch.tensor([[1.5], [0.3]]))
    torch.testing.assert_close(bias, torch.tensor([[[2.0]], [[0.4]]]))


def test_the_step_is_taken_on_the_clipped_gradient():
    algorithm = build("dt", [0])
    algorithm.gradient_clips = {"actor": 1e-3}
    train(algorithm, 1)
    assert algorithm.last_metrics["gradient_norm/actor"] > 0.01, "the measured one is not clipped"
    taken = [parameter.grad for parameter in algorithm.actor.parameters()]
    assert gradient_norm(taken).item() == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.usefixtures("small_pointmaze")
def test_a_run_is_trained_and_scored_again_with_its_memory(tmp_path):
    words = ("algo=dt", "num_updates=6", "eval_every=3", "seed=[0,1]", "batch_size=8")
    result = run(tmp_path / "run", *words)
    assert result["status"] == "finished" and len(result["members"]) == 2
    checkpoint = f"checkpoint={tmp_path / 'run' / 'checkpoints' / 'last.ckpt'}"
    episodes = ("episodes=2", "seed=1000000", "device=cpu")
    again = evaluate(tmp_path / "again", checkpoint, *episodes)
    for before, now in zip(result["members"], again["members"], strict=True):
        assert now["return_mean"] == before["last"]["return_mean"]


@pytest.mark.usefixtures("small_pointmaze")
@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("algo.context=0", "context=0"),
        ("algo.heads=3", "embedding=16 must lie at a multiple of heads=3"),
        ("algo.dropout=1.0", r"dropout=1\.0"),
        ("algo.gradient_clip=0", "gradient_clip=0"),
        ("algo.return_scale=-1", "return_scale=-1"),
    ],
)
def test_an_option_outside_its_range_is_refused(tmp_path, word, message):
    with pytest.raises(UserError, match=message):
        run(tmp_path, "algo=dt", "num_updates=2", word)
