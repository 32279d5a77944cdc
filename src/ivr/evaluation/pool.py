"""Environments of one task, kept from one evaluation to the next."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from ivr.evaluation.tasks import Task
from ivr.evaluation.wrappers import Env

# Below this, handing a step to a thread costs more than the step (seconds).
CHEAP_STEP = 1e-4
# Serial rounds that decide whether steps are cheap; the best counts, as the first are slow.
TRIAL_ROUNDS = 4

Step = tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]


class EnvironmentPool:
    """Makes environments when they are first needed and steps them together.

    MuJoCo lets go of Python's lock while it computes, so threads use all cores for
    environments whose steps are costly. Close it at the end, or use it as a context.

    Args:
        task: what the environments are made from.
        workers: threads; None for one a core.
    """

    def __init__(self, task: Task, workers: int | None = None) -> None:
        self.task = task
        self.environments: list[Env] = []
        self._workers = workers or os.cpu_count() or 1
        self._threads: ThreadPoolExecutor | None = None
        self._trials: list[float] = []

    def grow(self, count: int) -> None:
        """Have at least `count` environments."""
        while len(self.environments) < count:
            self.environments.append(self.task.make_env())

    def step(self, slots: list[int], actions: NDArray[np.float32]) -> list[Step]:
        """Step the environments `slots` with their rows of actions (environments, A)."""

        def run(part: list[int]) -> list[Step]:
            return [self.environments[slot].step(actions[slot]) for slot in part]

        if len(self._trials) < TRIAL_ROUNDS:
            started = time.perf_counter()
            steps = run(slots)
            self._trials.append((time.perf_counter() - started) / len(slots))
            return steps
        workers = min(self._workers, len(slots))
        if workers == 1 or min(self._trials) < CHEAP_STEP:
            return run(slots)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._workers, "environments")
        # The first part is stepped here, which saves one hand-over.
        parts = [slots[i::workers] for i in range(workers)]
        futures = [self._threads.submit(run, part) for part in parts[1:]]
        done = [run(parts[0]), *(future.result() for future in futures)]
        return [done[i % workers][i // workers] for i in range(len(slots))]

    def close(self) -> None:
        """Close every environment; the pool can be used again."""
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None
        while self.environments:
            self.environments.pop().close()

    def __enter__(self) -> "EnvironmentPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
