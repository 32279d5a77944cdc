"""Lays the data card out as text for the terminal."""

from typing import Any

from ivr.data.sources.defects import BOUNDS
from ivr.errors import printable

_WIDTH = 14
_ACTIONS = 20
"""Lines of them."""
_NAME = 24
"""Letters of a name."""


def card_text(card: dict[str, Any]) -> str:
    """Lay out figures, checks, warnings and defects as aligned text, safe to print."""
    lines = ["", f"{card['dataset']}: {card['source']} at {card['place']}"]
    lines += _figures(card) + _actions(card["actions"]) + _observations(card["observations"])
    lines += _maze(card["maze"], card["recorded"]["episodes"])
    lines += _replay(card["certificate"])
    clipped = {BOUNDS: card["actions"]["clipped"]}
    lines += ["", "checks"]
    lines += [_check(kind, found, clipped.get(kind, 0)) for kind, found in card["defects"].items()]
    if card["warnings"]:
        lines += ["", "legal, and worth a look", *(f"  {said}" for said in card["warnings"])]
    for kind, found in card["defects"].items():
        if found["count"]:
            lines += ["", f"{kind}: {found['count']:,}"]
            lines += [f"  {defect['place']}: {defect['what']}" for defect in found["first"]]
            more = found["count"] - len(found["first"])
            lines += [f"  and {more:,} more (show=N prints more)"] if more else []
            advice = dict.fromkeys(defect["advice"] for defect in found["first"])
            lines += [f"  {one}" for one in advice if one]
    return printable("\n".join(lines))


def _figures(card: dict[str, Any]) -> list[str]:
    recorded, kept = card["recorded"], card["trained_on"]
    transform = card["reward_transform"]["name"]
    lines = ["", _line("", "recorded", "trained on")]
    for key in ("episodes", "steps", "terminated", "truncated"):
        lines.append(_line(key, f"{recorded[key]:,}", f"{kept[key]:,}"))
    names = {"lengths": ("shortest", "median", "longest"), "returns": ("least", "mean", "best")}
    for key, words in names.items():
        for word, one, other in zip(words, recorded[key], kept[key], strict=True):
            lines.append(_line(f"{key}, {word}", _short(one), _short(other)))
    for i, word in enumerate(("least", "mean", "greatest")):
        pair = [_short(side["rewards"][i]) if side["rewards"] else "-" for side in (recorded, kept)]
        lines.append(_line(f"rewards, {word}", *pair))
    lines.append(f"rewards are trained on after dataset.reward={transform}, returns are before it")
    return lines


def _actions(actions: dict[str, Any]) -> list[str]:
    header = ("low", "high", "least", "greatest", "at a bound", "covered")
    lines = ["", _line("actions", *header)]
    if "min" not in actions:
        return []
    for i in range(min(actions["numbers"], _ACTIONS)):
        bound = actions["at_low"][i] + actions["at_high"][i]
        columns = [actions[key][i] for key in ("low", "high", "min", "max")]
        shares = (f"{bound:.1%}", f"{actions['covered'][i]:.0%}")
        lines.append(_line(_name(actions, i), *map(_short, columns), *shares))
    more = actions["numbers"] - _ACTIONS
    return lines + ([f"  and {more} more, on the page"] if more > 0 else [])


def _observations(observations: dict[str, Any] | None) -> list[str]:
    if not observations or "min" not in observations:
        return []
    least, greatest = min(observations["min"]), max(observations["max"])
    numbers, constant = observations["numbers"], len(observations["constant"])
    words = f"{numbers} numbers from {_short(least)} to {_short(greatest)}, {constant} constant"
    lines = ["", f"{'observations':<20}    {words}", ""]
    lines.append(_line("", "least", "mean", "deviation", "greatest"))
    for i in range(min(numbers, _ACTIONS)):
        columns = [observations[key][i] for key in ("min", "mean", "deviation", "max")]
        lines.append(_line(_name(observations, i), *map(_short, columns)))
    more = numbers - _ACTIONS
    return lines + ([f"  and {more} more, in card.json"] if more > 0 else [])


def _name(of: dict[str, Any], number: int) -> str:
    """The name of a number; one that is too long for its column loses its middle."""
    name = of["names"][number]
    return f"  {name}" if len(name) <= _NAME else f"  {name[: _NAME - 9]}...{name[-6:]}"


def _maze(maze: dict[str, Any] | None, episodes: int) -> list[str]:
    if maze is None:
        return []
    leading = maze["episodes_from_start_to_goal"]
    found = f"{leading:,} of {episodes:,} episodes lead from the evaluation's start to its goal"
    if not leading:
        found += ": the way has to be put together from several"
    cells = f"start {tuple(maze['start_cell'])}, goal {tuple(maze['goal_cell'])}, {maze['cells']}"
    return ["", f"{'maze':<20}    {cells}", f"{'':<20}    {found}"]


def _replay(certificate: dict[str, Any] | None) -> list[str]:
    """How far off each number of an observation is after one replayed step."""
    if certificate is None:
        return []
    lines = ["", f"replay {certificate['words']}"]
    if "deviations" not in certificate:
        return lines
    names = ("median", "99 %", "largest", "median, dev.", "99 %, dev.", "largest, dev.")
    lines += ["", _line("off by", *names)]
    rows = zip(certificate["units_by_number"], certificate["deviations_by_number"], strict=True)
    for i, (units, deviations) in enumerate(rows):
        lines.append(_line(f"  {i}", *map(_off, (*units, *deviations))))
    worst = map(_off, certificate["deviations"])
    return [*lines, _line("  the worst of each", "", "", "", *worst)]


def _off(value: float | None) -> str:
    return "nan" if value is None else f"{value:.2g}"


def _check(kind: str, found: dict[str, Any], clipped: int) -> str:
    count = f"{clipped:,} clipped" if clipped else found["count"] or "none"
    return f"  {kind:<50}{count:>10}"


def _line(name: str, *cells: str) -> str:
    return f"{name:<{_NAME + 2}}" + "".join(f"{cell:>{_WIDTH}}" for cell in cells)


def _short(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e9 else f"{value:.4g}"
