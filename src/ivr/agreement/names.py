"""What the numbers of observations and actions are called, in messages and to a policy's users."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ivr.errors import printable


class Names(NamedTuple):
    """A name for each number, such as pressure_Pa; empty where the data name none."""

    observations: tuple[str, ...] = ()
    """O names."""
    actions: tuple[str, ...] = ()
    """A names."""

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> "Names":
        """Take the names out of a checkpoint's description (its "ivr"), one for each number.

        Numbers that the data do not name are called observation_0, action_0 and so on, as the
        columns of a table are.
        """
        known = description["dataset"]
        widths = known["observation_dim"], len(known["action_low"])
        given = known.get("observation_names") or (), known.get("action_names") or ()
        return cls(
            *(
                all_names(names, kind, width)
                for names, kind, width in zip(given, ("observation", "action"), widths, strict=True)
            )
        )


def all_names(names: Sequence[str], kind: str, width: int) -> tuple[str, ...]:
    """Name each of `width` numbers: as `names` says, or kind_0, kind_1, ... where that is empty."""
    return tuple(names) if names else tuple(f"{kind}_{number}" for number in range(width))


def called(names: Sequence[str], kind: str, number: int) -> str:
    """Call one number in a message: by its name, else as in "action 3"."""
    return names[number] if names else f"{kind} {number}"


def name_each(column: str, width: int) -> list[str]:
    """Name the numbers of an array of `width` columns: by its name alone where it has one."""
    name = printable(column)
    return [name] if width == 1 else [f"{name}[{i}]" for i in range(width)]
