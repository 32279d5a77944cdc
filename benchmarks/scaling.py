"""How does the speed grow with the members of a stack, and with the networks? A table and a plot.

    python benchmarks/scaling.py                               # draws docs/throughput.png
    python benchmarks/scaling.py --members 1 8 --hidden 512 --plot /tmp/large.png

Each point is a real training (see throughput.py) in rounds by turns with the textbook loop of the
same size, which trains one member: members x updates/s over its updates/s.
"""

import argparse
import statistics
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rounds import Rounds, machine, spread, timed
from throughput import data_words, load, textbook

MEMBERS = (1, 2, 4, 8, 16, 32, 64)
HIDDEN = 256
OTHERS = {128: (1, 8), 512: (1, 8)}
"""Hidden sizes that are measured for fewer members."""


def measure(words: list[str], members: int, hidden: int, rounds: int, updates: int) -> Rounds:
    """Rounds of a training and of the textbook loop."""
    peers = {"textbook": timed(textbook(load(words), hidden).update, updates)}
    chunk = max(1, min(50, 512 // members))  # as `run.train` cuts them
    sized = [*words, f"algo.hidden=[{hidden},{hidden}]", f"seed={list(range(members))}"]
    return Rounds(max(1, 4 // members), rounds, peers).train(sized, chunk)


def plot(found: dict[tuple[int, int], Rounds], path: Path) -> None:
    """Member-updates over the textbook's updates, against members."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for hidden in sorted({size for _, size in found}):
        points = sorted(
            (count, rounds.ratios("textbook", count))
            for (count, size), rounds in found.items()
            if size == hidden
        )
        counts, ratios = zip(*points, strict=True)
        middle = [statistics.median(values) for values in ratios]
        low = [m - min(values) for m, values in zip(middle, ratios, strict=True)]
        high = [max(values) - m for m, values in zip(middle, ratios, strict=True)]
        label = f"two layers of {hidden}"
        axes.errorbar(counts, middle, (low, high), marker="o", capsize=3, label=label)
    axes.axhline(1, color="grey", linestyle=":")
    counts = sorted({count for count, _ in found})
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("members trained side by side")
    axes.set_ylabel("member-updates/s over the textbook loop")
    axes.legend()
    figure.savefig(path, dpi=120)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a file in D4RL's format")
    parser.add_argument("--members", type=int, nargs="*")
    parser.add_argument("--hidden", type=int, nargs="*")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=100, help="of a round of the textbook")
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--plot", type=Path, default=Path("docs/throughput.png"))
    given = parser.parse_args(arguments)
    words = [
        *data_words(given.data), "algo=sql", "device=cpu",
        f"compile={str(not given.no_compile).lower()}",
    ]  # fmt: skip
    sizes = [(m, h) for h in given.hidden or (HIDDEN,) for m in given.members or MEMBERS]
    if not given.hidden and not given.members:
        sizes += [(members, hidden) for hidden, few in OTHERS.items() for members in few]
    found = {size: measure(words, *size, given.rounds, given.updates) for size in sizes}
    print(machine())
    print(table(found))
    plot(found, given.plot)
    print(f"{given.plot} written")


def table(found: dict[tuple[int, int], Rounds]) -> str:
    """A row for each size."""
    heads = f"{'hidden':>6} {'members':>7} {'updates/s':>10}{'textbook':>10}{'compiling':>11}"
    lines = [f"{heads}   ratio (lowest to highest)"]
    for (members, hidden), rounds in found.items():
        rates = (statistics.median(r) for r in (rounds.rates, rounds.found["textbook"]))
        numbers = "".join(f"{rate:10.1f}" for rate in rates)
        ratio = spread(rounds.ratios("textbook", members))
        lines.append(f"{hidden:>6} {members:>7} {numbers}{rounds.compiling:9.0f} s  {ratio}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
