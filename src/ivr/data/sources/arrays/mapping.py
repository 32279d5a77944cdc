"""Says which columns of one's own data are what: the node dataset.columns. Light to import."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ivr.errors import UserError, nearest

ROLES = {
    "observations": "observations",
    "actions": "actions",
    "reward": "rewards",
    "next_observations": "next_observations",
    "terminated": "terminated",
    "truncated": "truncated",
    "episode": "episode",
    "time": "time",
}
"""The keys of dataset.columns, and the arrays that they stand for."""

_SINGLE = ("reward", "terminated", "truncated", "time")
_AFTER = ("actions", "reward", "terminated", "truncated")
"""What is only known once an action is chosen, so that no observation may hold it."""


@dataclass(frozen=True)
class ColumnMap:
    """Names of columns for each role that was given; the others are found by their usual names."""

    given: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By key of ROLES. A name may have wildcards: sensor_*."""

    @classmethod
    def parse(cls, node: Mapping[str, Any] | None) -> "ColumnMap":
        """Check a node dataset.columns, which may come from a checkpoint.

        Raises:
            UserError: an unknown key, or a value that is no name and no list of names.
        """
        given = {}
        for role, value in (node or {}).items():
            if role not in ROLES:
                raise UserError(f"unknown key dataset.columns.{role}{nearest(str(role), ROLES)}")
            if value is None:
                continue
            names = value if isinstance(value, list | tuple) else [value]
            # A number is the name of a column in tables whose first line counts them.
            plain = all(type(name) in (str, int) and str(name).strip() for name in names)
            if not names or not plain or (role in _SINGLE and len(names) > 1):
                allowed = "the name of a column" + (
                    "" if role in _SINGLE else ", or a list of such"
                )
                raise UserError(f"dataset.columns.{role}={value}: must be {allowed}")
            given[role] = tuple(str(name).strip() for name in names)
        return cls(given)

    def find(
        self,
        where: str,
        names: Sequence[str],
        partitions: Collection[str] = (),
        matched: Sequence[str] | None = None,
    ) -> dict[str, list[str]]:
        """Find the columns of the given roles: by array, in the order as given.

        Args:
            where: the file, for messages.
            names: of its columns, in its order, in which those that a wildcard matches are taken.
            partitions: columns that the names of folders give, which an episode may be named by.
            matched: the columns that a wildcard may match; None for all of them.

        Raises:
            UserError: a column is not there, given twice, or tells an observation its action.
        """
        found: dict[str, list[str]] = {}
        for role, wanted in self.given.items():
            columns: list[str] = []
            for name in wanted:
                if role == "episode" and name in partitions and name not in names:
                    continue
                of = names if matched is None or name in names else matched
                columns += self._matches(where, role, name, of)
            repeated = next((name for name in columns if columns.count(name) > 1), None)
            if repeated is not None:
                raise UserError(
                    f"dataset.columns.{role}: {repeated} is named twice. Name each column once"
                )
            found[ROLES[role]] = columns
        seen = found.get("observations", ())
        for role in _AFTER:
            both = sorted(set(seen) & set(found.get(ROLES[role], ())))
            if both:
                raise UserError(
                    f"dataset.columns: {', '.join(both)} stands in observations and in {role}, so "
                    "the policy would see what only follows from the action that it is to choose. "
                    "Leave it out of observations, or give the value of the row before as a "
                    f"column of its own, as in log['{both[0]}_before'] = log['{both[0]}'].shift()"
                )
        return found

    def _matches(self, where: str, role: str, name: str, names: Sequence[str]) -> list[str]:
        if name in names:
            return [name]
        shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        if not re.search(r"[*?]", name):
            raise UserError(
                f"dataset.columns.{role}: {where} has no column {name}{nearest(name, set(names))}"
            )
        others = {one for key, columns in self.given.items() if key != role for one in columns}
        pattern = re.escape(name).replace(r"\*", ".*").replace(r"\?", ".")
        matches = [one for one in names if re.fullmatch(pattern, one) and one not in others]
        if not matches:
            raise UserError(
                f"dataset.columns.{role}: {where} has no column like {name}; it has {shown}"
            )
        return matches

    def with_usual(self, usual: Mapping[str, list[str]]) -> dict[str, list[str]]:
        """Leave, of what was found by usual names, the roles that were not given.

        Where observations are given, next_observations of the usual name are others' than theirs.
        """
        given = {ROLES[role] for role in self.given}
        given |= {"next_observations"} if "observations" in given else set()
        return {array: columns for array, columns in usual.items() if array not in given}
