"""Numbers in sentences: short, and never alike where they differ."""

import pytest

from db.number_text import digits_apart, percents_apart
from db.reasons import ScoreFacts, score_reason


@pytest.mark.parametrize(
    ("share", "other", "texts"),
    [
        (0.572, 0.641, ("57.2 %", "64.1 %")),
        (0.64127, 0.64131, ("64.127 %", "64.131 %")),
        (0.99951, 0.99962, ("99.95 %", "99.96 %")),
        (0.00012, 0.00034, ("0.01 %", "0.03 %")),
        (0.99951, 0.9, ("> 99.9 %", "90.0 %")),
        (0.5, 0.5, ("50.0000000000000000 %"[:4] + " %", "50.0 %")),
    ],
)
def test_two_shares_have_digits_enough_to_tell_them_apart(share, other, texts):
    found = percents_apart(share, other)
    if share == other:
        assert found[0] == found[1]
    else:
        assert found == texts


@pytest.mark.parametrize("step", [1e-2, 1e-5, 1e-9, 1e-13])
def test_numbers_however_near_are_told_apart_and_in_order(step):
    low, high = digits_apart(1.25, 1.25 + step, lambda value, digits: f"{value:.{digits}f}", 1)
    assert float(low) < float(high)


def test_a_reason_shows_the_side_that_a_score_is_on():
    def say(detector, score, threshold, **place):
        return score_reason(detector, ScoreFacts(score, threshold, "cat", "dog", **place))

    given = say("confidence", 1 - 0.64127, 1 - 0.64131)
    assert given == "The network gives cat 64.127 %; alarms below 64.131 %"
    lead = say("logit-margin", -1.0142, -1.0143)
    assert lead == "The network puts cat ahead of dog by 1.0142 in logits; alarms below 1.0143"
    said = say("repair", -0.5122, -0.5144, row=3, column=4)
    assert said.endswith("row 3, column 4 brings dog nearest: margin -0.512; alarms above -0.514")


def test_a_reason_of_a_detector_that_is_not_known_here_has_its_numbers():
    said = score_reason("later", ScoreFacts(0.25, 0.5, "cat", "dog"))
    assert said == "The later is 0.25; alarms above 0.50"
