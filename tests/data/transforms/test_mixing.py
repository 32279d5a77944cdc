"""A mixture has the share that was asked for, whole episodes, and no transition across a joint."""

import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.data.dataset import OfflineDataset
from ivr.data.transforms.mixing import Mix
from ivr.errors import UserError
from tests.data.dataset_making import encoded

LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=8)
NOISE = 1000.0  # what the observations and numbers of noise are shifted by


def made(lengths, ended=(), noise=False) -> OfflineDataset:
    data = encoded(lengths, ended, fingerprint="noise" if noise else "experts")
    if noise:
        for column in (data.observations[:, :1], data.actions, data.rewards):
            column += NOISE
    return data


def mixed(experts, noise, **options) -> OfflineDataset:
    with tempfile.TemporaryDirectory() as cache:
        return Mix(source="there", **options)(experts, noise, Path(cache))


@given(st.floats(0.001, 1), st.integers(1, 10**7), st.integers(1, 10**7))
def test_the_share_is_true_to_half_a_row_for_any_sizes(share, experts, noise):
    try:
        of_expert, of_noise = Mix(share, "there").counts(experts, noise)
    except UserError as error:
        # Too little noise for even one expert transition at this share.
        assert "is not one" in str(error) and noise < 1 / share
        return
    total = of_expert + of_noise
    assert 0 < of_expert <= experts and 0 <= of_noise <= noise
    assert abs(of_expert - share * total) <= 0.5 + 1e-6
    # No larger mixture is there: with one more transition one source would be too small.
    assert share * (total + 1) > experts - 1e-3 or (1 - share) * (total + 1) > noise - 1e-3


@settings(max_examples=60, deadline=None)
@given(LENGTHS, LENGTHS, st.floats(0.05, 0.95), st.integers(0, 3), st.data())
def test_rows_of_a_mixture_are_aligned_and_cross_no_joint(lengths, others, share, seed, data):
    ended = data.draw(st.lists(st.booleans(), min_size=len(lengths), max_size=len(lengths)))
    sources = made(lengths, ended), made(others, noise=True)
    try:
        mixture = mixed(*sources, expert_fraction=share, seed=seed)
    except UserError:
        assert sum(others) < 1 / share
        return
    batch = mixture.gather(torch.arange(mixture.num_transitions))
    number = batch.actions.flatten()
    of_noise = number >= NOISE
    assert mixture.info.noise["noise_transitions"] == int(of_noise.sum())
    assert mixture.info.noise["true_share"] == float((~of_noise).double().mean())
    assert len(number.unique()) == len(number), "a transition is there twice"
    kept_lengths: dict[bool, list[tuple[int, int]]] = {False: [], True: []}
    for noise, source in enumerate(sources):
        mine = of_noise == bool(noise)
        index = (number[mine] - NOISE * noise).long()
        own = source.gather(index)
        for name in ("observations", "rewards", "terminated", "next_observations"):
            assert torch.equal(getattr(batch, name)[mine], getattr(own, name)), name
        for episode in source.episodes[index].unique():
            whole = (source.episodes == episode).nonzero().flatten()
            kept = index[source.episodes[index] == episode]
            assert torch.equal(kept, whole[: len(kept)]), "only the end of an episode is cut"
            kept_lengths[bool(noise)].append((len(kept), len(whole)))
    for cuts in kept_lengths.values():
        assert sum(kept < whole for kept, whole in cuts) <= 1
    # Episodes end where they did, or where they were cut, and a cut is no end of the task.
    ends = torch.cat((mixture.episodes[1:] != mixture.episodes[:-1], torch.ones(1).bool()))
    assert torch.equal(mixture.terminated | mixture.truncated, ends)
    assert not (mixture.terminated & mixture.truncated).any()
    returns = torch.zeros(mixture.info.episodes, dtype=torch.float64)
    returns.index_add_(0, mixture.episodes, mixture.rewards.double())
    assert torch.equal(returns, mixture.episode_returns)


def test_the_seed_decides_and_the_fingerprint_tells(tmp_path):
    experts, noise = made([5] * 20), made([5] * 20, noise=True)
    first = Mix(0.3, "there")(experts, noise, tmp_path)
    again = Mix(0.3, "there")(experts, noise, tmp_path / "elsewhere")
    assert torch.equal(first.actions, again.actions)
    assert first.info.fingerprint == again.info.fingerprint
    others = [
        Mix(0.3, "there", seed=1)(experts, noise, tmp_path),
        Mix(0.4, "there")(experts, noise, tmp_path),
        Mix(0.3, "there", transitions=50)(experts, noise, tmp_path),
        Mix(0.3, "there")(experts, encoded([5] * 20, fingerprint="other noise"), tmp_path),
    ]
    assert not torch.equal(first.actions, others[0].actions)
    assert len({data.info.fingerprint for data in (first, *others)}) == 5


def test_a_terminal_inside_an_episode_ends_no_rows(tmp_path):
    """Minari's data may go on after one: the mixture keeps a row more an episode, and no more."""
    data = made([10, 10])
    data.terminated[4] = True
    mixture = mixed(data, made([10, 10], noise=True), expert_fraction=0.5)
    assert len(mixture.observations) == mixture.num_transitions + len(mixture.episode_returns)


def test_a_mixture_is_mapped_from_the_disk_and_not_held_in_memory(tmp_path):
    experts, noise = made([5] * 4), made([5] * 4, noise=True)
    Mix(0.5, "there")(experts, noise, tmp_path)
    (folder,) = tmp_path.glob("made-mixture*")
    stamps = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    Mix(0.5, "there")(experts, noise, tmp_path)
    assert stamps == {path: path.stat().st_mtime_ns for path in folder.iterdir()}


@pytest.mark.parametrize("share", [0, -0.1, 1.5, float("nan")])
def test_a_share_outside_its_range_is_refused(share):
    with pytest.raises(UserError, match=r"noise\.expert_fraction=.*above 0 and up to 1"):
        Mix(share, "there")


def test_what_cannot_be_mixed_is_refused(tmp_path):
    experts, noise = made([5, 5]), made([5, 5], noise=True)
    with pytest.raises(UserError, match=r"noise\.source=PATH"):
        Mix(0.5)
    with pytest.raises(UserError, match="holds the very transitions"):
        Mix(0.5, "there")(experts, made([5, 5]), tmp_path)
    with pytest.raises(UserError, match=r"noise\.transitions=21.*at most 20"):
        Mix(0.5, "there", transitions=21)(experts, noise, tmp_path)
    other_bounds = encoded([5, 5], fingerprint="noise", action_low=(-2.0,))
    with pytest.raises(UserError, match=r"dataset\.action_low"):
        Mix(0.5, "there")(experts, other_bounds, tmp_path)
    assert not list(tmp_path.iterdir())
