"""The page about the API holds: its quickstart runs, and the words that it names exist."""

import re
from pathlib import Path

import numpy as np
import pytest

import ivr

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_quickstart_leads_from_arrays_to_a_policy(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"<!-- quickstart -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    quick = "num_updates=300, normalize='none', algo__hidden=[32, 32], algo__actor_lr=3e-3"
    short = code.replace("num_updates=2000", quick)
    assert short != code and len(code.splitlines()) <= 12
    names: dict[str, object] = {}
    exec(short, names)
    # It opens in proportion to the level, raw, as far as 300 updates of a small network teach it.
    levels = np.linspace(0.2, 1.8, 9)[:, None]
    opened = names["policy"].act(levels)[:, 0]  # type: ignore[attr-defined]
    assert np.corrcoef(opened, levels[:, 0])[0, 1] > 0.95
    assert opened[-1] - opened[0] > 10
    (said,) = re.findall(r"^\[([\d.]+)\]$", capsys.readouterr().out, re.MULTILINE)
    assert float(said) == pytest.approx(60, abs=15)
    (measured,) = names["run"].held_out  # type: ignore[attr-defined]
    assert measured["action_error"] > 0 and measured["update"] == 300


def test_every_name_of_the_page_exists():
    named = set(re.findall(r"\bivr\.([a-z]\w*)\(", PAGE)) | {"UserError"}
    assert {"train", "evaluate", "from_frame", "load_policy"} <= named <= {*ivr.__all__}
