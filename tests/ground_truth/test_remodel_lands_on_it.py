"""`Remodel` itself, trained by Lightning, finds the critics that the losses promise.

States are one-hot, the action is a number in [-1, 1], and the critics are tables: Q(s, a) is
interpolated between knots. The policy is the Gaussian of every run, so that what it does in such a
problem is known: it takes a knot as often as the knot has weight in what it samples. The data's
actions are knots.
"""

import functools
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import one_hot

from ivr.algos.online.remodel import Remodel
from ivr.types import Batch
from tests.algos.algorithm_making import quiet_trainer
from tests.ground_truth.tabular import SUCCESSORS, TabularMDP, random_mdp

STATES, KNOTS, STD, DISCOUNT, CRITICS, PARTS = 4, 9, 0.4, 0.8, 3, 8
ACTIONS = torch.linspace(-1, 1, KNOTS)
MODES = torch.tensor([[0.5, -0.5, 0.0, 0.25], [-0.25, 0.75, -0.5, 0.5]])
"""Of pi_0 in each state, (R, S): two runs side by side."""
RUNS = len(MODES)
close = functools.partial(np.testing.assert_allclose, rtol=0, atol=1e-3)


class Table(nn.Module):
    """Q (R, K, S, A) at the knots, linear between them."""

    def __init__(self, entries: Tensor) -> None:
        super().__init__()
        self.entries = nn.Parameter(entries.clone())

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """(R, N, S) and (R, N, 1) to (R, K, N)."""
        in_state = torch.einsum("rns,rksa->rkna", observations, self.entries)
        return (in_state * shares(actions)[:, None]).sum(-1)


def shares(actions: Tensor) -> Tensor:
    """The weights of the knots in an action, (..., 1) to (..., A)."""
    spacing = ACTIONS[1] - ACTIONS[0]
    return (1 - (actions - ACTIONS.to(actions)).abs() / spacing).clamp(min=0)


def quantiles(count: int) -> Tensor:
    """The normal distribution in `count` parts of equal mass, the middle of each."""
    return torch.special.ndtri((torch.arange(count) + 0.5) / count)


def problem() -> TabularMDP:
    """Every knot has data, all alike."""
    made = random_mdp(3, STATES, KNOTS, DISCOUNT)
    rewards = np.random.default_rng(3).normal(size=made.rewards.shape)
    even = np.full_like(made.behaviour, 1 / KNOTS)
    return TabularMDP(made.transitions, rewards, even, made.terminal, DISCOUNT)


class Chunks:
    """The same batch of two runs again and again: each (s, a, s') as often as P(s'|s, a) says.

    Args:
        mdp: whose P are multiples of 1/4.
        updates: in all.
        times: of each (s, a), (S, A).
        parts: of each row, so that next actions can be drawn from parts of equal mass.
    """

    def __init__(self, mdp: TabularMDP, updates: int, times: np.ndarray, parts: int = 1) -> None:
        self.updates = updates
        counts = np.rint(mdp.transitions * SUCCESSORS).astype(int) * times[..., None]
        rows = np.repeat(np.argwhere(counts), counts[counts > 0], 0).repeat(parts, 0)
        s, a, following = torch.from_numpy(rows).T
        columns = [
            one_hot(s, STATES),
            ACTIONS[a][:, None],
            torch.from_numpy(mdp.rewards)[s, a],
            torch.from_numpy(mdp.terminal)[following],
            one_hot(following, STATES),
        ]
        self.batch = Batch(*(x.float()[None].expand(RUNS, *x.shape) for x in columns))

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(self.updates // 50):
            yield self.batch.each(lambda x: x[None].expand(50, *x.shape))


def made(updates: int, start: Sequence[float] = (0.0, 0.0), **options) -> Remodel:
    """With tables in the place of its critics, and policies of known modes."""
    algorithm = Remodel(
        seeds=range(RUNS),
        observation_dim=STATES,
        action_low=[-1.0],
        action_high=[1.0],
        hidden=(),
        discount=DISCOUNT,
        num_updates=updates,
        critics=CRITICS,
        critic_hidden=(2,),
        **{
            "reward_range": [-10.0, 10.0],
            "critic_lr": 0.1,
            "target_tau": 0.5,
            "evaluation_tau": 0.5,
            **options,
        },
    )
    for name in ("evaluation", "target_evaluation", "critic", "target_critic"):
        entries = torch.tensor(start)[:, None, None, None].expand(-1, CRITICS, STATES, KNOTS)
        table = Table(entries)
        setattr(algorithm, name, table.requires_grad_(not name.startswith("target")))
    for policy in (algorithm.actor, algorithm.initial_policy, algorithm.reference):
        for name, parameter in policy.named_parameters():
            parameter.data.zero_()
            if name.endswith("weight"):
                parameter.data += MODES.atanh().view(parameter.shape)
        policy.log_std.data.fill_(np.log(STD))
    # At a constant rate Adam goes on circling around what it has found.
    algorithm.cosine_decay = tuple(algorithm.learning_rates)
    return algorithm


def trained(algorithm: Remodel, chunks: Chunks) -> Remodel:
    """With all updates done, as it meets the first step online."""
    quiet_trainer(chunks.updates).fit(algorithm, chunks)
    algorithm.before_update(chunks.updates)
    return algorithm


def policy_of(run: int) -> np.ndarray:
    """How often pi_0 takes each knot, where its noise has PARTS values, (S, A)."""
    sampled = (MODES[run, :, None] + STD * quantiles(PARTS)).clamp(-1, 1)
    return shares(sampled[..., None]).double().mean(1).numpy()


def own_critic(mdp: TabularMDP, policy: np.ndarray) -> np.ndarray:
    """Q^pi (S, A): r + gamma P V, (I - gamma P_pi) V = r_pi."""
    return mdp.backup(mdp.evaluate(policy, mdp.rewards))


def test_fqe_lands_on_the_critic_of_the_offline_policy():
    """Within 1e-3; the critics of the modes alone, or of the other run, are 0.1 away."""
    mdp, updates = problem(), 300
    algorithm = made(updates, remodel="fqe", evaluation_updates=updates)
    chunks = Chunks(mdp, updates, np.ones((STATES, KNOTS), int), PARTS)
    # In the place of draws, so that their mean over a batch is the mean over pi_0.
    noise = quantiles(PARTS).repeat(chunks.batch.rewards.shape[1] // PARTS)[:, None]
    algorithm.noise.normal = lambda purpose, like: noise.expand_as(like)
    critic = trained(algorithm, chunks).critic.entries.detach().numpy()
    going = ~mdp.terminal
    expected = np.stack([own_critic(mdp, policy_of(run)) for run in range(RUNS)])
    for run, modes in enumerate(MODES):
        of_modes = own_critic(mdp, shares(modes[:, None]).double().numpy())
        for other in (of_modes, expected[1 - run]):
            assert np.abs(other - expected[run])[going].max() > 0.1
        close(critic[run][:, going], np.broadcast_to(expected[run], critic[run].shape)[:, going])


def test_the_alignment_lands_below_the_offline_policys_odds_and_only_lowers():
    """Q(s, a) <= Q^fqe(s, m) + lambda_0 log(pi_0(a|s) / pi_0(m|s)) at every knot, within 1e-3.

    Two knots of three have no data. What the critics extrapolate to is 1 there in the first run,
    most of which has to be lowered; in the second -4, and what lies below the bound stays, but for
    neighbours of what does not: Q is linear between the knots.
    """
    mdp, temperature, evaluation, alignment = problem(), 0.4, 100, 200
    updates = evaluation + alignment
    algorithm = made(
        updates, (1.0, -4.0), remodel="fqe_align", evaluation_updates=evaluation,
        alignment_updates=alignment, alignment=temperature, critic_lr=0.3,
    )  # fmt: skip
    algorithm.cosine_decay = ()  # nothing is circled around: where the loss is 0 it is flat
    times = np.zeros((STATES, KNOTS), int)
    times[:, ::3] = 4
    trained(algorithm, Chunks(mdp, updates, times))
    going = torch.from_numpy(~mdp.terminal)
    fqe, found = (c.entries.detach()[:, :, going] for c in (algorithm.evaluation, algorithm.critic))
    modes = MODES[:, going, None]
    index = shares(modes).argmax(-1)[:, None, :, None].expand(-1, CRITICS, -1, 1)
    at_mode, found_at_mode = (q.gather(-1, index) for q in (fqe, found))
    bound = at_mode - temperature * 0.5 * ((ACTIONS - modes) / STD).square()[:, None]
    assert (fqe - bound).amax((1, 2, 3)).min() > 1
    close(found_at_mode, at_mode)
    assert (found - bound).max() < 1e-3
    assert (found - fqe).max() < 1e-3
    over = functional.pad((fqe > bound - 1e-6).float(), (1, 1))
    stays = functional.max_pool1d(over.flatten(0, 2), 3, 1).view(fqe.shape) == 0
    assert stays.sum() > 10
    close(found[stays], fqe[stays], atol=1e-6)


def test_the_analytic_remodel_lands_on_q_plus_alpha_log_mu():
    """Within 1e-3: mu is the Gaussian of the data's mean in each state, and their variance."""
    mdp, updates = problem(), 400
    alpha = np.array([0.3, 2.0])
    algorithm = made(
        updates, remodel="analytic", evaluation_updates=updates, alpha=alpha.tolist(),
        actor_lr=0.05,
    )  # fmt: skip
    q = torch.from_numpy(np.random.default_rng(0).normal(size=(RUNS, 2, STATES, KNOTS))).float()
    algorithm.offline_critic = Table(q).requires_grad_(False)
    times = np.random.default_rng(1).integers(1, 5, size=(STATES, KNOTS))
    critic = trained(algorithm, Chunks(mdp, updates, times)).critic.entries.detach().numpy()
    actions = ACTIONS.double().numpy()
    mu = times / times.sum(-1, keepdims=True)
    mean = (mu * actions).sum(-1, keepdims=True)
    variance = (times * (actions - mean) ** 2).sum() / times.sum()
    log_mu = -0.5 * ((actions - mean) ** 2 / variance + np.log(2 * np.pi * variance))
    expected = q.double().numpy().min(1) + alpha[:, None, None] * log_mu
    close(critic, np.broadcast_to(expected[:, None], critic.shape))
