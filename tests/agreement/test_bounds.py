import numpy as np

from ivr.agreement.bounds import outside, same_bounds


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
