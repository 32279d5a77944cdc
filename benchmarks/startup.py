"""How long from the command to the first update? With a warm cache, and converting a million.

    python benchmarks/startup.py            # five warm starts, one cold

Starts `python train.py ... compile=false` and waits for the first update's line in its metrics.csv.
The warm starts train on pointmaze-medium, the cold one on a million AntMaze transitions that were
never seen before, so it reads, checks and converts them first.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from million import words, write
from rounds import machine, spread

ROOT = Path(__file__).parents[1]
PATIENCE = 600.0
ENOUGH_OF_A_LIST = 8


def first_update(folder: Path, given: list[str], environ: dict[str, str]) -> float:
    """Seconds from the command to the first update."""
    command = [
        sys.executable, str(ROOT / "train.py"), *given, "compile=false", "device=cpu",
        "log_every=1", "num_updates=1000000", f"hydra.run.dir={folder}",
    ]  # fmt: skip
    metrics = folder / "metrics.csv"
    with tempfile.TemporaryFile("w+") as said:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said, env=environ)
        try:
            while not (metrics.exists() and "\n1," in metrics.read_text()):
                if process.poll() is not None or time.perf_counter() - started > PATIENCE:
                    said.seek(0)
                    raise SystemExit(f"{' '.join(command)}:\n{said.read()}")
                time.sleep(0.01)
            return time.perf_counter() - started
        finally:
            process.kill()
            process.wait()


def slow_imports() -> list[str]:
    """What takes longest to import, with what it imports in turn; the packages alone."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import ivr.commands.train"],
        capture_output=True, text=True, cwd=ROOT, check=True,
    )  # fmt: skip
    found = re.findall(r"^import time: +\d+ \| +(\d+) \| +([\w.]+)$", done.stderr, re.M)
    packages = {name: int(time_) / 1e6 for time_, name in found}
    named = [
        name
        for name in packages
        if "." not in name or name in ("torch._dynamo", "ivr.commands.train")
    ]
    longest = sorted(named, key=packages.__getitem__, reverse=True)[:ENOUGH_OF_A_LIST]
    return [f"{name} {packages[name]:.2f} s" for name in longest]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--transitions", type=int, default=1_000_000)
    parser.add_argument("--data", default="pointmaze-medium", help="dataset of the warm starts")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="ivr-startup-") as name:
        folder = Path(name)
        warm = [f"dataset={given.data}"]
        first_update(folder / "unmeasured", warm, dict(os.environ))
        seconds = [
            first_update(folder / f"warm{k}", warm, dict(os.environ)) for k in range(given.rounds)
        ]
        what = write(folder / "million", given.transitions)
        environ = os.environ | {"IVR_CACHE": str(folder / "cache")}
        cold = first_update(folder / "cold", words(folder / "million"), environ)
        again = first_update(folder / "again", words(folder / "million"), environ)
    print(machine())
    print(f"imports, one within the other: {', '.join(slow_imports())}")
    print(f"\n{'':44}  seconds to the first update (lowest to highest)")
    print(f"{given.data + ', warm cache':44}{spread(seconds)}")
    print(f"{'AntMaze, cold':44}{cold:8.2f}   {what}")
    print(f"{'AntMaze, warm cache':44}{again:8.2f}\n")
    print(f"warm_seconds={statistics.median(seconds):.2f} cold_seconds={cold:.1f}")


if __name__ == "__main__":
    main()
