"""What is seen of a training in a terminal of 80 columns."""

import io
import os
import re
from types import SimpleNamespace
from unittest.mock import Mock, patch

import pytest
import torch

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.progress import hidden
from ivr.training.callbacks.progress import UpdateProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2


@pytest.mark.parametrize("score", ["", "-1234.5"])
def test_a_loss_and_the_score_are_seen_before_the_line_is_cut(score, monkeypatch):
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((80, 24)))
    screen = Terminal()
    module = Mock(spec=OfflineAlgorithm)
    module.last_metrics = {f"loss/{n}": torch.tensor([0.0123]) for n in ("value", "actor", "q")}
    trainer = SimpleNamespace(max_steps=1_000_000, global_step=0)
    bar = UpdateProgressBar()
    with patch("sys.stderr", screen), patch("tqdm.std.sys.stderr", screen):
        bar.on_train_start(trainer, module)
        bar._score = {"score": score} if score else {}
        trainer.global_step = 999_950
        bar._bar.start_t -= 9000
        bar.on_train_batch_end(trainer, module)
        bar._bar.refresh()
        bar.close()
    last = re.split(r"[\r\n]+", screen.getvalue().strip())[-1]
    assert len(last) <= 80 and "999950/1000000" in last and "value=0.0123" in last
    assert not score or "score=-1234.5" in last


def test_nothing_is_drawn_where_bars_are_hidden():
    screen = Terminal()
    bar = UpdateProgressBar()
    with patch("sys.stderr", screen), patch("tqdm.std.sys.stderr", screen), hidden():
        bar.on_train_start(SimpleNamespace(max_steps=10, global_step=0), Mock())
        bar.close()
    assert screen.getvalue() == ""
