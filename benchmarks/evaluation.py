"""How fast are 100 AntMaze episodes, on one core and on all? Steps a second and ratios, by turns.

    python benchmarks/evaluation.py                      # about a minute
    python benchmarks/evaluation.py --members 4          # four policies in one sweep

An untrained policy walks: it never arrives, so every episode has all of its steps.
"""

import argparse
import os
import statistics
import time

import torch
from hydra import compose, initialize_config_dir
from rounds import machine, spread
from torch import Tensor

from ivr.algos.ivr import ImplicitValueRegularization
from ivr.config.schema import TrainConfig
from ivr.config.search import CONFIG_DIR
from ivr.evaluation.rollout import EnvironmentPool, evaluate
from ivr.evaluation.task.build import Task, make_task
from ivr.types import DataFacts

WIDTH, ACTIONS = 29, 8


class Timed:
    """A policy, and the seconds that it took."""

    def __init__(self, algorithm: ImplicitValueRegularization) -> None:
        self.algorithm = algorithm
        self.seconds = 0.0

    def act(self, observations: Tensor) -> Tensor:
        started = time.perf_counter()
        actions = self.algorithm.act(observations)
        self.seconds += time.perf_counter() - started
        return actions

    def state_value(self, observations: Tensor) -> Tensor | None:
        return self.algorithm.state_value(observations)


def antmaze(steps: int) -> Task:
    words = ["dataset=antmaze-medium-play", f"dataset.max_episode_steps={steps}"]
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        spec = TrainConfig.parse(compose("config", words)).task
    facts = DataFacts(WIDTH, [-1.0] * ACTIONS, [1.0] * ACTIONS)
    task = make_task(spec, facts, env_spec=None)
    assert task
    return task


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=100, help="of a sweep, for each member")
    parser.add_argument("--steps", type=int, default=300, help="of an episode")
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3, help="sweeps on each number of cores")
    given = parser.parse_args(arguments)
    task = antmaze(given.steps)
    policy = Timed(
        ImplicitValueRegularization(
            seeds=range(given.members), observation_dim=WIDTH, action_low=[-1.0] * ACTIONS,
            action_high=[1.0] * ACTIONS, num_updates=1, order=1.0, alpha=[1.0] * given.members,
        )
    )  # fmt: skip
    cores = sorted({1, os.cpu_count() or 1})
    pools = {count: EnvironmentPool(task, workers=count) for count in cores}
    speeds: dict[int, list[float]] = {count: [] for count in cores}
    shares: dict[int, list[float]] = {count: [] for count in cores}
    returns = set()
    try:
        for pool in pools.values():  # makes the environments
            evaluate(pool, policy, members=given.members, episodes=given.episodes, seed=0)
        for number in range(given.rounds):
            for count, pool in pools.items():
                policy.seconds = 0.0
                found = evaluate(
                    pool, policy, members=given.members, episodes=given.episodes, seed=number
                )
                speeds[count].append(found.env_steps / found.seconds)
                shares[count].append(policy.seconds / found.seconds)
                returns.add((number, found.lengths.sum()))
    finally:
        for pool in pools.values():
            pool.close()
    print(machine())
    print(f"{task.environment}, {given.members} members, {given.episodes} episodes each a sweep")
    print(f"\n{'':12} steps/s (lowest to highest)      the policy's share of the time")
    for count in cores:
        share = statistics.median(shares[count])
        print(f"{count:>3} workers  {spread(speeds[count], 0)}   {share:.1%}")
    ratios = [b / a for a, b in zip(speeds[cores[0]], speeds[cores[-1]], strict=True)]
    print(f"\n{len(cores)} against 1:  {spread(ratios)}\n")
    print(f"evaluation_ratio={statistics.median(ratios):.2f} cores={cores[-1]}")


if __name__ == "__main__":
    with torch.no_grad():
        main()
