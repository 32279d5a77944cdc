import numpy as np
import pytest

from ivr.environments.replay_error import replay_error


def test_errors_are_counted_in_units_and_in_deviations() -> None:
    recorded = np.array([[0.0, 5.0], [4.0, 5.0], [0.0, 5.0], [4.0, 5.0]])  # deviations 2 and 0
    replayed = recorded + np.array([[1, 0], [0, 0], [-3, 0], [0, 0.25]])
    found = replay_error(replayed, recorded)
    # Sorted: 0 0 1 3. The 99th percentile is 0.97 of the way from 1 to 3.
    assert found.units[0] == pytest.approx((0.5, 1 + 0.97 * 2, 3))
    assert found.deviations[0] == pytest.approx((0.25, (1 + 0.97 * 2) / 2, 1.5))
    assert found.deviations[1] == found.units[1] == pytest.approx((0, 0.97 * 0.25, 0.25))
    # The worst number of each transition: 0.5, 0, 1.5, 0.25.
    assert found.overall == pytest.approx((0.375, 0.5 + 0.97, 1.5))
    assert replay_error(replayed, recorded, np.array([4, 1])).deviations[0][2] == 0.75
    assert not replay_error(replayed * np.nan, recorded).exact
