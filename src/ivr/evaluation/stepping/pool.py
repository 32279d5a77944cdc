"""Keeps the environments of a task from one evaluation to the next.

By hand: Gymnasium's vector environments step all of theirs in lockstep. Here one half steps while
the policy acts for the other, and two processes make 1.64 times the steps of one (docs/speed.md).
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ivr.evaluation.stepping.environments import EvaluationError, Failure, Step, failure
from ivr.evaluation.stepping.workers import LocalWorker, ProcessWorker, Worker, ready
from ivr.evaluation.task.build import Task
from ivr.evaluation.task.wrappers import Env

# Below this, handing a step to another process costs more than it saves (seconds). On a fast core
# the cheapest step of an AntMaze takes 155 to 187 µs, that of a Walker2d 55 to 69.
CHEAP_STEP = 1e-4
# Processes are started for steps that take longer than starting them does (seconds).
START = 2.0
# Steps that decide whether they are cheap; the best counts, as the first are slow.
TRIAL_STEPS = 8


class _Batch(NamedTuple):
    slots: list[int]
    missing: dict[Worker, list[int]]
    """Slots that each worker has not answered for."""
    steps: dict[int, Step | Failure]


class EnvironmentPool:
    """Makes environments when they are first needed and steps them, batch by batch.

    Where steps are costly and many each core has a process of its own to step them in: threads
    would wait for Python's lock. Close it at the end, or use it as a context.

    Args:
        task: what the environments are made from.
        workers: processes for costly steps; None for one a core.
    """

    def __init__(self, task: Task, workers: int | None = None) -> None:
        self.task = task
        self.observation_shape: tuple[int, ...] = ()
        # Windows hands no pipe to a process that is started by its command line.
        self._processes = 1 if os.name == "nt" else workers or os.cpu_count() or 1
        self._step_seconds = 0.0
        self._asked_seconds = 0.0
        """What all steps that were announced so far take in this process."""
        self._workers: Sequence[Worker] = ()
        self._batches: list[_Batch] = []
        """Sent and not yet received."""

    @property
    def processes(self) -> int:
        """Processes that step the environments; 0 where this one does."""
        return sum(isinstance(worker, ProcessWorker) for worker in self._workers)

    def grow(self, count: int, steps: int) -> None:
        """Make the environments 0..count-1 where they are missing; none of them may be active.

        Args:
            count: how many.
            steps: that all of them together make until the next call, at most.
        """
        if not self.observation_shape:
            self._try_out()
        self._asked_seconds += steps * self._step_seconds
        slots = list(range(count))
        wanted = min(self._processes, count)
        pays = self._step_seconds >= CHEAP_STEP and self._asked_seconds >= START
        if pays and wanted > 1:
            if self.processes < wanted:
                self.close()
                self._workers = [ProcessWorker(self.task) for _ in range(wanted)]
            try:
                self._make(slots)
                return
            # An environment that only this process knows of cannot be made in another one; whatever
            # else is wrong is reported below.
            except Exception:
                self.close()
                self._processes = 1
        self._workers = self._workers or [LocalWorker(self.task)]
        self._make(slots)

    def _make(self, slots: list[int]) -> None:
        for k, worker in enumerate(self._workers):
            worker.order("make", slots[k :: len(self._workers)])
        for worker in self._workers:
            worker.answer()

    def _try_out(self) -> None:
        env: Env = self.task.make_env()
        shape = env.observation_space.shape
        assert shape is not None
        self.observation_shape = shape
        try:
            self._step_seconds = min(_trial_seconds(env))
        except Exception as error:  # whatever an environment raises
            self.observation_shape = ()
            raise EvaluationError(
                f"{self.task.env_id} failed when it was tried out: {failure(error).reason}"
            ) from error
        finally:
            env.close()

    def reset(self, slot: int, seed: int) -> NDArray[np.float32] | Failure:
        """Begin an episode in an environment that is not active; returns its observation (O,)."""
        worker = self._workers[slot % len(self._workers)]
        while any(worker in batch.missing for batch in self._batches):
            self._take(worker)
        worker.order("reset", slot, seed)
        observation: NDArray[np.float32] | Failure = worker.answer()
        return observation

    def send(self, slots: list[int], actions: NDArray[np.float32]) -> None:
        """Begin to step a batch of environments with their actions (slots, A)."""
        parts = {}
        for k, worker in enumerate(self._workers):
            rows = [row for row, slot in enumerate(slots) if slot % len(self._workers) == k]
            if rows:
                parts[worker] = [slots[row] for row in rows]
                worker.order("step", parts[worker], actions[rows])
        self._batches.append(_Batch(slots, parts, {}))

    def receive(self) -> tuple[list[int], list[Step | Failure]]:
        """Wait for one of the batches that were sent, whichever comes first: slots, steps.

        Raises:
            EvaluationError: the process of an environment has ended.
        """
        while True:
            for batch in self._batches:
                if not batch.missing:
                    self._batches.remove(batch)
                    return batch.slots, [batch.steps[slot] for slot in batch.slots]
            self._take(ready([worker for batch in self._batches for worker in batch.missing]))

    def _take(self, worker: Worker) -> None:
        """Receive one answer of a worker, which answers in the order of its requests."""
        batch = next(batch for batch in self._batches if worker in batch.missing)
        slots = batch.missing.pop(worker)
        batch.steps.update(zip(slots, worker.answer(), strict=True))

    def settle(self) -> None:
        """Wait for the batches that were sent and drop them, so that every environment is idle."""
        for batch in self._batches:
            for worker in batch.missing:
                with suppress(Exception):  # it was reported, or will be at the next order
                    worker.answer()
        self._batches = []

    def close(self) -> None:
        """Close every environment; the pool can be used again."""
        for worker in self._workers:
            worker.close()
        self._workers, self._batches = (), []

    def __enter__(self) -> "EnvironmentPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _trial_seconds(env: Env) -> list[float]:
    seconds = []
    env.reset(seed=0)
    action: Any = np.zeros(env.action_space.shape or (), np.float32)
    for _ in range(TRIAL_STEPS):
        started = time.perf_counter()
        ended = any(env.step(action)[2:4])
        seconds.append(time.perf_counter() - started)
        if ended:
            env.reset(seed=0)
    return seconds
