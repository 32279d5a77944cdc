"""Score a checkpoint again: python evaluate.py checkpoint=PATH episodes=100 video=true."""

import sys

import hydra
from omegaconf import DictConfig

from ivr import cli, run_evaluation


@hydra.main(config_path="conf", config_name="evaluate", version_base="1.3")
@cli.job
def main(config: DictConfig) -> None:
    """Evaluate as configured."""
    run_evaluation.run_evaluation(config)


if __name__ == "__main__":
    sys.argv[1:] = cli.prepare(sys.argv[1:], "evaluate")
    main()
