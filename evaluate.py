"""Score a checkpoint again: python evaluate.py checkpoint=PATH episodes=100 video=true."""

import sys

import hydra

from ivr.commands import evaluate as run_evaluation
from ivr.config import command_line as cli

main = hydra.main(config_path=str(cli.CONFIG_DIR), config_name="evaluate", version_base="1.3")(
    cli.job(run_evaluation.run_evaluation)
)

if __name__ == "__main__":
    sys.argv[1:] = cli.prepare(sys.argv[1:], "evaluate")
    main()
