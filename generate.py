"""Make a dataset of this project's own: python generate.py dataset=antmaze-medium-play."""

import sys

import hydra

from ivr.commands import generate as run_generation
from ivr.config import command_line as cli

main = hydra.main(config_path=str(cli.CONFIG_DIR), config_name="generate", version_base="1.3")(
    cli.job(run_generation.run_generation)
)

if __name__ == "__main__":
    sys.argv[1:] = cli.prepare(sys.argv[1:], "generate")
    main()
