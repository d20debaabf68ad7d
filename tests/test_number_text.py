"""Numbers in sentences: short, and never alike where they differ."""

import pytest

from db.number_text import digits_apart, percents_apart
from ingest.check import verdict


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


def test_what_a_check_says_shows_the_side_that_a_score_is_on():
    assert verdict.confidence_reason(0.64127, 1 - 0.64131, "cat") == "cat has 64.127 %, alarm below 64.131 %"
    assert verdict.lead_reason(1.0142, -1.0143, "cat", "dog") == "cat leads dog by 1.0142, alarm below 1.0143"
    said = verdict.repair_reason(3, 4, -0.512, -0.514, "cat", "dog")
    assert said == "repairing row 3, column 4 leaves it cat, dog 0.512 behind, threshold -0.514"
