"""Gather results: python report.py folder=outputs/sweeps/... x=noise.expert_fraction."""

import sys

import hydra

from ivr.commands import report as run_report
from ivr.config import command_line as cli

main = hydra.main(config_path=str(cli.CONFIG_DIR), config_name="report", version_base="1.3")(
    cli.job(run_report.run_report)
)

if __name__ == "__main__":
    sys.argv[1:] = cli.prepare(sys.argv[1:], "report")
    main()
