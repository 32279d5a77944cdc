"""Keeps a run's log.txt and `.hydra/`, from the moment when the run is accepted.

Hydra itself writes both before it calls anything: into the folder of another run too, where a run
is refused.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging.handlers import MemoryHandler
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ivr.errors import printable
from ivr.training.folder import refuse_links


class Printable(logging.Formatter):
    """Spells out what would steer a terminal: a message may quote a file."""

    def format(self, record: logging.LogRecord) -> str:
        """Format as the base class does."""
        return printable(super().format(record))


_NEVER = logging.CRITICAL + 1
_LINES = 10_000
"""Held at most until a run is accepted."""


class RunFiles:
    """Holds what is logged until `begin`, then writes it and whatever follows.

    Args:
        folder: of the run.
        configs: by the name of their file in `.hydra/`.
    """

    def __init__(self, folder: Path, configs: dict[str, Any]) -> None:
        self.folder = folder
        self.configs = configs
        self.held = MemoryHandler(_LINES, flushLevel=_NEVER, flushOnClose=False)
        self.begun = False

    def begin(self) -> None:
        """Write what was logged so far, and the configuration.

        Raises:
            UserError: a file of the folder leads elsewhere.
        """
        if self.begun:
            return
        self.begun = True
        self.folder.mkdir(parents=True, exist_ok=True)
        refuse_links(self.folder)
        # Whatever the locale says; a name that is no text at all is spelled out.
        file = logging.FileHandler(
            self.folder / "log.txt", encoding="utf-8", errors="backslashreplace"
        )
        file.setFormatter(Printable("[%(asctime)s] %(message)s"))
        self.held.setTarget(file)
        self.held.flush()
        self.held.flushLevel = logging.NOTSET
        (self.folder / ".hydra").mkdir(exist_ok=True)
        for name, config in self.configs.items():
            OmegaConf.save(config, self.folder / ".hydra" / name)

    def close(self) -> None:
        """Close the file; a folder into which nothing was written is removed."""
        self.held.close()
        if isinstance(self.held.target, logging.FileHandler):
            self.held.target.close()
        if not self.begun:
            with suppress(OSError):  # it is another run's, or never was
                self.folder.rmdir()


@contextmanager
def run_files(folder: Path, configs: dict[str, Any]) -> Iterator[RunFiles]:
    """Keep the files of a run inside of the block."""
    files, root = RunFiles(folder, configs), logging.getLogger()
    root.addHandler(files.held)
    try:
        yield files
    finally:
        root.removeHandler(files.held)
        files.close()
