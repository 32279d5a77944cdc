import pytest

from ivr.progress import hidden, shown


@pytest.mark.parametrize("before", [None, "0", "1"])
def test_bars_are_hidden_meanwhile_and_what_was_set_comes_back(before, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    if before is not None:
        monkeypatch.setenv("TQDM_DISABLE", before)
    assert shown() is (before != "1")
    with pytest.raises(RuntimeError), hidden():
        with hidden():
            assert not shown()
        assert not shown()
        raise RuntimeError
    assert shown() is (before != "1")
    with hidden(False):
        assert shown() is (before != "1")
