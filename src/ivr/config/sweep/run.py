"""Runs what is left of a sweep: jobs that are done stay as they are, one that fails stops none."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from ivr.config.resumed import quoted
from ivr.config.sweep.job import JobStopped
from ivr.errors import UserError
from ivr.sweeps.index import enlist, named, read_sweep
from ivr.sweeps.jobs import forget_end, is_owned, read_end, read_job, record_end
from ivr.sweeps.names import settings
from ivr.sweeps.show import status_line, summary

log = logging.getLogger(__name__)

_EVERY = 5.0
"""Seconds between two looks at jobs that run in other processes."""


def sweep(sweeper: BasicSweeper, arguments: Sequence[str]) -> list[float | None]:
    """Run the jobs of a command that are not done.

    Args:
        sweeper: set up by Hydra: configuration, launcher, `params` of an experiment.
        arguments: overrides; a comma list makes a job for each of its values.

    Returns:
        What each job returned; None for those that did not end.

    Raises:
        SystemExit: some failed, or cannot be run; what is printed says which and why.
    """
    try:
        jobs, swept = split(sweeper, arguments)
        return Sweep(sweeper, jobs, swept).run()
    except UserError as error:
        raise SystemExit(f"Error: {error}") from None


def split(sweeper: BasicSweeper, arguments: Sequence[str]) -> tuple[list[list[str]], set[str]]:
    """The overrides of each job, and the names of the options that have several values."""
    assert sweeper.hydra_context is not None
    parser = OverridesParser.create(config_loader=sweeper.hydra_context.config_loader)
    words = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
    overrides = parser.parse_overrides([*words, *arguments])
    # The command line replaces an experiment's list, whatever its place.
    latest = {override.get_key_element(): override for override in overrides}
    (jobs,) = BasicSweeper.split_arguments(list(latest.values()), None)
    swept = {key.lstrip("+") for key, o in latest.items() if o.is_sweep_override()}
    return jobs, swept


class Sweep:
    """The jobs of one command, in the folder of their sweep.

    Args:
        sweeper: set up by Hydra.
        jobs: the overrides of each.
        swept: options that have several values.
    """

    def __init__(self, sweeper: BasicSweeper, jobs: list[list[str]], swept: set[str]) -> None:
        assert sweeper.config is not None and sweeper.launcher is not None
        self.sweeper = sweeper
        self.config: DictConfig = sweeper.config
        self.folder = Path(str(self.config.hydra.sweep.dir)).absolute()
        for name, words in named(self.folder, jobs, swept).items():
            self.refuse_shorter(name, words)
        self.names = enlist(self.folder, jobs, swept)
        self.words = dict(zip(self.names, jobs, strict=True))
        self.errors: list[str] = []
        """Why the latest jobs stopped that may go on later, such as a full disk."""

    def refuse_shorter(self, name: str, words: Sequence[str]) -> None:
        """Refuse a num_updates below what a finished job has had.

        Raises:
            UserError: naming the job, and both lengths.
        """
        end, done = read_end(self.folder / name), read_job(self.folder / name).updates
        if end is None or end["status"] != "done" or settings(end["overrides"]) == settings(words):
            return
        assert self.sweeper.hydra_context is not None
        loader = self.sweeper.hydra_context.config_loader
        try:
            asked = loader.load_sweep_config(self.config, list(words)).get("num_updates")
        except (HydraException, OmegaConfBaseException):
            return  # said when it is launched
        if isinstance(asked, int | float) and asked < done:
            raise UserError(
                f"num_updates={asked:g}: {name} is done, with {done:,} updates. Give as many or "
                "more, or another folder, as in sweep=other"
            )

    def run(self) -> list[float | None]:
        """Run what is left, and say how it ended."""
        self.finish()
        self.tell()
        return [self.returned(name) for name in self.names]

    def finish(self) -> None:
        """Run what is left and can be run."""
        retried = self.config.get("failed") == "retry"
        for name, words in self.words.items():
            end = read_end(self.folder / name)
            if end is not None and (
                settings(end["overrides"]) != settings(words)  # it is to be longer now
                or (retried and end["status"] == "failed")
            ):
                forget_end(self.folder / name)
        if self.left():
            log.info(self.status())
        try:
            # Again where another process that trained some of them has stopped meanwhile.
            while (left := self.left(free=True)) and self.launch(left):
                pass
        except (SystemExit, KeyboardInterrupt):
            log.info(f"{self.status()}\nThe same command does the rest.")
            raise

    def left(self, free: bool = False) -> list[str]:
        """Jobs that have not ended; with `free` only those that no other process trains."""
        found = [name for name in self.words if read_end(self.folder / name) is None]
        return [name for name in found if not (free and is_owned(self.folder / name))]

    def launch(self, names: list[str]) -> bool:
        """Launch jobs; returns whether any of them has ended by that."""
        returns: list[JobReturn] = []
        before, self.errors = len(self.left()), []
        size = self.sweeper.max_batch_size or len(names)
        with self.watched():
            for start in range(0, len(names), size):
                batch = [self.overrides(name) for name in names[start : start + size]]
                assert self.sweeper.launcher is not None
                try:
                    returns += self.sweeper.launcher.launch(batch, initial_job_idx=start)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except (HydraException, OmegaConfBaseException):
                    if all([self.composes(name) for name in names[start:]]):
                        raise
                except Exception as error:  # of the launcher: a machine is lost, a worker killed
                    log.debug("the launcher failed", exc_info=True)
                    self.errors.append(f"{type(error).__name__}: {error}")
        stopped = (r._return_value for r in returns if r.status == JobStatus.FAILED)
        self.errors += [str(error) for error in stopped if isinstance(error, JobStopped)]
        return len(self.left()) < before

    def composes(self, name: str) -> bool:
        """Whether a job has a configuration; one that has none has failed."""
        assert self.sweeper.hydra_context is not None
        loader = self.sweeper.hydra_context.config_loader
        try:
            loader.load_sweep_config(self.config, self.overrides(name))
        except (HydraException, OmegaConfBaseException) as error:
            said = " ".join(str(error).split())
            record_end(self.folder / name, self.words[name], error=f"cannot be composed: {said}")
            log.error(f"failed: {name}: cannot be composed: {said}")
            return False
        return True

    def overrides(self, name: str) -> list[str]:
        """A job's overrides, and where and how it runs."""
        words = list(self.words[name])
        if not any(word.lstrip("+").startswith("resume=") for word in words):
            words.append("resume=auto")
        places = {"dir": self.folder, "subdir": name}
        return words + [f"hydra.sweep.{key}={quoted(str(at))}" for key, at in places.items()]

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Print how the sweep stands whenever a job ends that runs in another process."""
        if str(self.config.hydra.launcher._target_).endswith(".BasicLauncher"):
            yield  # each job says so itself
            return
        over = threading.Event()

        def watch() -> None:
            seen = len(self.left())
            while not over.wait(_EVERY):
                if (left := len(self.left())) != seen:
                    seen = left
                    log.info(self.status())

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def status(self) -> str:
        """One line about the jobs of this command."""
        return status_line(self.folder.name, [read_job(self.folder / n) for n in self.words])

    def tell(self) -> None:
        """Print the table and the next steps.

        Raises:
            SystemExit: some jobs failed, or stopped.
        """
        jobs = [job for job in read_sweep(self.folder) if job.name in self.words]
        here = Path.cwd()
        shown = self.folder.relative_to(here) if here in self.folder.parents else self.folder
        log.info(summary(shown, jobs))
        log.info(status_line(self.folder.name, jobs))
        failed = [job.name for job in jobs if job.status == "failed"]
        if self.errors:
            raise SystemExit(f"Error: jobs stopped: {'; '.join(dict.fromkeys(self.errors))}")
        if failed:
            raise SystemExit(f"Error: {len(failed)} of {len(jobs)} jobs failed, as said above")

    def returned(self, name: str) -> float | None:
        """What a job returned to whoever optimizes it."""
        end = read_end(self.folder / name)
        return None if end is None else end["returned"]
