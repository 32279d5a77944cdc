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


class OptunaSweeper(BasicSweeper):
    """Searches with Optuna; the options are those of conf/hydra/sweeper/ivr_optuna.yaml."""

    def __init__(self, max_batch_size: int | None, params: Any = None, **options: Any) -> None:
        super().__init__(max_batch_size, params)
        self.options = options

    def sweep(self, arguments: list[str]) -> Any:
        """Run the trials that are left of the study, and say what was best."""
        from ivr.config.sweep.search import search

        return search(self, arguments, **self.options)
