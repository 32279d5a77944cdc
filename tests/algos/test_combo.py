"""COMBO's model, its rollouts, and the critic that learns from both."""

import pytest
import torch
from torch.nn import functional

from ivr.errors import UserError
from ivr.losses.dynamics import gaussian_nll
from tests.algos.algorithm_making import COMBO, build, toy_batches, train
from tests.running import evaluate
from tests.running import train as run

BATCH = toy_batches([4], range(1)).at(0)
MODEL_UPDATES = COMBO["model_updates"]


def after(updates, seeds=(4,), **changed):
    algorithm = build("combo", list(seeds), 1000)
    vars(algorithm).update(changed)
    train(algorithm, updates)
    return algorithm


def linear_batches(updates, spread=1.0):
    """s' - s = 0.1 s[:2] + 0.2 a in two numbers, 0 in the third; r = s[0]."""
    batch = toy_batches([4], updates)
    states = spread * batch.observations
    change = torch.zeros_like(states)
    change[..., :2] = 0.1 * states[..., :2] + 0.2 * batch.actions
    return batch._replace(
        observations=states, next_observations=states + change, rewards=states[..., 0]
    )


@pytest.fixture(scope="module")
def modelled():
    """A model of linear dynamics."""
    algorithm = build("combo", [4], 1000)
    algorithm.model_updates = 400
    chunk = linear_batches(range(400))
    optimizer = torch.optim.Adam(algorithm.model.parameters(), 3e-3)
    for update in range(400):
        optimizer.zero_grad()
        loss, metrics = algorithm.model_loss(chunk.at(update))
        loss.sum().backward()
        optimizer.step()
        algorithm.remember_errors(chunk.at(update), metrics)
    return algorithm


def test_the_model_learns_the_dynamics(modelled):
    batch = linear_batches(range(1000, 1001)).at(0)
    mean, _ = modelled.predict(batch.observations, batch.actions)
    change = batch.next_observations - batch.observations
    error = (mean[:, :, :, :-1] - change[:, None]).square().mean()
    assert error < 0.05 * change.square().mean()
    assert (mean[..., -1] - batch.rewards[:, None]).square().mean() < 0.05


def test_networks_agree_on_held_out_data_and_less_so_far_from_them(modelled):
    near = linear_batches(range(1000, 1001)).at(0)
    far = linear_batches(range(1000, 1001), spread=5.0).at(0)

    def disagreement(batch):
        mean, _ = modelled.predict(batch.observations, batch.actions)
        return mean.std(1).mean()

    assert disagreement(far) > 3 * disagreement(near)


def test_the_model_is_not_fitted_to_what_is_held_out():
    algorithm = build("combo", [4])
    loss, errors = algorithm.model_loss(BATCH)
    held = BATCH.held_out.bool()
    assert held.any() and not held.all()
    moved = BATCH._replace(rewards=torch.where(held, 9.0, BATCH.rewards))
    again, other_errors = algorithm.model_loss(moved)
    assert torch.equal(loss, again)
    assert all((errors[key] != other_errors[key]).all() for key in errors)
    mean, log_var = algorithm.predict(BATCH.observations, BATCH.actions)
    change = BATCH.next_observations - BATCH.observations
    target = torch.cat((change, BATCH.rewards[..., None]), -1)
    nll = gaussian_nll(mean, log_var, target[:, None])
    for k in range(COMBO["networks"]):
        expected = nll[0, k][held[0]].mean()
        torch.testing.assert_close(errors[f"model/held_out_{k}"][0], expected)


def test_the_elites_have_the_least_errors_on_held_out_data():
    """Errors 6/2, 2/2, 4/2 of the first run and 1, 9, 5 of the second: networks 1, 2 and 0, 2."""
    algorithm = build("combo", [0, 1])
    algorithm.held_out_sum.copy_(torch.tensor([[6.0, 2.0, 4.0], [1.0, 9.0, 5.0]]))
    algorithm.held_out_count.copy_(torch.tensor([[2.0], [1.0]]))
    assert algorithm.elite_networks().sort(1).values.tolist() == [[1, 2], [0, 2]]


def test_errors_are_remembered_the_older_the_lighter():
    """(0.99 * 3 * 2 + 1 * 4) / (0.99 * 3 + 1) after errors of 2 on three and 4 on one."""
    algorithm = build("combo", [0])
    for error, count in ((2.0, 3), (4.0, 1)):
        measured = {f"model/held_out_{k}": torch.tensor([error]) for k in range(3)}
        held = torch.zeros(1, 64).index_fill(1, torch.arange(count), 1.0)
        algorithm.remember_errors(BATCH._replace(held_out=held), measured)
    found = algorithm.held_out_sum / algorithm.held_out_count
    assert found.flatten().tolist() == [pytest.approx((0.99 * 6 + 4) / (0.99 * 3 + 1))] * 3


def test_a_rollout_follows_an_elite_and_begins_again_where_it_ends():
    algorithm = after(MODEL_UPDATES)
    with torch.no_grad():  # networks that say: stand still, move by 1 (unlikely), move by 0.25
        for layer in algorithm.model.mlp.layers:
            layer.weight.zero_(), layer.bias.zero_()
        algorithm.model.min_log_var.fill_(-50), algorithm.model.max_log_var.fill_(-40)
        for k, move in enumerate((0.0, 1.0, 0.25)):
            algorithm.model.mlp.layers[-1].bias[:, k, 0, :3] = move
    algorithm.held_out_sum.copy_(torch.tensor([[1.0, 9.0, 1.0]]))
    algorithm.held_out_count.fill_(1)
    algorithm.rollout_length = 4
    algorithm.termination = lambda there: there[..., 0] - BATCH.observations[..., 0] > 0.4
    algorithm.roll_out(BATCH)
    steps = [c[:, 0].unflatten(1, (4, 64)) for c in algorithm.rollouts.columns]
    here, _, _, ended, there = (column[0] for column in steps)
    moves = (there - here)[..., 0]
    still, moved = (moves.abs() < 1e-3), ((moves - 0.25).abs() < 1e-3)
    assert (still | moved).all() and still.any() and moved.any(), "both elites, and they alone"
    far = there[..., 0] - BATCH.observations[0, :, 0] > 0.4
    assert torch.equal(ended.bool(), far) and far.any()
    expected = torch.where(far[..., None], BATCH.observations[0], there)
    assert torch.equal(here[0], BATCH.observations[0])
    assert torch.equal(here[1:], expected[:-1])


@pytest.mark.parametrize(
    ("normalised", "scale", "farthest"),
    [("model", 0.5, 50.0), ("all", 0.5, 100.0), ("model", None, float("inf"))],
)
def test_a_rollout_gets_no_further_than_a_hundred_standard_deviations(normalised, scale, farthest):
    """In units of what the policy sees; without normalisation nothing says how far is far."""
    fitted = {} if scale is None else {"input_mean": [0.0] * 3, "input_scale": [scale] * 3}
    algorithm = build("combo", [4], 1000, normalised=normalised, rollout_length=3, **fitted)
    with torch.no_grad():  # 30 and -30 a step, and a step that is none
        for layer in algorithm.model.mlp.layers:
            layer.weight.zero_(), layer.bias.zero_()
        algorithm.model.min_log_var.fill_(-50), algorithm.model.max_log_var.fill_(-40)
        algorithm.model.mlp.layers[-1].bias[:, :, 0, :2] = torch.tensor([30.0, -30.0])
    algorithm.roll_out(BATCH)
    there = algorithm.rollouts.columns[-1][0, 0].unflatten(0, (3, 64))
    moved = there - BATCH.observations[0]
    for step, far in enumerate((30.0, 60.0, 90.0)):
        expected = torch.tensor([min(far, farthest), -min(far, farthest), 0.0]).expand(64, 3)
        torch.testing.assert_close(moved[step], expected, rtol=1e-4, atol=1e-4)


def test_the_model_alone_sees_normalised_observations_unless_all_networks_are_asked_to():
    given = {"input_mean": [1.0, 0.0, -1.0], "input_scale": [2.0, 4.0, 0.5]}
    mean, scale = (torch.tensor(given[key]) for key in ("input_mean", "input_scale"))
    plain, model, everything = (
        build("combo", [4], normalised=normalised, **keys)
        for normalised, keys in (("model", {}), ("model", given), ("all", given))
    )
    states, actions = BATCH.observations, BATCH.actions
    normal = (states - mean) / scale
    assert torch.equal(model.act(states), plain.act(states))
    assert torch.equal(everything.act(states), plain.act(normal))
    expected = plain.predict(normal, actions)[0]
    assert torch.equal(model.predict(states, actions)[0], expected)
    assert torch.equal(everything.predict(normal, actions)[0], expected), "not twice"


def test_the_rule_that_ends_an_episode_sees_raw_observations():
    """A height of 1 m is healthy and one of 0.5 m is not, whatever they are normalised to."""
    algorithm = build(
        "combo", [4], termination="hopper", input_mean=[0.9, 0, 0], input_scale=[0.1, 1, 1]
    )
    reached = torch.tensor([[[1.0, 0.0, 0.0], [0.5, 0.0, 0.0]]])
    assert algorithm.ended(algorithm.standardise(reached)).tolist() == [[False, True]]


def test_half_of_a_batch_is_the_datas():
    algorithm = after(MODEL_UPDATES + 4)
    mixed = algorithm.mixture(BATCH)
    assert torch.equal(mixed.observations[:, :32], BATCH.observations[:, :32])
    kept = algorithm.rollouts.columns[0].flatten(1, 2)[0]
    drawn = mixed.observations[0, 32:]
    assert (drawn[:, None] == kept).all(-1).any(1).all(), "each of them is a kept one"
    assert len({tuple(row.tolist()) for row in drawn}) > 16


def test_the_critics_loss_is_td_on_the_mixture_and_the_gap():
    algorithm = after(MODEL_UPDATES + 4)
    mixed = algorithm.mixture(BATCH)
    draws = algorithm.draws(mixed)
    found, metrics = algorithm.critic_loss(mixed, draws)
    s, a, r, d, s2 = (column[0] for column in mixed[:5])
    with torch.no_grad():
        a2, _ = algorithm.actor.sample(s2[None], draws.target[:, 0])
        target = r + 0.99 * (1 - d) * algorithm.target_critic(s2[None], a2)[0].amin(0)
    q = algorithm.critic(s[None], a[None])[0]
    td = functional.mse_loss(q[0], target) + functional.mse_loss(q[1], target)
    sums = 0.0
    for kind in (draws.even, draws.here, draws.there):
        for noise in kind[0, :, 32:]:
            states = {id(draws.here): s, id(draws.there): s2}.get(id(kind))
            if states is None:
                proposal, log_density = noise, torch.tensor(0.25).log()
            else:
                proposal, log_density = algorithm.actor.sample(states[None, 32:], noise[None])
                proposal, log_density = proposal[0], log_density[0]
            value = algorithm.critic(s[None, 32:], proposal[None])[0]
            sums = sums + value.exp() / log_density.exp()
    gap = sums.log().mean(1) - q[:, :32].mean(1)
    alpha = 5.0  # the contract's 1 + seed
    torch.testing.assert_close(found[0], td + alpha * gap.sum(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(metrics["penalty/gap"][0], gap.mean(), rtol=1e-4, atol=1e-4)


def test_the_penalty_keeps_q_lower_on_rollouts_than_on_the_data():
    """With the reward of both alike, what is left between them is the gap's doing."""
    margins = []
    for alpha in (0.0, 5.0):
        algorithm = build("combo", [4], 1000)
        algorithm.alpha.fill_(alpha)
        train(algorithm, 150)
        metrics = algorithm.last_metrics
        margins.append((metrics["value/q"] - metrics["value/q_of_rollouts"]).item())
    assert margins[1] > margins[0] + 0.1


@pytest.mark.parametrize("stop", [1, 4, 7])
def test_a_run_resumed_in_any_phase_is_the_run_that_was_not_stopped(stop, tmp_path):
    """While the model is trained, with one rollout kept, and with all that are ever kept."""
    whole, first, second = (build("combo", [0, 4], 14) for _ in range(3))
    train(whole, 14)
    train(first, stop).save_checkpoint(tmp_path / "stopped.ckpt")
    assert first.rollouts.written == {1: 0, 4: 1, 7: 2}[stop]
    train(second, 14, checkpoint=tmp_path / "stopped.ckpt")
    assert second.rollouts.written == 4
    for (name, a), b in zip(whole.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    for a, b in zip(whole.rollouts.columns, second.rollouts.columns, strict=True):
        assert torch.equal(a, b)


@pytest.mark.usefixtures("small_pointmaze")
def test_a_run_is_trained_and_scored_again(tmp_path):
    result = run(tmp_path / "run", "algo=combo", "num_updates=8", "eval_every=4", "seed=[0,1]")
    assert result["status"] == "finished" and len(result["members"]) == 2
    checkpoint = f"checkpoint={tmp_path / 'run/checkpoints/best.ckpt'}"
    again = evaluate(tmp_path / "again", checkpoint, "episodes=2", "device=cpu")
    assert len(again["members"]) == 2


@pytest.mark.parametrize(("num_updates", "model_updates"), [(1_100_000, 100_000), (2, 1)])
def test_the_model_has_an_eleventh_of_the_updates_unless_told(num_updates, model_updates):
    algorithm = build("combo", [4], num_updates, model_updates=None)
    assert algorithm.model_updates == model_updates


@pytest.mark.usefixtures("small_pointmaze")
@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("algo.model_updates=8", "model_updates=8 must lie between 1 and num_updates=8"),
        ("algo.elites=8", "elites=8 must lie from 1 to networks=7"),
        ("algo.holdout=0", "holdout=0"),
        ("algo.holdout=1.5", "holdout=1.5"),
        ("algo.termination=hoper", "did you mean hopper"),
        ("algo.real_fraction=1.0", "real_fraction"),
        ("algo.gap_floor=-200", "gap_floor=-200.* must be null"),
        ("algo.normalised=some", "normalised=some must be model or all"),
    ],
)
def test_an_option_outside_its_range_is_refused(tmp_path, word, message):
    with pytest.raises(UserError, match=message):
        run(tmp_path, "algo=combo", "num_updates=8", word)
