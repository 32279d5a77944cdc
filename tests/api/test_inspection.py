"""Looking at data from Python: every defect is an entry, not an exception."""

import numpy as np
import pytest

import ivr
from tests.api.api_making import log


def test_every_defect_is_told_and_none_raised(tmp_path, capsys):
    arrays = log()
    arrays["observations"][7, 1] = np.nan
    arrays["actions"][30, 0] = 101
    np.savez(tmp_path / "log.npz", **arrays)
    options = {"path": tmp_path / "log.npz", "action_low": 0, "action_high": 100}
    found = ivr.inspect_data(**options, folder=tmp_path / "card", verbose=False)
    assert capsys.readouterr().out == "" and (tmp_path / "card" / "card.html").is_file()
    missing, beyond = sorted(found.defects, key=lambda text: "outside" in text)
    assert "1 in all" in missing and "row 7" in missing and "nan" in missing
    assert "1 in all" in beyond and "row 30" in beyond and "101" in beyond
    assert found.card["rows"] == 60 and found.warnings


def test_data_that_cannot_be_opened_are_an_error():
    with pytest.raises(ivr.UserError, match=r"dataset.path=nowhere.csv does not exist"):
        ivr.inspect_data(path="nowhere.csv")
