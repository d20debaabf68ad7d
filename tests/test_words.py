import pytest

from dashapp.words import decisions


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        ("TP", "Attack detected: this image was attacked."),
        ("FP", "False alarm: this image was not attacked."),
        ("TN", "Correctly quiet: this image was not attacked."),
        ("FN", "Attack missed: this image was attacked."),
    ],
)
def test_every_outcome_says_what_the_image_really_was(outcome, sentence):
    assert decisions.outcome_sentence(outcome) == sentence


def test_an_unknown_outcome_is_refused_by_name():
    with pytest.raises(ValueError, match="'XX'"):
        decisions.outcome_name("XX")


def test_a_reason_has_its_numbers_and_its_verdict():
    alarm = decisions.reason_sentence(rule="total", k=13, threshold=6, count=9, alarm=True, predicted="bird")
    assert alarm == "9 of the 13 nearest neighbors are not labeled bird: alarm (9 of 13; alarms above 6)."
    quiet = decisions.reason_sentence(rule="total", k=13, threshold=6, count=1, alarm=False, predicted="bird")
    assert quiet == ("1 of the 13 nearest neighbors is not labeled bird: no alarm (1 of 13; alarms above 6).")
    largest = decisions.reason_sentence(
        rule="max-class", k=13, threshold=-1, count=0, alarm=True, predicted="cat"
    )
    assert largest == (
        "The most frequent class other than cat has 0 of the 13 nearest neighbors: alarm (0 of 13; alarms "
        "above −1)."
    )
    with pytest.raises(ValueError, match="'median'"):
        decisions.reason_sentence(rule="median", k=1, threshold=0, count=0, alarm=False, predicted="cat")


def test_recovery_tells_right_from_wrong_from_none():
    def say(**changes):
        case = {"alarm": True, "k": 13, "majority": "frog", "recovered": "frog"}
        return decisions.recovery_sentence(**{**case, "predicted": "bird", "true": "frog", **changes})

    assert say() == "This is the most frequent class among the 13 neighbors, and the true class."
    wrong = say(true="deer")
    assert wrong == "This is the most frequent class among the 13 neighbors, but the true class is deer."
    assert "bird is still the most frequent" in say(majority="bird", recovered=None)
    assert "no single class" in say(majority=None, recovered=None)
    assert say(alarm=False, recovered=None) == "No alarm, so the prediction stands."


def test_a_single_neighbor_is_spoken_of_as_one():
    assert decisions.neighbors_title("dense", 1) == "The nearest neighbor in dense"
    assert decisions.neighbors_title("dense", 7) == "The 7 nearest neighbors in dense"
    assert decisions.neighbors_title("dense", 0) == "No neighbors in dense"
    reason = decisions.reason_sentence(rule="total", k=1, threshold=0, count=1, alarm=True, predicted="cat")
    assert reason == "The nearest neighbor is not a cat: alarm (1 of 1; alarms above 0)."
    reason = decisions.reason_sentence(
        rule="total", k=1, threshold=0, count=0, alarm=False, predicted="airplane"
    )
    assert reason == "The nearest neighbor is an airplane too: no alarm (0 of 1; alarms above 0)."
    alone = decisions.scale_sentence(metric="euclidean", layer="dense", nearest=4.5, farthest=4.5)
    assert alone == "The euclidean distance in dense is 4.500."


def test_the_summary_adapts_to_clean_and_attacked_images():
    def say(**changes):
        case = {"attacked": True, "pixels": 1, "predicted": "airplane", "true": "bird", "confidence": 0.6234}
        return decisions.summary_sentence(**{**case, **changes})

    assert say() == (
        "The network sees an airplane with a confidence of 62.3\N{NO-BREAK SPACE}%. "
        "This is a bird with one pixel changed."
    )
    assert "with 3 pixels changed" in say(pixels=3)
    assert "it is right. Nothing was changed" in say(attacked=False, predicted="bird")
    wrong = say(attacked=False)
    assert "This is a bird; nothing was changed" in wrong
    assert "right" not in wrong


@pytest.mark.parametrize(
    ("alarms", "sentence"),
    [
        ([False, False], "None of the 2 compared layers raises an alarm."),
        ([True, True], "All 2 compared layers raise an alarm."),
        ([False, True], "1 of 2 compared layers raises an alarm: logits."),
    ],
)
def test_alarms_are_summed_up(alarms, sentence):
    assert decisions.alarms_sentence(list(zip(["dense", "logits"], alarms, strict=True))) == sentence


def test_the_head_of_a_case_says_who_alarms_and_how_the_shown_layer_did():
    alarms = [("dense", False), ("logits", True)]
    assert decisions.verdict_text(alarms, "logits", "FP") == (
        "1 of 2 compared layers raises an alarm: logits. logits: false alarm."
    )
    assert decisions.verdict_text([], "logits", None) == ""


def test_shares_never_round_to_a_false_certainty():
    shares = (0.99996, 0.00004, 1.0, 0.0, 0.5)
    texts = [decisions.percent(share).replace("\N{NO-BREAK SPACE}", " ") for share in shares]
    assert texts == ["> 99.9 %", "< 0.1 %", "100.0 %", "0.0 %", "50.0 %"]


def test_an_attack_is_told_with_its_aim_and_its_cost():
    assert decisions.attack_text("differential-evolution", None, 1200) == (
        "Differential evolution, untargeted: found after 1,200 queries"
    )
    assert decisions.attack_text("differential-evolution", "ship", 1) == (
        "Differential evolution, targeted at ship: found after 1 query"
    )
    assert decisions.attack_text("corner-sweep", None, 8192) == (
        "Corner sweep, untargeted: the best of 8,192 queries"
    )


def test_what_decisions_were_made_with_is_said_as_far_as_it_is_known():
    assert (
        decisions.alarm_rule_text("euclidean", "total", 17, 6) == "euclidean · total · k 17 · alarm above 6"
    )
    assert decisions.alarm_rule_text("euclidean", "total", None, None) == "euclidean · total"


def test_distances_keep_four_digits():
    assert [decisions.distance(value) for value in (0, 8.41239, 12.3, 1234.5, 0.01234567, 0.00001234)] == [
        "0",
        "8.412",
        "12.30",
        "1234",
        "0.01235",
        "1.23e-05",
    ]


def test_the_softmax_line_places_the_true_class():
    def say(**changes):
        case = {"predicted": "bird", "true": "frog", "true_probability": 0.25, "rank": 2}
        return decisions.softmax_text(**{**case, **changes})

    assert say() == "true class frog: 2nd, 25.0\N{NO-BREAK SPACE}%"
    assert say(true="bird") == "the network's prediction is the true class"
    assert [decisions.ordinal(n) for n in (1, 3, 4, 11, 12, 22, 113)] == [
        "1st",
        "3rd",
        "4th",
        "11th",
        "12th",
        "22nd",
        "113th",
    ]


def test_missing_things_name_the_way_out():
    assert "xpixels tune" in decisions.not_tuned_sentence("euclidean", "total")
    line = decisions.unknown_layer_sentence("conv9", ["flatten", "dense"], "dense")
    assert "conv9" in line
    assert "flatten, dense" in line
