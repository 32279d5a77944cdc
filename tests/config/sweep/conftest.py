"""Sweeps without training: what runs, and what is printed."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from ivr.commands import train
from ivr.config import command_line
from ivr.training.folder import owned


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Sweep without training: returns the jobs that ran, and what was printed."""

    def run(
        *words: str,
        also: Callable[[DictConfig], None] = lambda config: None,
        value: Callable[[DictConfig], float] = lambda config: 1.0,
    ) -> tuple[list[str], str]:
        ran = []

        def stub(config: DictConfig, folder: Path, overrides: list[str], begin) -> float:
            ran.append(folder.name)
            with owned(folder):
                begin()
                also(config)
                content = {"status": "finished", "updates_done": config.num_updates}
                (folder / "result.json").write_text(json.dumps(content))
            return value(config)

        monkeypatch.setattr(train, "run", stub)
        arguments = ["train.py", *words, f"hydra.sweep.dir={tmp_path}/night"]
        monkeypatch.setattr(sys, "argv", arguments)
        try:
            command_line.main("train")
        except SystemExit as end:
            print(end)
        return ran, capsys.readouterr().out

    return run
