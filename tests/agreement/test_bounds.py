import numpy as np

from ivr.agreement.bounds import outside, same_bounds, unresolved


def test_single_precision_and_double_are_the_same_bounds():
    low, high = [-0.1, -1.0], [0.7, 1.0]
    rounded = [np.asarray(side, np.float32).astype(float).tolist() for side in (low, high)]
    assert rounded != [low, high] and same_bounds((low, high), tuple(rounded))
    assert not same_bounds((low, high), (low, [0.7, 1.1]))
    assert not same_bounds((low, high), ([-0.2, -1.0], high))
    assert not same_bounds((low, high), (low[:1], high[:1]))


def test_an_action_is_outside_beyond_rounding_and_in_any_of_its_numbers():
    # Half the distance of the bounds is 2 and 1, so rounding is 2e-5 and 1e-5.
    low, high = np.array([-2.0, 0.0]), np.array([2.0, 2.0])
    actions = [[-2.0, 2.0], [2.00001, 1.0], [2.0001, 1.0], [0.0, -0.001], [0.0, 2.000005]]
    assert outside(np.array(actions), low, high).tolist() == [False, False, True, True, False]


def test_bounds_may_be_too_wide_for_what_is_between_them():
    least, greatest = np.array([-1.0, -1.0, 3.0, 0.0]), np.array([1.0, 1.0, 3.0, 1e-9])
    # The third number is constant and the fourth as good as: no bounds would tell their values.
    low, high = [-1, -1e9, -1e9, -1], [1, 1e9, 1e9, 1]
    assert unresolved(least, greatest, low, high).tolist() == [1]
