"""Steps environments in this process or in another one."""

import os
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import wait
from typing import Any, Protocol

from ivr.evaluation.stepping.environments import Environments, EvaluationError
from ivr.evaluation.task.task import Task

_PATIENCE = 10.0
"""Seconds that a process has to end in."""


class Worker(Protocol):
    """Carries out orders to its environments, one after the other."""

    def order(self, method: str, *arguments: Any) -> None:
        """Ask for a method of `Environments`."""

    def answer(self) -> Any:
        """Wait for the result of the oldest order that has not been answered."""

    def close(self) -> None:
        """Close the environments."""


class LocalWorker:
    """Works in this process: an order is carried out when its answer is asked for."""

    def __init__(self, task: Task) -> None:
        self.environments = Environments(task)
        self._orders: deque[tuple[str, tuple[Any, ...]]] = deque()

    def order(self, method: str, *arguments: Any) -> None:
        self._orders.append((method, arguments))

    def answer(self) -> Any:
        method, arguments = self._orders.popleft()
        return getattr(self.environments, method)(*arguments)

    def close(self) -> None:
        self.environments.close()


class ProcessWorker:
    """Works in a process of its own, which ends when this side disconnects, however it does."""

    def __init__(self, task: Task) -> None:
        self.env_id = task.env_id
        self.connection, theirs = Pipe()
        # Whatever can be imported here can be imported there.
        environ = os.environ | {"PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)}
        with theirs:
            self.process = subprocess.Popen(
                # -P: no module of the folder that this was started in goes before Python's own.
                [sys.executable, "-P", "-m", "ivr.evaluation.stepping.serve", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=environ,
                # Ctrl-C is for this process alone, which then finishes the update.
                process_group=0,
            )
        self.connection.send(task)

    def order(self, method: str, *arguments: Any) -> None:
        """Send an order.

        Raises:
            EvaluationError: the process has ended.
        """
        try:
            self.connection.send((method, arguments))
        except OSError:
            raise self._ended() from None

    def answer(self) -> Any:
        """Receive the answer to the oldest order.

        Raises:
            EvaluationError: the process has ended.
            UserError: an environment cannot be made.
            RuntimeError: with what else making it raised.
        """
        try:
            answer = self.connection.recv()
        except (EOFError, OSError):
            raise self._ended() from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _ended(self) -> EvaluationError:
        status = self.process.wait(_PATIENCE)
        return EvaluationError(
            f"A process that steps {self.env_id} ended (status {status}): killed, or out of memory?"
        )

    def close(self) -> None:
        self.connection.close()
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:  # inside a step that does not end
            self.process.kill()
            self.process.wait()


def ready(workers: Sequence[Worker]) -> Worker:
    """Wait for the first of the workers that has an answer."""
    pipes = {worker.connection: worker for worker in workers if isinstance(worker, ProcessWorker)}
    return pipes[wait(list(pipes))[0]] if pipes else workers[0]  # type: ignore[index]
