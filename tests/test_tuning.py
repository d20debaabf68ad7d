"""The sweep against brute-force loops, and the choice against its own rules."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from model.detectors import tuning, votes
from model.detectors.tuning import OperatingPoint, Sweep

K_MAX = 7


def cases(seed=0, clean=40, adversarial=25, k_max=K_MAX):
    """Unexpected counts that grow with k, larger for adversarial cases, and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat([False, True], [clean, adversarial]))
    unexpected = rng.random((len(truth), k_max)) < np.where(truth, 0.6, 0.35)[:, None]
    return np.cumsum(unexpected, axis=1), truth


COUNTS, TRUTH = cases()
RESULT = tuning.sweep(COUNTS, TRUTH, K_MAX)


def test_every_cell_is_the_count_of_a_loop_over_the_cases():
    for k in range(1, K_MAX + 1):
        for t in range(-1, K_MAX + 1):
            names = [
                votes.outcomes(votes.alarms(count, t), adversarial).item()
                for count, adversarial in zip(COUNTS[:, k - 1], TRUTH, strict=True)
            ]
            cell = (k - 1, t + 1)
            assert RESULT.valid[cell] == (t <= k)
            expected = [names.count(name) if t <= k else 0 for name in ("TP", "FP", "TN", "FN")]
            assert [RESULT.tp[cell], RESULT.fp[cell], RESULT.tn[cell], RESULT.fn[cell]] == expected
            rates = [RESULT.tpr[cell], RESULT.fpr[cell], RESULT.tnr[cell], RESULT.fnr[cell]]
            if t <= k:
                tp, fp, tn, fn = expected
                np.testing.assert_allclose(rates, [tp / 25, fp / 40, tn / 40, fn / 25])
                assert RESULT.accuracy[cell] == (tp + tn) / 65
            else:
                assert np.isnan([*rates, RESULT.accuracy[cell]]).all()


def test_the_axes_say_which_k_and_threshold_a_cell_is():
    assert RESULT.ks.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert RESULT.thresholds.tolist() == [-1, 0, 1, 2, 3, 4, 5, 6, 7]
    assert RESULT.valid.shape == (K_MAX, K_MAX + 2)


def test_the_lowest_threshold_always_alarms_and_the_highest_never():
    assert (RESULT.tpr[:, 0] == 1).all()
    assert (RESULT.fpr[:, 0] == 1).all()
    last = np.arange(K_MAX), np.arange(K_MAX) + 2
    assert (RESULT.tp[last] == 0).all()
    assert (RESULT.fp[last] == 0).all()


def test_the_auc_is_mann_and_whitneys_and_the_trapezoid_of_the_roc():
    areas = tuning.auc(RESULT)
    for k in range(1, K_MAX + 1):
        column = COUNTS[:, k - 1]
        statistic = mannwhitneyu(column[TRUTH], column[~TRUTH]).statistic
        np.testing.assert_allclose(areas[k - 1], statistic / (25 * 40), rtol=1e-12)
        fpr, tpr = RESULT.roc(k)
        np.testing.assert_allclose(areas[k - 1], np.trapezoid(tpr, fpr), rtol=1e-12)


@pytest.mark.parametrize(("adversarial", "clean", "area"), [(2, 0, 1.0), (0, 2, 0.0), (1, 1, 0.5)])
def test_the_auc_of_perfect_reversed_and_equal_counts(adversarial, clean, area):
    counts = np.where(TRUTH[:, None], adversarial, clean) * np.array([[0, 1]])
    assert tuning.auc(tuning.sweep(counts, TRUTH, 2))[1] == area


def test_the_roc_rises_from_the_origin_to_the_opposite_corner():
    for k in range(1, K_MAX + 1):
        fpr, tpr = RESULT.roc(k)
        assert len(fpr) == len(tpr) == k + 2
        assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
        assert (np.diff(fpr) >= 0).all()
        assert (np.diff(tpr) >= 0).all()


@pytest.mark.parametrize("seed", range(8))
def test_the_equal_error_rate_follows_its_rule(seed):
    counts, truth = cases(seed, clean=12, adversarial=8)
    result = tuning.sweep(counts, truth, K_MAX)
    rates = tuning.equal_error_rates(result)
    for row, k in enumerate(result.ks):

        def rank(t, row=row):
            gap = abs(result.fp[row, t + 1] * 8 - result.fn[row, t + 1] * 12)
            return gap, -(result.tp + result.tn)[row, t + 1], t

        best = min(range(-1, k + 1), key=rank)
        assert rates.thresholds[row] == best
        expected = (result.fpr[row, best + 1] + result.fnr[row, best + 1]) / 2
        assert rates.eer[row] == expected
        assert rates.accuracy[row] == result.accuracy[row, best + 1]


def test_equal_gaps_go_to_the_higher_accuracy_then_to_the_lower_threshold():
    # 4 clean, 2 adversarial. FPR: 1, 3/4, 1/4, 0; FNR: 0, 1/2, 1/2, 1: gaps 1, 1/4, 1/4, 1
    counts = np.array([0, 1, 1, 2, 0, 2])[:, None] * np.array([[0, 1]])
    truth = np.array([False] * 4 + [True] * 2)
    rates = tuning.equal_error_rates(tuning.sweep(counts, truth, 2))
    assert rates.thresholds[1] == 1, "accuracy 4/6 at 1 beats 2/6 at 0"
    # 2 clean, 2 adversarial, all counts 1 of 2: gap 1 everywhere, accuracy 1/2 everywhere
    rates = tuning.equal_error_rates(
        tuning.sweep(np.ones((4, 2), int), np.array([True, True, False, False]), 2)
    )
    assert rates.thresholds[1] == -1
    assert rates.eer[1] == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_the_choice_is_the_most_accurate_k_at_its_equal_error_threshold(seed):
    counts, truth = cases(seed, clean=10, adversarial=10)
    result = tuning.sweep(counts, truth, K_MAX)
    rates = tuning.equal_error_rates(result)
    best = max(rates.accuracy)
    first = min(k for k in range(1, K_MAX + 1) if rates.accuracy[k - 1] == best)
    assert tuning.choose(result) == OperatingPoint(first, rates.thresholds[first - 1])


def test_equally_accurate_ks_give_the_smaller_one():
    counts = np.where(TRUTH[:, None], np.arange(1, 6)[None, :], 0)
    assert tuning.choose(tuning.sweep(counts, TRUTH, 5)) == OperatingPoint(1, 0)


def test_a_report_holds_the_cell_and_the_rates_of_its_k():
    other = tuning.sweep(*cases(9, clean=30, adversarial=30), K_MAX)
    point = tuning.choose(RESULT)
    report = tuning.evaluate(point, other)
    cell = point.k - 1, point.threshold + 1
    for name in ("tp", "fp", "tn", "fn", "accuracy", "tpr", "tnr", "fpr", "fnr"):
        assert getattr(report, name) == getattr(other, name)[cell]
    assert report.tp + report.fp + report.tn + report.fn == 60
    assert report.auc == tuning.auc(other)[point.k - 1]
    assert report.eer == tuning.equal_error_rates(other).eer[point.k - 1]
    assert all(type(value) in (int, float) for value in report), "ready to be stored"


def test_the_default_scans_k_up_to_50_and_ignores_further_columns():
    counts, truth = cases(1, k_max=60)
    result = tuning.sweep(counts, truth)
    assert isinstance(result, Sweep)
    assert result.k_max == 50
    np.testing.assert_array_equal(result.tp, tuning.sweep(counts[:, :50], truth, 50).tp)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"is_adversarial": np.zeros(65, bool)}, "got 0 adversarial and 65 clean"),
        ({"is_adversarial": np.ones(65, bool)}, "got 65 adversarial and 0 clean"),
        ({"unexpected_counts": COUNTS[:0], "is_adversarial": TRUTH[:0]}, "got 0 adversarial and 0 clean"),
        ({"is_adversarial": TRUTH[:4]}, r"is_adversarial \(=bool \(4,\)\) must be bool of shape \(65,\)"),
        ({"is_adversarial": TRUTH.astype(int)}, r"is_adversarial \(=int64"),
        ({"unexpected_counts": COUNTS / 2}, r"unexpected_counts \(=float64"),
        ({"unexpected_counts": COUNTS + 1}, "must lie in 0..k in the column of k"),
        ({"k_max": 8}, r"k_max \(=8\) must be a whole number in 1..7"),
    ],
)
def test_bad_input_is_named_in_one_line(change, message):
    arguments = {"unexpected_counts": COUNTS, "is_adversarial": TRUTH, "k_max": K_MAX} | change
    with pytest.raises(ValueError, match=message) as error:
        tuning.sweep(**arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("point", "message"), [((9, 0), r"k \(=9\)"), ((3, 4), r"threshold \(=4\)")])
def test_a_point_outside_the_sweep_is_refused(point, message):
    with pytest.raises(ValueError, match=message):
        tuning.evaluate(OperatingPoint(*point), RESULT)
