"""Train: python train.py algo=sql dataset=antmaze-medium-play alpha=0.5 (--help explains)."""

import sys

import hydra

from ivr import cli, run

main = hydra.main(config_path=str(cli.CONFIG_DIR), config_name="config", version_base="1.3")(
    cli.job(run.train)
)

if __name__ == "__main__":
    sys.argv[1:] = cli.prepare(sys.argv[1:])
    main()
