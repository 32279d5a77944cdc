"""What the folders of configuration hold: this project's own, and those that a person adds."""

import functools
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from ivr.data.sources.stand_ins import GENERATED
from ivr.errors import UserError
from ivr.files import unique_suffix
from ivr.programs import command

_PACKAGED = Path(__file__).parents[1] / "conf"
CONFIG_DIR = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[3] / "conf"
"""conf/ of the checkout; a wheel holds it inside the package."""


@dataclass(frozen=True)
class Search:
    """Where configuration is looked for besides CONFIG_DIR, and what is composed of it."""

    config_name: str = "config"
    folders: Sequence[str] = field(default=())
    """Folders, or addresses such as pkg://mypackage.conf, as hydra.searchpath takes them."""

    @property
    def _fixed(self) -> list[str]:
        quoted = ["'" + folder.replace("'", "\\'") + "'" for folder in self.folders]
        return [f"hydra.searchpath=[{','.join(quoted)}]"] if quoted else []

    def choices(self, group: str) -> list[str]:
        """The names that an option such as algo or dataset can take; none of what is no group."""
        with _loader() as loader:
            return loader.get_group_options(
                group, config_name=self.config_name, overrides=self._fixed
            )

    def compose(self, overrides: Sequence[str], with_hydra: bool = False) -> DictConfig:
        """The configuration of these overrides.

        Args:
            overrides: whose options exist.
            with_hydra: keep Hydra's own node in it, as `hydra`.

        Raises:
            UserError: a file is not there or cannot be read.
        """
        try:
            with _loader():
                return compose(self.config_name, [*self._fixed, *overrides], with_hydra)
        except (HydraException, OmegaConfBaseException, YAMLError) as error:
            raise UserError(" ".join(str(error).split())) from None


def choices(group: str) -> list[str]:
    """The names of a group in this project's own configuration."""
    return Search().choices(group)


@contextmanager
def _loader() -> Iterator[ConfigLoader]:
    if not CONFIG_DIR.is_dir():
        raise UserError(
            f"there is no configuration in {CONFIG_DIR}: install the project whole, with pip "
            "install . or pip install -e . in a checkout of it"
        )
    hydra: Any = GlobalHydra.instance()
    if hydra.is_initialized():  # within Hydra's own help, and within a test's configuration
        yield hydra.config_loader()
        return
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        yield hydra.config_loader()


def _wrapped(names: list[str]) -> str:
    """A list that stands in the right column of the help."""
    indent = "\n" + 17 * " "
    return indent.join(textwrap.wrap(", ".join(names), 80, break_on_hyphens=False))


def _wrapped_choices(group: str) -> str:
    """The choices of a group, for the help: OmegaConf asks eight times in each composition."""
    with _loader() as loader:
        return _looked_up(group, str(loader.get_search_path()))


@functools.cache
def _looked_up(group: str, search_path: str) -> str:
    return _wrapped(choices(group))


def _if_d4rl(of_d4rl: Any, other: Any, *, _parent_: DictConfig) -> Any:
    """The first value where the node that it stands in is of D4RL's body, else the second.

    That is with source=d4rl, and where this project makes data with body=d4rl.
    """
    source, body = _parent_.get("source"), _parent_.get("body")
    return of_d4rl if source == "d4rl" or (source, body) == ("generated", "d4rl") else other


OmegaConf.register_new_resolver("if_d4rl", _if_d4rl)
# Two runs that start in the same second get folders of their own.
OmegaConf.register_new_resolver("unique", unique_suffix, use_cache=True)
OmegaConf.register_new_resolver("first", lambda *values: next(x for x in values if x))
# --help says how each program is started here, and lists what there is.
OmegaConf.register_new_resolver("command", command)
OmegaConf.register_new_resolver("choices", _wrapped_choices)
OmegaConf.register_new_resolver("generated", lambda: _wrapped(list(GENERATED)))
