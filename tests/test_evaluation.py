"""Curves and areas against scikit-learn, the choice against a loop, intervals against their own promise."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from model.detectors import evaluation, tuning
from model.detectors.evaluation import Scores


def drawn(seed: int, adversarial: int, clean: int, levels: int | None = None):
    """Scores of which the adversarial ones are higher; with `levels`, whole numbers with many ties."""
    random = np.random.default_rng(seed)
    scores = random.normal(1, 1, adversarial), random.normal(0, 1, clean)
    return scores if levels is None else tuple(np.rint(s * levels).astype(int) for s in scores)


@pytest.mark.parametrize("levels", [None, 1, 3])
@pytest.mark.parametrize("counts", [(1, 1), (40, 25), (3, 200)])
def test_curve_and_area_are_scikit_learns(levels, counts):
    adversarial, clean = drawn(sum(counts), *counts, levels)
    truth = np.repeat([1, 0], counts)
    scores = np.concatenate([adversarial, clean])
    fpr, tpr, _ = roc_curve(truth, scores, drop_intermediate=False)
    found = evaluation.curve(adversarial, clean)
    np.testing.assert_allclose(found.fp[::-1] / counts[1], fpr)  # theirs begins where nothing alarms
    np.testing.assert_allclose(found.tp[::-1] / counts[0], tpr)
    assert (found.tp + found.fn == counts[0]).all()
    assert (found.fp + found.tn == counts[1]).all()
    assert evaluation.auc(adversarial, clean) == pytest.approx(roc_auc_score(truth, scores))


def test_a_threshold_alarms_strictly_above_it():
    found = evaluation.curve(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
    assert found.thresholds.tolist() == [0.5, 1.5, 2.5, 3.5]
    assert found.tp.tolist() == [2, 2, 1, 0]
    assert found.fp.tolist() == [2, 1, 0, 0]


@pytest.mark.parametrize("levels", [None, 3])
def test_no_threshold_is_a_score(levels):
    adversarial, clean = drawn(7, 40, 60, levels)
    found = evaluation.curve(adversarial, clean)
    assert not np.isin(found.thresholds, np.concatenate([adversarial, clean])).any()
    assert (np.diff(found.thresholds) > 0).all()
    for threshold, tp, fp in zip(found.thresholds, found.tp, found.fp, strict=True):
        assert ((adversarial > threshold).sum(), (clean > threshold).sum()) == (tp, fp)


def test_one_score_alone_has_a_threshold_below_and_one_above_it():
    for score in (0.0, -1e-9, 1e6):
        below, above = evaluation.curve(np.array([score]), np.array([score])).thresholds
        assert below < score < above


@pytest.mark.parametrize("count", [20, 300, 3000])
def test_scores_that_move_in_their_last_digits_are_judged_as_before(count):
    adversarial, clean = drawn(count, count, count)
    size = 1e-4
    threshold = evaluation.choose(adversarial, clean, (np.full(count, size), np.full(count, size)))
    random = np.random.default_rng(1)
    for scores in (adversarial, clean):
        moved = scores + random.uniform(-size, size, count)
        np.testing.assert_array_equal(moved > threshold, scores > threshold)


def test_room_for_noise_costs_at_most_one_input_in_a_hundred():
    adversarial, clean = drawn(5, 500, 500)
    exact = evaluation.choose(adversarial, clean)
    for size in (1e-6, 1e-3, 1.0):  # the last: there is no room anywhere
        threshold = evaluation.choose(adversarial, clean, (np.full(500, size), np.full(500, size)))
        between = sorted((exact, threshold))
        crossed = sum(((s > between[0]) & (s <= between[1])).sum() for s in (adversarial, clean))
        assert crossed <= 10


@pytest.mark.parametrize("seed", range(5))
def test_the_choice_is_that_of_the_tuning_sweep_where_scores_are_counts(seed):
    random = np.random.default_rng(seed)
    k, truth = 7, random.permutation(np.repeat([True, False], [30, 45]))
    counts = random.binomial(k, np.where(truth, 0.6, 0.3))
    rates = tuning.equal_error_rates(
        tuning.sweep(np.stack([np.minimum(counts, i) for i in range(1, k + 1)], 1), truth, k)
    )
    chosen = evaluation.choose(counts[truth], counts[~truth])
    expected = rates.thresholds[-1]
    # theirs has a threshold for every whole number, ours one for every score there is: the same alarms
    np.testing.assert_array_equal(counts > chosen, counts > expected)


def test_an_evaluation_is_what_counting_by_hand_gives():
    scores = Scores(
        adversarial=np.array([3.0, 1.0, 2.0]),
        clean=np.array([0.0, 2.0]),
        originals=np.array([1.0, 1.0, 0.0]),
        recovered=np.array([True, True, False]),
        located=np.array([True, False, False]),
    )
    found = evaluation.evaluate(scores, 1.5)
    assert (found.tp, found.fn, found.fp, found.tn) == (2, 1, 1, 1)
    assert (found.tpr, found.fpr) == (pytest.approx(2 / 3), 0.5)
    assert found.accuracy.value == pytest.approx(3 / 5)
    assert found.auc.value == pytest.approx((2 + 1 + 1.5) / 6)
    assert found.paired_auc.value == pytest.approx((3 + 2 + 3) / 9)
    assert (found.pairs, found.paired_fpr) == (3, 0)
    assert found.paired_wins == pytest.approx(2.5 / 3)
    assert found.recovered.value == pytest.approx(2 / 3)
    assert found.recovered_on_alarm == pytest.approx(1 / 3)
    assert found.located == pytest.approx(1 / 3)


def test_without_originals_nothing_is_paired():
    scores = Scores(*drawn(0, 5, 5), np.array([]), np.zeros(5, bool))
    found = evaluation.evaluate(scores, 0.5)
    assert (found.paired_auc, found.paired_fpr, found.paired_wins, found.pairs) == (None, None, None, 0)
    assert found.located is None


def test_intervals_are_seeded_and_hold_the_value():
    scores = Scores(*drawn(1, 60, 50), drawn(2, 60, 1)[0] - 0.5, np.arange(60) < 20)
    found = evaluation.evaluate(scores, 0.5)
    assert found == evaluation.evaluate(scores, 0.5)
    assert found != evaluation.evaluate(scores, 0.5, seed=7)
    for interval in (found.accuracy, found.auc, found.paired_auc, found.recovered):
        assert interval.low < interval.value < interval.high


def test_an_interval_is_the_quantiles_of_a_loop_over_resamples():
    adversarial, clean = drawn(3, 20, 30, levels=2)
    scores = Scores(adversarial, clean, adversarial - 1, np.ones(20, bool))
    found = evaluation.evaluate(scores, 1, resamples=200, seed=4)
    draws, draws_clean = evaluation._draws(20, 200, 4), evaluation._draws(30, 200, 5)
    areas, paired = [], []
    for weights, weights_clean in zip(draws.astype(int), draws_clean.astype(int), strict=True):
        again = np.repeat(adversarial, weights)
        areas.append(evaluation.auc(again, np.repeat(clean, weights_clean)))
        paired.append(evaluation.auc(again, np.repeat(scores.originals, weights)))
    np.testing.assert_allclose([found.auc.low, found.auc.high], np.quantile(areas, [0.025, 0.975]), atol=1e-6)
    np.testing.assert_allclose(
        [found.paired_auc.low, found.paired_auc.high], np.quantile(paired, [0.025, 0.975]), atol=1e-6
    )


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    """Of 200 samples from one distribution, about 95 % of the intervals hold its true area."""
    truth, hits = 0.7602, 0  # P(N(1, 1) > N(0, 1)) = Phi(1 / sqrt 2)
    for seed in range(200):
        scores = Scores(*drawn(seed, 60, 60), np.array([]), np.zeros(60, bool))
        area = evaluation.evaluate(scores, 0.5, resamples=300).auc
        hits += area.low <= truth <= area.high
    assert 178 <= hits <= 199


@pytest.mark.parametrize("scores", [np.array([]), np.array([np.nan]), np.array([[1.0]])])
def test_scores_that_cannot_be_ordered_are_refused_in_one_line(scores):
    with pytest.raises(ValueError, match="must be finite") as caught:
        evaluation.curve(scores, np.array([1.0]))
    assert "\n" not in str(caught.value)
