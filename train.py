"""Train: python train.py algo=sql dataset=antmaze-medium-play alpha=0.5 (--help explains)."""

import sys
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig

from ivr.config import command_line as cli


def train(config: DictConfig, folder: Path, overrides: list[str]) -> Any:
    """Ask for the data before what trains on them is imported, which takes seconds."""
    cli.check_at_hand(config)
    from ivr.commands import train as run

    return run.train(config, folder, overrides)


main = hydra.main(config_path=str(cli.CONFIG_DIR), config_name="config", version_base="1.3")(
    cli.job(train)
)

if __name__ == "__main__":
    sys.argv[1:] = cli.prepare(sys.argv[1:])
    main()
