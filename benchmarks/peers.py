"""Others' code in a process and an environment of its own, which has its libraries and not ours."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = {"d3rlpy": ROOT / ".venv-peers", "authors": ROOT / ".venv-authors"}
"""Folder of each peer."""
TARGETS = {"d3rlpy": "peers", "authors": "authors"}
"""Of the Makefile, that make them."""


class Worker:
    """A program in a peer's environment, which says its name, and answers lines with lines.

    Args:
        peer: one of ENVIRONMENTS.
        program: a file beside this one.
        arguments: of the program.

    Raises:
        FileNotFoundError: its environment is missing.
    """

    def __init__(self, peer: str, program: str, *arguments: str | Path | int) -> None:
        python = ENVIRONMENTS[peer] / "bin" / "python"
        if not python.exists():
            raise FileNotFoundError(
                f"{peer}: {python} is missing; `make {TARGETS[peer]}` installs it"
            )
        # Neither our code nor our settings reach it.
        bare = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "OMP_", "MKL_"))}
        self.process = subprocess.Popen(
            [str(python), str(Path(__file__).with_name(program)), *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=bare,
        )  # fmt: skip
        self.name = self._line()

    def ask(self, question: object) -> str:
        """The answer to a line."""
        assert self.process.stdin
        print(question, file=self.process.stdin, flush=True)
        return self._line()

    def _line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the peer ended with status {self.process.wait()}")
        return line.strip()

    def close(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)
