"""Gather results: python report.py folder=outputs/sweeps/... x=noise.expert_fraction."""

from ivr.config.entry import main

if __name__ == "__main__":
    main("report")
