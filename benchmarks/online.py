"""How fast is finetune.py, against a textbook loop? Steps and updates a second, as ratios.

    python benchmarks/online.py                             # PointMaze and Hopper; some minutes
    python benchmarks/online.py --tasks hopper --members 1

Ours is `online=remodel` end to end, in its blocks of 50 steps and 50 updates: Trainer, logs and
checkpoints are on, and only the evaluation is left out. The textbook loop has one environment and
one run, and as many updates as steps. Rounds of both take turns, so that whatever else the machine
does slows both alike. The data are made by the project, and hardly matter to the speed.
"""

import argparse
import statistics
import tempfile
from contextlib import closing
from pathlib import Path

from gymnasium.wrappers import RescaleAction
from hydra import compose, initialize_config_dir
from rounds import WARM_UP, Rounds, machine, spread, timed
from textbook_online import TextbookOnline
from throughput import load

from ivr.commands.finetune import finetune
from ivr.commands.train import train
from ivr.config.schema import TrainConfig
from ivr.config.search import CONFIG_DIR
from ivr.data.facts import basic_facts
from ivr.evaluation.task.build import make_task

BLOCK = 50
TASKS = {
    "pointmaze": ["dataset=pointmaze-medium", "dataset.transitions=20000"],
    "hopper": ["dataset=hopper-random", "dataset.transitions=20000"],
}
HIDDEN = 256


def composed(words: list[str], name: str = "config"):
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        return compose(name, words)


def textbook(words: list[str]) -> TextbookOnline:
    """In an environment of the task, which shows and bounds what the data do."""
    data, spec = load(words), TrainConfig.parse(composed(words)).task
    task = make_task(spec, basic_facts(data), data.info.env_spec)
    assert task
    s = data.observations
    columns = s[data.rows], data.actions, data.rewards, data.terminated.float(), s[data.rows + 1]
    return TextbookOnline(RescaleAction(task.make_env(), -1.0, 1.0), columns, HIDDEN)


def measure(words: list[str], members: int, given: argparse.Namespace) -> Rounds:
    """Rounds of a run online and of the textbook loop, after one of each that is not counted."""
    loop = textbook(words)
    with tempfile.TemporaryDirectory(prefix="ivr-benchmark-") as folder, closing(loop.env):
        offline = [
            *words, f"algo.hidden=[{HIDDEN},{HIDDEN}]", f"seed={list(range(members))}",
            f"num_updates={BLOCK}", f"eval_every={BLOCK}", "eval_episodes=1", "device=cpu",
            "compile=false",
        ]  # fmt: skip
        (Path(folder) / "offline").mkdir()
        train(composed(offline), Path(folder) / "offline", offline)
        rounds = Rounds(given.blocks, given.rounds, {"textbook": timed(loop.step, given.steps)})
        blocks = WARM_UP + given.blocks * given.rounds + 1
        online = [
            f"checkpoint={folder}/offline/checkpoints/last.ckpt",
            f"num_steps={BLOCK * (blocks + 2)}",
            f"warmup_steps={2 * BLOCK}", f"collect_every={BLOCK}", "online.remodel=fqe",
            "online.evaluation_updates=0", f"eval_every={blocks * BLOCK}",
            "eval_episodes=1", f"log_every={given.blocks * BLOCK}",
            f"checkpoint_every={given.blocks * BLOCK}", "device=cpu",
            f"compile={str(not given.no_compile).lower()}",
        ]  # fmt: skip
        (Path(folder) / "online").mkdir()
        finetune(composed(online, "finetune"), Path(folder) / "online", online, callbacks=[rounds])
    assert len(rounds.rates) == given.rounds
    return rounds


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="*", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--members", type=int, nargs="*", default=[1, 4])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--blocks", type=int, default=4, help="of 50 steps and updates, a round")
    parser.add_argument("--steps", type=int, default=50, help="of a round of the textbook loop")
    parser.add_argument("--no-compile", action="store_true")
    given = parser.parse_args(arguments)
    found = {
        (task, members): measure(TASKS[task], members, given)
        for task in given.tasks
        for members in given.members
    }
    print(machine())
    print(f"medians of {given.rounds} rounds; a step of each member comes with an update of each\n")
    print(f"{'task':10} {'members':>7}  ours, steps/s of each    textbook, steps/s    ratio")
    for (task, members), rounds in found.items():
        cells = (rounds.rates, rounds.found["textbook"], rounds.ratios("textbook", members))
        rates, textbooks, ratio = (spread(c, d) for c, d in zip(cells, (1, 1, 2), strict=True))
        print(f"{task:10} {members:>7}{rates}{textbooks}{ratio}")
    ratios = {
        f"{task}_{members}_ratio": statistics.median(rounds.ratios("textbook", members))
        for (task, members), rounds in found.items()
    }
    print("\n" + " ".join(f"{name}={ratio:.2f}" for name, ratio in ratios.items()))


if __name__ == "__main__":
    main()
