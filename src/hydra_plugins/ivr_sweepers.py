"""Where Hydra looks for sweepers: its plugins must live in a package of this name.

Imported whenever Hydra starts, so that the work is done elsewhere.
"""

from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper


class ResumingSweeper(BasicSweeper):
    """Takes comma lists as Hydra's own sweeper, and does what is left of a sweep."""

    def sweep(self, arguments: list[str]) -> Any:
        """Run the jobs that are not done, and say how the sweep stands."""
        from ivr.config.sweep.run import sweep

        return sweep(self, arguments)
