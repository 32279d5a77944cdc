"""What does an update of each algorithm cost, relative to one of sql?

    python benchmarks/algorithms.py                    # compiles each; a quarter of an hour
    python benchmarks/algorithms.py --algos sql cql --no-compile

Every algorithm is trained on the same data (see throughput.py) as `python train.py` would, with its
own networks and batch size, in rounds by turns with the textbook loop, which is the same for all:
updates/s over the textbook's, and what sql's ratio is over that. COMBO is past fitting its model.
"""

import argparse
import statistics
from pathlib import Path

from rounds import Rounds, machine, spread, timed
from throughput import CHUNK, data_words, load, textbook

ALGORITHMS = (
    "sql", "eql", "ivr", "iql", "xql", "onestep", "bc", "bc10", "rvs", "td3bc", "bcq", "cql",
    "calql", "mcq", "combo", "dt",
)  # fmt: skip
COSTLY = ("bcq", "cql", "calql", "mcq", "combo", "dt")
"""Of these, fewer updates make a round of a second or more."""
WORDS = {"combo": ("algo.model_updates=1",)}


def measure(
    algo: str, words: list[str], rounds: int, updates: int, peers_updates: int
) -> tuple[Rounds, list[float]]:
    """Rounds of a training, and their ratios to the textbook loop."""
    peers = {"textbook": timed(textbook(load(words)).update, peers_updates)}
    words = [*words, f"algo={algo}", *WORDS.get(algo, ())]
    # A training cuts its chunks at the ends of rounds, so a round of less than two is one chunk.
    found = Rounds(2 if updates == CHUNK else 1, rounds, peers).train(words, updates)
    return found, found.ratios("textbook")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a file in D4RL's format")
    parser.add_argument("--algos", nargs="*", default=ALGORITHMS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--updates", type=int, help="between two turns of the loop")
    parser.add_argument("--no-compile", action="store_true")
    given = parser.parse_args(arguments)
    compile_ = str(not given.no_compile).lower()
    words = [*data_words(given.data), "device=cpu", f"compile={compile_}"]
    print(f"{machine()}; compile={compile_}")
    print(f"{'algo':8}{'updates/s':>10}{'compiling':>11}   over the textbook's (lowest to highest)")
    ratios = {}
    for algo in dict.fromkeys(("sql", *given.algos)):
        updates = given.updates or (10 if algo in COSTLY else CHUNK)
        found, ratios[algo] = measure(algo, words, given.rounds, updates, given.updates or 100)
        rate = statistics.median(found.rates)
        print(f"{algo:8}{rate:10.1f}{found.compiling:9.0f} s  {spread(ratios[algo])}", flush=True)
    middle = {algo: statistics.median(values) for algo, values in ratios.items()}
    cost = " ".join(f"{algo}={middle['sql'] / value:.2f}" for algo, value in middle.items())
    print(f"cost of an update over one of sql: {cost}")


if __name__ == "__main__":
    main()
