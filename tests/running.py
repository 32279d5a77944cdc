"""Runs the project's jobs inside the test's process, as the root scripts would."""

from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir

from ivr.commands import evaluate as run_evaluation
from ivr.commands import finetune as run_online
from ivr.commands import train as run
from ivr.config.search import CONFIG_DIR

# Small networks, few episodes, and no pictures for TensorBoard, which take a third of the time:
# what is tested is not how well they learn.
SMALL = (
    "dataset=pointmaze-umaze",
    "dataset.max_episode_steps=20",
    "batch_size=32",
    "eval_episodes=2",
    "device=cpu",
    "compile=false",
    "logger=csv",
)


NETWORKS = {
    "dt": ("algo.embedding=16", "algo.layers=1", "algo.context=4"),
    "combo": ("algo.hidden=[16,16]", "algo.model_hidden=[16,16]", "algo.model_updates=3"),
}
"""Overrides that make the networks small, where `algo.hidden` does not."""


def composed(words: tuple[str, ...], config_name: str = "config") -> Any:
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        return compose(config_name, list(words))


def train(folder: Path, *words: str, **more: Any) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    algo = next((word.removeprefix("algo=") for word in words if word.startswith("algo=")), "sql")
    everything = (*SMALL, *NETWORKS.get(algo, ("algo.hidden=[16,16]",)), *words)
    return run.train(composed(everything), folder, list(everything), **more)


def finetune(folder: Path, *words: str) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    return run_online.finetune(composed(words, "finetune"), folder, list(words))


def evaluate(folder: Path, *words: str) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    return run_evaluation.run(composed(words, "evaluate"), folder, list(words))
