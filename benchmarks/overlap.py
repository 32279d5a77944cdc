"""Would evaluating while training goes on save time? One after the other over both at once.

    python benchmarks/overlap.py

An evaluation on AntMaze and as much training (the textbook loop, on made-up data) take turns, and
then run side by side, the evaluation in a thread: the saving that `eval_async` could bring at most,
as it would have to copy the policy besides.
"""

import argparse
import statistics
import threading
import time
from collections.abc import Callable

import torch
from evaluation import ACTIONS, WIDTH, antmaze
from rounds import machine, spread
from textbook import Textbook

from ivr.algos.ivr import ImplicitValueRegularization
from ivr.evaluation.rollout import EnvironmentPool, evaluate

ROWS = 100_000


def seconds(*jobs: Callable[[], None]) -> float:
    """All at once, until the last has ended."""
    threads = [threading.Thread(target=job) for job in jobs[1:]]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    jobs[0]()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=32)
    parser.add_argument("--steps", type=int, default=200, help="of an episode")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args(arguments)
    made_up = torch.randn(ROWS, WIDTH), torch.rand(ROWS, ACTIONS), torch.randn(ROWS)
    loop = Textbook(*made_up, torch.zeros(ROWS), torch.randn(ROWS, WIDTH))
    policy = ImplicitValueRegularization(
        seeds=[0], observation_dim=WIDTH, action_low=[-1.0] * ACTIONS,
        action_high=[1.0] * ACTIONS, num_updates=1, order=1.0, alpha=[1.0],
    )  # fmt: skip
    with EnvironmentPool(antmaze(given.steps)) as pool:

        def episodes() -> None:
            with torch.no_grad():
                evaluate(pool, policy, members=1, episodes=given.episodes, seed=0)

        def train(updates: int) -> None:
            for _ in range(updates):
                loop.update()

        seconds(episodes), seconds(lambda: train(10))  # makes environments, warms up
        each = seconds(lambda: train(50)) / 50
        updates = max(1, round(seconds(episodes) / each))
        after, beside, ratios = [], [], []
        for _ in range(given.rounds):
            after.append(seconds(episodes) + seconds(lambda: train(updates)))
            beside.append(seconds(lambda: train(updates), episodes))
            ratios.append(after[-1] / beside[-1])
    print(machine())
    print(f"{given.episodes} episodes of {given.steps} steps, and {updates} updates")
    print(f"one after the other, seconds   {spread(after)}")
    print(f"both at once, seconds          {spread(beside)}")
    print(f"the one over the other         {spread(ratios)}\n")
    print(f"overlap_ratio={statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
