"""The page of the data card: what is text stays text, and the pictures show the data's range."""

from html import escape
from types import SimpleNamespace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ivr.inspection import plots
from ivr.inspection.page import page
from ivr.inspection.streaming import Histogram
from tests.inspection.inspecting import d4rl_words, inspect

EVIL = "<img src=x onerror=alert(1)>\x1b[31m'\""


def _replaced(value: Any) -> Any:
    """The same card with every text in it replaced."""
    if isinstance(value, dict):
        return {key: _replaced(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_replaced(entry) for entry in value]
    return EVIL if isinstance(value, str) else value


def test_no_text_of_a_card_is_markup(tmp_path):
    def spoil(columns: Any) -> None:
        columns["rewards"][3:9] = np.nan
        columns["observations"][:, 0] = columns["next_observations"][:, 0] = 5

    card, error = inspect(tmp_path / "run", *d4rl_words(tmp_path, spoil), "show=2")
    assert error is not None and card["warnings"]
    made = page(_replaced(card), {EVIL: "<svg></svg>"})
    assert "<img src=x" not in made and "\x1b" not in made
    # Jinja2 writes quotes as numbers.
    shown = (
        escape(EVIL.replace("\x1b", r"\x1b")).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
    )
    # The title, the heading, source, place and environment; two defects, their warning, and all
    # figures once more; the picture's name and its text.
    assert made.count(shown) >= 11
    assert "and 4 more" in made


def test_the_axis_of_rewards_ends_where_they_do():
    histogram = Histogram()
    histogram.add(np.array([0.5, 0.6]))
    histogram.add(np.array([6.5]))  # the range doubles until it holds this one, to far beyond it
    assert histogram.edges[-1] > 6.6
    for scale, shift in ((1.0, 0.0), (-2.0, 1.0)):
        axes = Figure().add_subplot()
        transform = {"name": "scale_shift", "scale": scale, "shift": shift}
        plots._rewards(axes, {"reward_transform": transform}, SimpleNamespace(rewards=histogram))
        (stairs,) = axes.patches
        ends = sorted((scale * 0.5 + shift, scale * 6.5 + shift))
        drawn = stairs.get_data().edges
        assert np.all(np.abs(drawn[[0, -1]] - ends) <= abs(scale) * histogram.width)
        assert stairs.get_data().values.sum() == 3 and np.all(np.diff(drawn) > 0)


def test_of_missing_rewards_nothing_is_drawn(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("observation,action,rewards,episode\n" + "0.5,1,,0\n0.5,0,,0\n" * 3)
    words = ("dataset=arrays", f"dataset.path={path}")
    _, error = inspect(tmp_path / "run", *words, pictures=True)
    assert error is not None
    drawn = (tmp_path / "run" / "card.html").read_text()
    assert "Returns" in drawn and "Rewards" not in drawn


def test_few_episodes_have_few_bins():
    for episodes, bins in ((1, 5), (60, 8), (1000, 20), (100_000, 50)):  # 2 n^(1/3), from 5 to 50
        axes = Figure().add_subplot()
        plots._spread(axes, np.arange(episodes), "steps")
        assert len(axes.patches) == bins
