"""Look at the data first: python inspect_data.py dataset=hopper-medium (--help explains)."""

import sys

import hydra

from ivr.commands import inspect_data as run_inspection
from ivr.config import command_line as cli

main = hydra.main(config_path=str(cli.CONFIG_DIR), config_name="inspect_data", version_base="1.3")(
    cli.job(run_inspection.run_inspection)
)

if __name__ == "__main__":
    sys.argv[1:] = cli.prepare(sys.argv[1:], "inspect_data")
    main()
