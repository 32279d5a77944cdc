from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.data.serving.datamodule import TransitionDataModule, cut
from ivr.errors import UserError
from ivr.types import Batch
from tests.data.dataset_making import encoded

N = 50


def _module(**changes: object) -> TransitionDataModule:
    options = {"seeds": [7], "batch_size": 8, "num_updates": 30, "chunk": 4, "boundaries": []}
    return TransitionDataModule(encoded([20, N - 20]), **(options | changes))


def _run(module: TransitionDataModule, start: int = 0) -> list[Batch]:
    module.trainer = SimpleNamespace(global_step=start)
    return list(module.train_dataloader())


def _joined(chunks: list[Batch]) -> Batch:
    served = zip(*(chunk[:5] for chunk in chunks), strict=True)
    return Batch(*(torch.cat(parts) for parts in served))


@given(
    start=st.integers(0, 60),
    stop=st.integers(0, 60),
    chunk=st.integers(1, 25),
    boundaries=st.lists(st.integers(1, 20), max_size=3),
)
def test_cut_covers_all_updates_and_crosses_no_boundary(start, stop, chunk, boundaries):
    pieces = list(cut(start, stop, chunk, boundaries))
    covered = [update for first, count in pieces for update in range(first, first + count)]
    assert covered == list(range(start, stop))
    for first, count in pieces:
        assert 1 <= count <= chunk
        inner = range(first + 1, first + count)
        assert all(update % every for every in boundaries for update in inner)


def test_cut_makes_no_more_pieces_than_needed():
    assert list(cut(3, 33, 7, [10])) == [(3, 7), (10, 7), (17, 3), (20, 7), (27, 3), (30, 3)]


@settings(deadline=None, max_examples=20)
@given(chunk=st.integers(1, 40), boundary=st.integers(1, 40), start=st.integers(0, 29))
def test_an_update_has_one_batch_however_it_is_reached(chunk, boundary, start):
    whole = _joined(_run(_module(chunk=30)))
    other = _joined(_run(_module(chunk=chunk, boundaries=[boundary]), start))
    assert all(torch.equal(a[start:], b) for a, b in zip(whole[:5], other[:5], strict=True))


def test_a_member_draws_what_its_seed_alone_draws():
    stacked = _joined(_run(_module(seeds=[3, 7, 11])))
    assert stacked.observations.shape == (30, 3, 8, 2) and stacked.rewards.shape == (30, 3, 8)
    for member, seed in enumerate([3, 7, 11]):
        alone = _joined(_run(_module(seeds=[seed])))
        assert all(
            torch.equal(a[:, member], b[:, 0]) for a, b in zip(stacked[:5], alone[:5], strict=True)
        )
    assert not torch.equal(stacked.actions[:, 0], stacked.actions[:, 1])


def test_transitions_are_drawn_whole_and_evenly():
    batch = _joined(_run(_module(num_updates=500, chunk=100, batch_size=20)))
    index = batch.rewards.long().flatten()
    assert torch.equal(batch.actions.flatten().long(), index)
    rows = encoded([20, N - 20]).rows[index]
    assert torch.equal(batch.observations[..., 0].flatten().long(), rows)
    assert torch.equal(batch.next_observations[..., 0].flatten().long(), rows + 1)
    # 10,000 draws over 50: 200 each, standard deviation 14.
    counts = torch.bincount(index, minlength=N)
    assert counts.min() > 130 and counts.max() < 270


def test_the_loader_keeps_no_state_and_ends_at_the_last_update():
    module = _module()
    module.trainer = SimpleNamespace(global_step=30)
    loader = module.train_dataloader()
    loader.load_state_dict(loader.state_dict())
    assert list(loader) == []
    module.trainer.global_step = 29
    assert len(list(loader)) == 1


def test_a_batch_larger_than_the_data_is_refused():
    assert _module(batch_size=N).batch_size == N
    with pytest.raises(UserError, match=r"50 transitions, fewer than .* 51.*batch_size=32 or less"):
        _module(batch_size=N + 1)
