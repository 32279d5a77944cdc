"""Train: python train.py algo=sql dataset=antmaze-medium-play alpha=0.5 (--help explains)."""

import sys

import hydra
from omegaconf import DictConfig

from ivr import cli, run


@hydra.main(config_path="conf", config_name="config", version_base="1.3")
@cli.job
def main(config: DictConfig) -> None:
    """Train as configured."""
    run.train(config)


if __name__ == "__main__":
    sys.argv[1:] = cli.prepare(sys.argv[1:])
    main()
