"""Register this project's environments with Gymnasium, without importing it.

Gymnasium takes a few tenths of a second to import and `import ivr` should not, so what is imported
later is registered later: right after Gymnasium's own import.
"""

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from typing import Any

ENVIRONMENTS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "ivr/D4RLAntMaze-umaze-v2": ("antmaze:D4RLAntMaze", 700, {"maze": "umaze"}),
    "ivr/D4RLAntMaze-medium-v2": ("antmaze:D4RLAntMaze", 1000, {"maze": "medium"}),
    "ivr/D4RLAntMaze-large-v2": ("antmaze:D4RLAntMaze", 1000, {"maze": "large"}),
    "ivr/D4RLKitchen-complete-v0": ("kitchen:D4RLKitchen", 280, {"tasks": "complete"}),
    "ivr/D4RLKitchen-partial-v0": ("kitchen:D4RLKitchen", 280, {"tasks": "partial"}),
    "ivr/D4RLKitchen-mixed-v0": ("kitchen:D4RLKitchen", 280, {"tasks": "mixed"}),
}
"""Where each id is made, its limit of steps and its arguments.

D4RL's `diverse` and `play` name data sets: it evaluates both in the same environment.
"""


def register() -> None:
    """Register the environments now if Gymnasium is imported, else right after its import."""
    if "gymnasium" in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _AfterGymnasium())


def _register() -> None:
    import gymnasium

    for name, (place, steps, kwargs) in ENVIRONMENTS.items():
        gymnasium.register(
            name, f"ivr.environments.{place}", max_episode_steps=steps, kwargs=kwargs
        )


class _AfterGymnasium:
    """Find Gymnasium as usual, and register once it has been executed."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != "gymnasium":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        loader: Any = spec and spec.loader
        if loader is not None:
            execute = loader.exec_module

            def exec_module(module: Any) -> None:
                execute(module)
                _register()

            loader.exec_module = exec_module
        return spec
