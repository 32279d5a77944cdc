"""Pieces of work done in several processes; what comes out does not depend on their number."""

import multiprocessing as mp
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from ivr.errors import UserError

T = TypeVar("T")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def shards(make: Callable[[int], T], processes: int | None = None) -> Generator[T, None, None]:
    """make(0), make(1), ... without end and in this order, from processes that work side by side.

    Close the iterator to stop them; they also end when this process is killed.

    Args:
        make: a function of a module, or a partial of one, that depends on nothing but its argument.
        processes: None for as many as this process may use cores.

    Raises:
        UserError: a process ended early.
    """
    count = processes or _cores()
    context = mp.get_context("spawn")
    workers: list[tuple[Any, Connection]] = []
    try:
        for k in range(count):
            here, there = context.Pipe(duplex=False)
            worker = context.Process(target=_work, args=(there, make, k, count), daemon=True)
            with _one_thread():
                worker.start()
            there.close()
            workers.append((worker, here))
        while True:
            for _, connection in workers:
                yield connection.recv()
    except EOFError:
        raise UserError(
            "A process of the simulation ended before its work was done; its own message, if any, "
            "stands above. Without one it may have run out of memory."
        ) from None
    finally:
        for worker, connection in workers:
            connection.close()
            worker.terminate()
            worker.join()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # what a cluster's job may use, not what there is
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _work(connection: Connection, make: Callable[[int], Any], first: int, step: int) -> None:
    # Ctrl-C is the other process's affair; when that one is killed, this one ends at once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    number = first
    while True:
        made = make(number)
        try:
            connection.send(made)
        except BrokenPipeError:  # nobody waits for it any more
            return
        number += step


def _end_with_parent() -> None:
    parent = mp.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes that are started inside compute in one thread each, as sums depend on that."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
