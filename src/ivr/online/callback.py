"""What Lightning's Trainer is told of a run that collects data: state, brake, curves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from ivr.algos.engine.base import OfflineAlgorithm
from ivr.data.serving.schedule import Schedule
from ivr.errors import UserError
from ivr.files import write_text
from ivr.nets.scalars import PositiveScalar
from ivr.online.collect import Collector
from ivr.online.episodes import WINDOW, Episode, as_csv, baseline, returns, safety
from ivr.training.callbacks.epochs import due
from ivr.training.callbacks.frozen import MemberStates
from ivr.training.callbacks.metrics import share
from ivr.training.callbacks.result import Measuring
from ivr.training.callbacks.states import checked
from ivr.training.foreign import tensor
from ivr.training.loggers.protocol import Scalars
from ivr.training.plain import count, list_of, mapping_of, number

_MARGIN = 0.1
"""Share of the range of returns by which a mean may fall below J_0 before the brake acts."""


class Online(Measuring):
    """Keeps the collector's state, brakes members whose returns fall, and logs their episodes.

    The brake: when the mean return of a member's last WINDOW training episodes falls below
    J_0 - 2 SE - 10 % of the range, the member goes back to the last snapshot that did not, and its
    multiplier lambda is doubled; the next ten episodes are then waited for. No episode of an
    evaluation decides anything.

    Args:
        collector: plays the training episodes.
        schedule: when what is collected.
        spread: range of returns.
        brake: whether to brake; it needs an algorithm with a `multiplier`.
        labels: the names of the members.
        every: updates between two rows of the curves.
        folder: of the run; episodes.csv there has every training episode.
    """

    def __init__(
        self,
        collector: Collector,
        schedule: Schedule,
        *,
        spread: float,
        brake: bool,
        labels: Sequence[str],
        every: int,
        folder: Path | None = None,
    ) -> None:
        self.collector = collector
        self.schedule = schedule
        self.spread = spread
        self.brake = brake
        self.labels = list(labels)
        self.every = every
        self.folder = folder
        self.brakes = [0 for _ in labels]
        """How often each member was put back."""
        self._judged = [0 for _ in labels]
        """Episodes of each member that the brake has seen."""
        self._put_back = [0 for _ in labels]
        """Of them, those before it was last put back."""
        self._shown = [0 for _ in labels]
        """Episodes of each member that are in the curves."""
        self._loaded: dict[str, Tensor] = {}
        self._snapshot: MemberStates | None = None

    def measures(self) -> list[dict[str, Any]]:
        """What training online has cost each member, for result.json."""
        warmup = self.schedule.warmup_steps
        return [
            safety(found, warmup, self.spread, self.collector.steps) | {"brakes": brakes}
            for found, brakes in zip(self.collector.episodes, self.brakes, strict=True)
        ]

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Take the first snapshot, or the one of the run that is resumed."""
        assert isinstance(module, OfflineAlgorithm)
        if self.brake:
            self._snapshot = MemberStates(module, trainer.optimizers)
            if self._loaded:
                loaded = {name: kept.to(module.device) for name, kept in self._loaded.items()}
                self._snapshot.kept, self._loaded = loaded, {}

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Judge after each block of updates, and log where a row is due."""
        online = trainer.global_step - self.schedule.offline_updates
        if self.brake and online > 0 and online % self.schedule.block_updates == 0:
            self._judge(module)
        if due(trainer, self.every):
            self._log(trainer)

    def on_train_end(self, *_: Any) -> None:
        """Close the environments."""
        self.collector.pool.close()

    def on_exception(self, *_: Any) -> None:
        """Close the environments."""
        self.collector.pool.close()

    def state_dict(self) -> dict[str, Any]:
        """Return everything that a resumed run must know."""
        return {
            "collector": self.collector.state_dict(),
            "brakes": list(self.brakes),
            "judged": list(self._judged),
            "put_back": list(self._put_back),
            "shown": list(self._shown),
            # Of a run with nothing left to train the one that it was loaded with.
            "snapshot": self._loaded if self._snapshot is None else self._snapshot.kept,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            UserError: where a part is missing, or of another type or size.
        """
        members = len(self.labels)

        def each(check: Any) -> Any:
            return lambda x: list_of(check)(x) and len(x) == members

        def episode(x: Any) -> bool:
            fields = len(Episode._fields)
            return (
                isinstance(x, list)
                and len(x) == fields
                and all(isinstance(v, int | float) for v in x)
            )

        checks = {
            "collector": lambda x: isinstance(x, dict),
            "brakes": each(count),
            "judged": each(count),
            "put_back": each(count),
            "shown": each(count),
            "snapshot": mapping_of(tensor),
        }
        if isinstance(state_dict, dict) and "judged" in state_dict:  # 0.2.0 kept no more
            state_dict = {"put_back": state_dict["judged"], **state_dict}
        found = checked("Online", state_dict, checks)
        numbers = each(number)
        collected = checked(
            "Online.collector",
            found["collector"],
            {
                "buffer": lambda x: isinstance(x, dict),
                "episodes": each(list_of(episode)),
                "length": each(count),
                **dict.fromkeys(("total", "discounted", "predicted", "passed"), numbers),
                "gated": count,
            },
        )
        columns = dict.fromkeys(self.collector.buffer.names, tensor)
        collected["buffer"] = checked(
            "Online.collector.buffer", collected["buffer"], {"added": count, **columns}
        )
        try:
            self.collector.load_state_dict(collected)
        except ValueError as error:
            raise UserError(f"the checkpoint is damaged: {error}") from error
        self.brakes, self._judged = list(found["brakes"]), list(found["judged"])
        self._put_back = list(found["put_back"])
        self._shown, self._loaded = list(found["shown"]), found["snapshot"]

    def _judge(self, module: pl.LightningModule) -> None:
        assert self._snapshot is not None
        kept, braked = [], []
        for k, episodes in enumerate(self.collector.episodes):
            start = baseline(episodes, self.schedule.warmup_steps)
            if start is None or len(episodes) == self._judged[k]:
                continue
            latest = returns(episodes[-WINDOW:])
            floor = start.mean - 2 * start.sem - _MARGIN * self.spread
            # At first there is nothing to go back to but critics that match nothing yet.
            if latest.mean() >= floor or not self._judged[k]:
                kept.append(k)
                self._judged[k] = len(episodes)
            elif len(episodes) - self._put_back[k] >= WINDOW:
                braked.append(k)
                self._judged[k] = self._put_back[k] = len(episodes)
        if kept:
            self._snapshot.keep_members(kept)
        if braked:
            self._brake(module, braked)

    def _brake(self, module: pl.LightningModule, members: list[int]) -> None:
        """Put members back, and double their lambda beyond what it is now."""
        assert self._snapshot is not None
        multiplier = module.get_submodule("multiplier")
        assert isinstance(multiplier, PositiveScalar)
        now = multiplier.log.detach().clone()
        self._snapshot.put_back(members)
        with torch.no_grad():
            for k in members:
                multiplier.log[k] = torch.log(torch.tensor(2.0)) + torch.maximum(
                    now[k], multiplier.log[k]
                )
                self.brakes[k] += 1

    def _log(self, trainer: pl.Trainer) -> None:
        collector, members = self.collector, range(len(self.labels))
        if not collector.steps:
            return
        named: Scalars = {"online/env_steps": [float(collector.steps) for _ in members]}
        news = [found[n:] for found, n in zip(collector.episodes, self._shown, strict=True)]
        self._shown = [len(found) for found in collector.episodes]
        columns = {
            "online/return": lambda e: e.total,
            "online/length": lambda e: e.length,
            "online/discounted_return": lambda e: e.discounted,
            "online/predicted_return": lambda e: e.predicted,
        }
        for name, of in columns.items():
            named[name] = [
                sum(map(of, found)) / len(found) if found else float("nan") for found in news
            ]
        starts = [baseline(e, self.schedule.warmup_steps) for e in collector.episodes]
        named["online/baseline_return"] = [float("nan") if s is None else s.mean for s in starts]
        share_of_learner = collector.gate_share()
        if share_of_learner is not None:
            named["online/gate_share"] = share_of_learner
        if self.brake:
            named["online/brakes"] = [float(n) for n in self.brakes]
        if self.folder is not None:
            path = self.folder / "episodes.csv"
            write_text(path, as_csv(self.labels, collector.episodes))
        for logger in self.loggers:
            logger.log(trainer.global_step, named, {})
        share(trainer, named, self.labels)
