"""Computes pieces of work in several processes; the result does not depend on their number."""

import itertools
import multiprocessing as mp
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TypeVar

from ivr.errors import UserError

T = TypeVar("T")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def shards(make: Callable[[int], T], processes: int | None = None) -> Generator[T, None, None]:
    """Yield make(0), make(1), ... without end and in this order, computed in parallel.

    Close the iterator to end the processes; they also end when this process is killed.

    Args:
        make: a function of a module, or a partial of one, that depends on nothing but its argument.
        processes: None for as many as this process may use cores.

    Raises:
        UserError: a process was killed.
    """
    count = processes or _cores()
    context = mp.get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(count, context, initializer=_end_with, initargs=(theirs,))
    pieces: deque[Future[T]] = deque()
    try:
        for number in itertools.count():
            with _settings_of_workers():
                pieces.append(pool.submit(make, number))
            if len(pieces) > 2 * count:  # so that no process waits for a slower one
                yield pieces.popleft().result()
    except BrokenProcessPool:
        raise UserError(
            "A process of the simulation was killed before its work was done: it may have run out "
            "of memory. Nothing is kept of what was made: start again, with fewer cores if need be "
            "(taskset -c 0,1 python ... on Linux)."
        ) from None
    finally:
        ours.close()  # a process that is in the middle of a piece ends now
        pool.shutdown(cancel_futures=True)
        theirs.close()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # what a cluster's job may use, not what there is
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _end_with(parent: Connection) -> None:
    """End this process as soon as the other end of `parent` is closed, however that happens."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which closes the pipe

    def wait() -> None:
        try:
            parent.recv()
        except EOFError:
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def _settings_of_workers() -> Iterator[None]:
    """Let processes that start inside use one thread, as sums depend on that, and miss Ctrl-C.

    Ctrl-C would print the traceback of whatever a process imports just then. It is held back, and
    reaches this process at the end of the block.
    """
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    if hasattr(signal, "pthread_sigmask"):
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
