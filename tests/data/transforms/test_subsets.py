"""Parts of a dataset: how much is kept, that trajectories stay whole, and what a cut leaves."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ivr.data.transforms.picking import pick, random_transitions
from ivr.data.transforms.subsets import Best, Fraction, HeavyTail, Trajectories
from ivr.errors import UserError
from tests.data.dataset_making import encoded

LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=8)
SHARES = st.floats(0.01, 1)


@given(LENGTHS, st.data())
def test_any_choice_of_transitions_is_a_dataset_of_the_same_transitions(lengths, data):
    """Episodes end exactly where the choice has a gap; nothing crosses one."""
    n = sum(lengths)
    ended = data.draw(st.lists(st.booleans(), min_size=len(lengths), max_size=len(lengths)))
    chosen = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=n, unique=True))
    dataset, index = encoded(lengths, ended), torch.tensor(sorted(chosen))
    kept = pick(dataset, index)
    everything = torch.arange(len(index))
    for mine, theirs in zip(kept.gather(everything)[:5], dataset.gather(index)[:5], strict=True):
        assert torch.equal(mine, theirs)
    assert kept.observations is dataset.observations, "observations were copied"
    together = [
        b == a + 1 and dataset.episodes[a] == dataset.episodes[b]
        for a, b in zip(index[:-1].tolist(), index[1:].tolist(), strict=True)
    ]
    assert (kept.episodes[1:] == kept.episodes[:-1]).tolist() == together
    assert (kept.terminated | kept.truncated).tolist() == [*(not t for t in together), True]
    assert not (kept.terminated & kept.truncated).any()
    assert kept.info.episodes == int(kept.episodes[-1]) + 1 == len(kept.episode_returns)
    assert float(kept.episode_returns.sum()) == float(sum(index))  # rewards are numbers


@given(LENGTHS, st.integers(0, 5), st.data())
def test_random_transitions_are_whole_trajectories_but_for_one(lengths, seed, data):
    n = sum(lengths)
    count = data.draw(st.integers(1, n))
    dataset = encoded(lengths)
    index = random_transitions(dataset, count, seed, "x")
    assert len(index) == count
    assert torch.equal(index, random_transitions(dataset, count, seed, "x"))
    kept = torch.bincount(dataset.episodes[index], minlength=len(lengths)).tolist()
    assert sum(0 < k < whole for k, whole in zip(kept, lengths, strict=True)) <= 1
    fewer = random_transitions(dataset, max(1, count - 3), seed, "x")
    assert set(fewer.tolist()) <= set(index.tolist())


def test_the_order_of_episodes_is_the_seeds():
    dataset = encoded([4] * 30)
    drawn = {tuple(Fraction(0.1, seed)(dataset).tolist()) for seed in range(5)}
    assert len(drawn) == 5
    counts = torch.zeros(30)
    for seed in range(300):
        counts[dataset.episodes[Fraction(0.1, seed)(dataset)].unique()] += 1
    # 300 draws of 3 of 30 episodes: 30 each, standard deviation 5.2.
    assert counts.min() > 8 and counts.max() < 55


@given(LENGTHS, SHARES)
def test_a_fraction_is_a_share_of_the_transitions(lengths, keep):
    n = sum(lengths)
    kept = len(Fraction(keep)(encoded(lengths)))
    assert abs(kept - keep * n) <= 0.5 or kept == 1


@given(LENGTHS, st.data())
def test_trajectories_are_whole_and_counted(lengths, data):
    dataset = encoded(lengths)
    keep = data.draw(st.one_of(st.integers(1, len(lengths)), SHARES))
    index = Trajectories(keep)(dataset)
    chosen = dataset.episodes[index].unique()
    expected = keep if isinstance(keep, int) else max(1, round(keep * len(lengths)))
    assert len(chosen) == expected
    assert len(index) == sum(lengths[k] for k in chosen)
    assert pick(dataset, index).info.episodes == expected


def test_one_is_a_trajectory_and_one_point_zero_is_all():
    dataset = encoded([3, 3, 3])
    assert len(Trajectories(1)(dataset)) == 3 and len(Trajectories(1.0)(dataset)) == 9


def test_the_best_are_those_of_bc10():
    """Rewards count up, so the last of the episodes, of transitions 5..9, is the best."""
    assert Best(0.34)(encoded([2, 3, 5])).tolist() == [5, 6, 7, 8, 9]


def test_all_of_it_is_the_data_themselves():
    dataset = encoded([2, 3, 5], [True, False, True])
    for everything in (Fraction(1.0), Trajectories(1.0), Best(1.0)):
        kept = pick(dataset, everything(dataset))
        assert torch.equal(kept.rows, dataset.rows)
        assert torch.equal(kept.truncated, dataset.truncated)
        assert torch.equal(kept.episode_returns, dataset.episode_returns)


def _line(n: int = 4000):
    """One step a metre on the way to a goal n metres off: observation (row, -row)."""
    return encoded([n], goal=(float(n), -float(n)))


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_a_heavy_tail_thins_by_a_power_of_the_distance(power):
    """A twentieth is kept; between 1/4 and 1/2 of the way (3/2)^power times what 1/2 to 3/4 has.

    The weight is d^power: over d from 1/2 to 3/4 and from 1/4 to 1/2 the integral of d^power.
    """
    dataset = _line()
    kept = torch.cat([HeavyTail(0.05, power, seed)(dataset) for seed in range(20)])
    assert len(kept) == 20 * 200
    way = kept / 4000
    far = int(((way > 0.25) & (way < 0.5)).sum())
    near = int(((way > 0.5) & (way < 0.75)).sum())

    def weight(low, high):
        return (high ** (power + 1) - low ** (power + 1)) / (power + 1)

    expected = weight(0.5, 0.75) / weight(0.25, 0.5)
    # Some 1,000 each: a ratio of two Poisson counts, within four standard deviations.
    assert far / near == pytest.approx(expected, rel=4 * (1 / far + 1 / near) ** 0.5)


@given(SHARES, st.floats(0.1, 50), st.integers(0, 3))
def test_a_heavy_tail_keeps_its_share_whatever_the_power(keep, power, seed):
    dataset = _line(50)
    index = HeavyTail(keep, power, seed)(dataset)
    assert len(index) == max(1, round(keep * 50)) == len(index.unique())
    assert torch.equal(index, HeavyTail(keep, power, seed)(dataset))


def test_a_heavy_tail_needs_a_goal():
    with pytest.raises(UserError, match=r"subset=heavy_tail.*no maze"):
        HeavyTail(0.5)(encoded([3, 3]))


@pytest.mark.parametrize("keep", [0.0, -0.5, 1.5, float("nan"), float("inf")])
@pytest.mark.parametrize("kind", [Fraction, Trajectories, Best, HeavyTail])
def test_a_share_outside_its_range_is_refused(kind, keep):
    with pytest.raises(UserError, match=r"subset\.keep="):
        kind(keep)


def test_numbers_that_mean_nothing_are_refused():
    with pytest.raises(UserError, match=r"subset\.keep=0"):
        Trajectories(0)
    with pytest.raises(UserError, match=r"subset\.keep=4: made has 3"):
        Trajectories(4)(encoded([1, 1, 1]))
    with pytest.raises(UserError, match=r"subset\.power=0"):
        HeavyTail(0.5, 0.0)
