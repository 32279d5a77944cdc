import numpy as np
import pytest

from ivr.evaluation.scores import Evaluation, wilson_interval


def outcome(returns, metric="return", reference=None, successes=None, completed=None):
    returns = np.array(returns, dtype=np.float64)
    return Evaluation(
        metric=metric,
        reference=reference,
        returns=returns,
        lengths=np.ones(returns.shape, np.int64),
        successes=None if successes is None else np.array(successes),
        paths=None,
        seconds=1.0,
        env_steps=returns.size,
        completed=None if completed is None else np.array(completed),
    )


def test_mean_deviation_and_standard_error():
    result = outcome([[1.0, 2.0, 3.0, 6.0], [5.0, 5.0, 5.0, 5.0]])
    assert np.allclose(result.return_mean, [3.0, 5.0])
    # Squares about 3: 4 + 1 + 0 + 9 = 14; 14 / 3 for the sample; sqrt(4) episodes.
    assert np.allclose(result.return_std, [np.sqrt(14 / 3), 0.0])
    assert np.allclose(result.return_sem, [np.sqrt(14 / 3) / 2, 0.0])


def test_a_single_episode_has_no_deviation():
    result = outcome([[4.0]], reference=(0.0, 8.0))
    assert result.return_std == [0.0] and result.normalized_score_sem == [0.0]


@pytest.mark.parametrize(
    "reference, mean, expected",
    [
        # D4RL's reference returns of Hopper and HalfCheetah; the returns of the sets at hand.
        ((-20.272305, 3234.3), 1594.0, 49.6),
        ((-20.272305, 3234.3), 3312.0, 102.4),
        ((-280.178953, 12135.0), 12135.0, 100.0),
        ((-280.178953, 12135.0), -280.178953, 0.0),
    ],
)
def test_normalised_with_published_references(reference, mean, expected):
    result = outcome([[mean - 10.0, mean + 10.0]], reference=reference)
    assert result.normalized_score == pytest.approx([expected], abs=0.05)
    # Returns 10 either side: a sample deviation of 10 sqrt(2), over sqrt(2) episodes.
    assert result.normalized_score_sem == pytest.approx([1000 / (reference[1] - reference[0])])
    assert np.array_equal(result.score, result.normalized_score)


def test_success_is_scored_in_percent_whatever_the_returns():
    result = outcome([[9.0, 9.0, 9.0, 9.0]], "success", (0.0, 1.0), [[True, False, True, True]])
    assert result.success_rate == [0.75]
    assert result.normalized_score == [75.0] and result.score == [75.0]
    # Three of four: deviation sqrt(4/3 * 0.75 * 0.25) = 0.5, over 2.
    assert result.normalized_score_sem == pytest.approx([25.0])


def test_tasks_are_scored_by_their_number_whatever_the_returns():
    result = outcome([[90.0, 0.0]], "tasks", (0.0, 4.0), completed=[[3, 2]])
    # 75 and 50 percent of four tasks: 62.5, a sample deviation of 25 / sqrt(2), over sqrt(2).
    assert result.normalized_score == [62.5] and result.score == [62.5]
    assert result.normalized_score_sem == pytest.approx([12.5])


def test_without_references_the_score_is_the_return():
    result = outcome([[1.0, 3.0]])
    assert result.normalized_score is None and result.normalized_score_sem is None
    assert result.score == [2.0]


@pytest.mark.parametrize(
    ("successes", "episodes", "low", "high"),
    [  # Newcombe (1998), Statistics in Medicine 17, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_intervals_are_those_that_were_published(successes, episodes, low, high):
    assert wilson_interval(successes, episodes) == pytest.approx((low, high), abs=5e-5)
    mirrored = wilson_interval(episodes - successes, episodes)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=5e-5)


def test_the_wilson_interval_of_certainty_ends_at_it():
    assert wilson_interval(0, 50)[0] == 0 and wilson_interval(50, 50)[1] == 1
    with pytest.raises(ValueError, match="3 successes of 2 episodes"):
        wilson_interval(3, 2)
