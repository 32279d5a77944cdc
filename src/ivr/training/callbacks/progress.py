"""The live progress bar, which counts updates."""

import logging
import sys
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ProgressBar
from tqdm import tqdm

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.progress import shown

log = logging.getLogger(__name__)


class UpdateProgressBar(ProgressBar):
    """Updates done, time left, updates/s, the latest score, and each network's loss.

    Lightning's own counts batches of its loop, which here are chunks of updates.
    """

    def __init__(self) -> None:
        super().__init__()
        self._score: dict[str, str] = {}
        self._bar: Any = None

    def disable(self) -> None:
        """Lightning asks for this where there is nobody to look."""

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Open the bar at the update that the run starts from."""
        interactive = sys.stderr.isatty()
        self._bar = tqdm(
            total=trainer.max_steps,
            disable=not shown(),
            initial=trainer.global_step,
            # A log file is read later: a line now and then is enough.
            mininterval=0.2 if interactive else 15,
            dynamic_ncols=interactive,
            smoothing=0.05,
            # The score and a loss are seen in 80 columns, which cut what follows.
            bar_format="{percentage:3.0f}%|{bar:4}| {n}/{total} "
            "[<{remaining}, {rate_fmt}{postfix}] {elapsed}",
        )

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Advance to the updates done."""
        assert isinstance(module, OfflineAlgorithm)
        self._bar.update(trainer.global_step - self._bar.n)
        shown = self._score | {
            key.removeprefix("loss/"): f"{value.nanmean().item():.3g}"
            for key, value in module.last_metrics.items()
            if key.startswith("loss/")
        }
        self._bar.set_postfix(shown, refresh=False)

    def on_train_end(self, *_: Any) -> None:
        """Leave the terminal as it was."""
        self.close()

    def on_exception(self, *_: Any) -> None:
        """Leave the terminal as it was, before the error is printed."""
        self.close()

    def close(self) -> None:
        """Leave the finished bar on the screen."""
        if self._bar is not None:
            self._bar.close()

    def announce(self, line: str, score: str, name: str = "score") -> None:
        """Log a line above the bar, and keep showing the members' mean score in it."""
        self._score = {name: score}
        with tqdm.external_write_mode(file=sys.stderr):
            log.info(line)
