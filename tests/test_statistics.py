"""What is said of episodes, against numbers known otherwise."""

import numpy as np
import pytest
from scipy import stats

from report.statistics import (
    bootstrap_interval,
    interquartile_mean,
    probability_of_improvement,
)


def test_a_bootstrap_interval_holds_the_mean():
    low, high = bootstrap_interval(np.arange(20.0))
    assert 5 < low < 9.5 < high < 14
    assert bootstrap_interval(np.full(4, 3.0)) == [3.0, 3.0]


def test_a_bootstrap_interval_is_that_of_scipy():
    values = np.random.default_rng(1).gamma(2.0, size=40)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", rng=0).confidence_interval
    assert bootstrap_interval(values) == pytest.approx(list(theirs), abs=0.03)


def test_an_interquartile_mean_leaves_out_a_quarter_at_each_end():
    assert interquartile_mean(np.array([100.0, 1, 2, 3, 4, 5, 6, -50])) == 3.5
    rows = np.array([[0.0, 1, 2, 9], [4, 4, 4, 4]])
    assert interquartile_mean(rows).tolist() == [1.5, 4.0]


def test_the_probability_of_improvement_is_the_mann_whitney_statistic():
    rng = np.random.default_rng(0)
    ours, theirs = rng.integers(5, 12, 16), rng.integers(3, 10, 12)
    expected = stats.mannwhitneyu(ours, theirs).statistic / (16 * 12)
    assert probability_of_improvement(ours, theirs) == pytest.approx(expected)
    low, high = bootstrap_interval(ours, theirs, statistic=probability_of_improvement)
    assert 0 < low < expected < high <= 1
    assert probability_of_improvement(np.array([2, 2]), np.array([2])) == 0.5


def test_samples_are_drawn_from_one_by_one():
    """Strata keep their sizes and their values."""

    def strata(ours, theirs):
        assert ours.shape[1] == 3 and theirs.shape[1] == 7
        return ours.max(axis=1) - theirs.min(axis=1)

    low, high = bootstrap_interval(np.array([5.0, 6, 6]), np.full(7, 2.0), statistic=strata)
    assert (low, high) == (3.0, 4.0)  # in one of 27 draws all are 5


def test_many_episodes_fit_into_memory():
    values = np.arange(200) % 17
    low, high = bootstrap_interval(values, values, statistic=probability_of_improvement)
    assert 0.4 < low < 0.5 < high < 0.6
