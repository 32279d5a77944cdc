"""Whole episodes are held out, the same ones whatever else is done to the data."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ivr.data.prepare import prepare
from ivr.data.spec import DataSpec
from ivr.data.transforms.mixing import Mix
from ivr.data.transforms.picking import pick
from ivr.data.transforms.split import Split
from ivr.data.transforms.subsets import Best
from ivr.errors import UserError
from tests.data.dataset_making import encoded
from tests.data.sources.d4rl.d4rl_making import Made, encoded_columns, write_d4rl

LENGTHS = st.lists(st.integers(1, 9), min_size=2, max_size=12)


@given(LENGTHS, st.floats(0.01, 0.99), st.integers(0, 9))
def test_the_two_parts_are_the_data_and_share_no_episode(lengths, share, seed):
    dataset = encoded(lengths)
    wanted = max(1, round(share * len(lengths)))
    if wanted == len(lengths):
        with pytest.raises(UserError, match=r"none would be left to train on"):
            Split(share, seed)(dataset)
        return
    trained, held_out = Split(share, seed)(dataset)
    assert held_out.info.episodes == wanted
    # Actions are numbers of transitions.
    parts = [part.actions.flatten().long() for part in (trained, held_out)]
    assert sorted(torch.cat(parts).tolist()) == list(range(dataset.num_transitions))
    sides = [set(dataset.episodes[part].tolist()) for part in parts]
    assert not sides[0] & sides[1]
    record = trained.info.split
    assert record == held_out.info.split and record["fingerprint"] == held_out.info.fingerprint
    assert record["transitions"] == len(parts[1]) and record["of_episodes"] == len(lengths)


def _held_out(dataset, seed=0):
    """Lengths tell the episodes of `encoded` apart, whatever their order."""
    part = Split(0.3, seed)(dataset)[1]
    return sorted(torch.bincount(part.episodes).tolist())


def test_the_same_episodes_are_held_out_in_whatever_order_they_are_read():
    """Every episode begins at its own content: rows and transitions are those of its number."""
    lengths = list(range(1, 13))
    dataset = encoded(lengths)
    first = torch.nonzero(dataset.steps == 0).squeeze(-1).tolist()
    pieces = [
        (
            dataset.observations[dataset.rows[i] : dataset.rows[i] + length + 1],
            dataset.actions[i : i + length],
        )
        for i, length in zip(first, lengths, strict=True)
    ]
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1)).tolist()
    shuffled = replace(
        encoded([lengths[k] for k in order]),
        observations=torch.cat([pieces[k][0] for k in order]),
        actions=torch.cat([pieces[k][1] for k in order]),
    )
    assert _held_out(shuffled) == _held_out(dataset)
    assert _held_out(dataset, 1) != _held_out(dataset), "another seed, other episodes"


def test_equal_episodes_stay_on_one_side():
    """Of two of each kind: else what is measured on was trained on."""
    dataset = encoded([2, 3] * 6)
    dataset.observations[:] = 0
    dataset.actions[:] = 0
    trained, held_out = Split(0.5)(dataset)
    assert {len(set(torch.bincount(part.episodes).tolist())) for part in (trained, held_out)} == {1}
    assert trained.info.episodes == held_out.info.episodes == 6
    with pytest.raises(UserError, match=r"split=0\.9: made has 12 episodes, some of which"):
        Split(0.9)(dataset)
    with pytest.raises(UserError, match=r"split=1\.0"):
        Split(1.0)


def test_what_is_held_out_is_the_same_beside_noise_and_subsets(tmp_path):
    """Episode k returns 100 k a step and more, so that the best ones are the last."""
    many = [Made(5, "timeout")] * 10
    path = write_d4rl(tmp_path / "many.hdf5", encoded_columns(many))
    noise = encoded_columns([Made(5, "timeout")] * 3)
    noise["rewards"] = noise["rewards"] * 0 - 1
    mix = Mix(0.5, str(write_d4rl(tmp_path / "noise.hdf5", noise)), transitions=20)
    spec = DataSpec(
        name="x", source="d4rl_hdf5", path=str(path), view="flat", reward="return_range"
    )

    def made(mix=None, subset=None):
        return prepare(spec, mix, subset, Split(0.3), cache=tmp_path, progress=False)

    plain, mixed, best = made(), made(mix), made(None, Best(0.5))
    for data in (mixed, best):
        assert torch.equal(data.held_out.rows, plain.held_out.rows)
        # On the scale of what is trained on: that of held-out returns plays no part.
        assert data.held_out.info.reward_scale == data.training.info.reward_scale
    assert best.training.info.episodes == 3, "the better half of the seven that are left"
    scales = {data.training.info.reward_scale for data in (plain, mixed, best)}
    assert len(scales) == 3
    left = plain.training.episode_returns
    assert plain.training.info.reward_scale == pytest.approx(1000 / float(left.max() - left.min()))
    held_out = set(plain.held_out.rows.tolist())
    assert held_out and not held_out & set(plain.training.rows.tolist())
    assert not held_out & set(best.training.rows.tolist())
    assert len({data.training.info.fingerprint for data in (plain, mixed, best)}) == 3


def test_a_piece_of_the_data_has_the_fingerprint_of_its_rows():
    trained, held_out = Split(0.5)(encoded([2, 3, 4, 5]))
    again = pick(held_out, torch.arange(held_out.num_transitions))
    assert again.info.fingerprint != trained.info.fingerprint
