"""Make a dataset of this project's own: python generate.py dataset=pointmaze-medium."""

import sys

import hydra
from omegaconf import DictConfig

from ivr import cli, run_generation


@hydra.main(config_path="conf", config_name="generate", version_base="1.3")
@cli.job
def main(config: DictConfig) -> None:
    """Generate as configured."""
    run_generation.run_generation(config)


if __name__ == "__main__":
    sys.argv[1:] = cli.prepare(sys.argv[1:], "generate")
    main()
