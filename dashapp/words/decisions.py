"""Plain sentences for the defense's decisions and their outcomes.

Only 6 of the paper's 16 experts recognized a false alarm (section 5.4.3), so every outcome has a plain
name and every decision its numbers. Pure functions: numbers and names in, text out.
"""

from collections.abc import Sequence

from db import number_text, reasons
from db.vocabulary import ATTACKS, OUTCOMES, RULES

NO_BREAK = "\N{NO-BREAK SPACE}"
OUTCOME_NAMES = {outcome.name: outcome.title for outcome in OUTCOMES.values()}
# The order of tiles and rows: attacked cases first, of each kind the right decisions first.
ATTACKED_FIRST = tuple(
    sorted(OUTCOMES, key=lambda name: (not OUTCOMES[name].attacked, not OUTCOMES[name].right))
)
RULE_NOTES = {rule.name: rule.meaning for rule in RULES.values()}


def aria(value: bool) -> str:
    """A truth value for attributes such as `aria-pressed`: 'true' or 'false'."""
    return str(value).lower()


def outcome_name(outcome: str) -> str:
    """Plain name of an outcome: TP, FP, TN or FN.

    Raises:
        ValueError: the outcome is none of the four.
    """
    if outcome not in OUTCOME_NAMES:
        raise ValueError(f"outcome must be one of {', '.join(OUTCOME_NAMES)}, not {outcome!r}")
    return OUTCOME_NAMES[outcome]


def outcome_sentence(outcome: str) -> str:
    """The outcome with what the image really was, e.g. 'False alarm: this image was not attacked.'"""
    truth = "was attacked" if OUTCOMES[outcome].attacked else "was not attacked"
    return f"{outcome_name(outcome).capitalize()}: this image {truth}."


def reason_sentence(*, rule: str, k: int, threshold: int, count: int, alarm: bool, predicted: str) -> str:
    """Why a layer raises an alarm or not, with its numbers.

    Args:
        rule: 'total' or 'max-class', what `count` counts.
        k: neighbors counted, 1..50.
        threshold: -1..k; more unexpected neighbors than this are an alarm.
        count: unexpected neighbors, 0..k.
        alarm: the decision.
        predicted: name of the class that the network predicts.

    Raises:
        ValueError: an unknown rule.
    """
    verdict = "alarm" if alarm else "no alarm"
    reading = reasons.neighbors_reading(rule, k, count, predicted)
    return f"{reading}: {verdict} ({count} of {k}; alarms above {signed(threshold)})."


def recovery_sentence(
    *, alarm: bool, k: int, majority: str | None, recovered: str | None, predicted: str, true: str | None
) -> str:
    """Which class the neighbors recover (paper, section 4.2).

    Args:
        alarm: the layer's decision; without an alarm nothing is recovered.
        k: neighbors counted.
        majority: the unique most frequent class among them, None on a tie.
        recovered: the recovered class, None when there is none.
        predicted, true: names of the predicted and the true class; None: not known.
    """
    if not alarm:
        return "No alarm, so the prediction stands."
    if recovered is not None:
        verdict = "and the true class" if recovered == true else f"but the true class is {true}"
        if true is None:
            verdict = "the true class is not known"
        whose = (
            "the class of the nearest neighbor"
            if k == 1
            else f"the most frequent class among the {k} neighbors"
        )
        return f"This is {whose}, {verdict}."
    if majority == predicted:
        return f"No class recovered: {predicted} is still the most frequent among the {k} neighbors."
    return f"No class recovered: no single class is the most frequent among the {k} neighbors."


def summary_sentence(
    *, attacked: bool, pixels: int, predicted: str, true: str | None, confidence: float
) -> str:
    """One line above the page: what the image is, and what the network predicts."""
    sees = f"The network sees {article(predicted)} with a confidence of {percent(confidence)}"
    if true is None:
        return f"{sees}. Its true class, and whether it was attacked, are unknown."
    if attacked:
        changed = "one pixel" if pixels == 1 else f"{pixels} pixels"
        return f"{sees}. This is {article(true)} with {changed} changed."
    if predicted == true:
        return f"{sees}, and it is right. Nothing was changed in this image."
    return f"{sees}. This is {article(true)}; nothing was changed in this image."


def alarms_sentence(alarms: Sequence[tuple[str, bool]]) -> str:
    """How many of the compared layers alarm: (layer, alarm) pairs in network order, at least one."""
    raised = [layer for layer, alarm in alarms if alarm]
    if not raised:
        return f"None of the {len(alarms)} compared layers raises an alarm."
    if len(raised) == len(alarms):
        return f"All {len(alarms)} compared layers raise an alarm."
    verb = "raises" if len(raised) == 1 else "raise"
    return f"{len(raised)} of {len(alarms)} compared layers {verb} an alarm: {', '.join(raised)}."


def verdict_text(alarms: Sequence[tuple[str, bool]], layer: str, outcome: str | None) -> str:
    """The verdict of a case: how many layers alarm, and the chosen one's outcome; '' before tuning."""
    if not alarms:
        return ""
    if outcome is None:
        return alarms_sentence(alarms)
    return f"{alarms_sentence(alarms)} {layer}: {outcome_name(outcome)}."


def not_tuned_sentence(metric: str, rule: str) -> str:
    """The notice that a case has no decisions yet, and the command that adds them."""
    return (
        f"No decisions yet: no k and threshold have been chosen for {metric} distances and the rule {rule}. "
        "Run “xpixels tune” and reload this page."
    )


def unknown_layer_sentence(value: str, names: Sequence[str], shown: str) -> str:
    """The notice that the address names a layer that is not compared."""
    return (
        f"The address asks for layer “{value}”, which is not among the compared layers "
        f"({', '.join(names)}). Shown instead: {shown}."
    )


def unknown_range_sentence(value: str) -> str:
    """The notice that the address asks for a number of neighbors that is not offered."""
    return f"The address asks for neighbors “{value}”; it can be “all”, or left out for the first k."


def threshold_too_large_sentence(threshold: int, k: int) -> str:
    """The notice that the address has a threshold that no count of k neighbors can pass."""
    return f"The address asks for threshold “{threshold}”, more than the k of {k}. Shown instead: {k}."


def unknown_filter_sentence(problem: str) -> str:
    """The notice that the address's list filters are not understood; `problem` is the reason."""
    said = problem.rstrip(".")
    return f"The filter in the address is not understood: {said}. Previous and next follow the whole list."


def place_text(position: int | None, total: int) -> str:
    """A case's position in the list that the reader came from."""
    if position is None:
        return "not in this list" if total else ""
    return f"{position:,} of {total:,}"


def pixel_place(row: int, column: int) -> str:
    """Where an attacked pixel is; rows and columns count from 0 at the top left."""
    return f"row {row}, column {column}"


def color_text(color: Sequence[int], *, gray: bool) -> str:
    """A color (red, green, blue) in a few characters: 'RGB 255 0 7', or of a gray image 'gray 128'."""
    return f"gray {color[0]}" if gray else f"RGB {' '.join(map(str, color))}"


NO_NEIGHBORS = "No neighbors are stored for this layer yet. Run “xpixels ingest” and reload this page."


def softmax_text(*, predicted: str, true: str | None, true_probability: float, rank: int) -> str:
    """The true class's rank and probability in the softmax output; `rank` 1 is the predicted class."""
    if true is None:
        return "the true class is not known"
    if predicted == true:
        return "the network's prediction is the true class"
    return f"true class {true}: {ordinal(rank)}, {percent(true_probability)}"


def softmax_axis(others: int, left: float) -> str:
    """Title of the softmax chart's axis; `others` classes that have no row share `left`, [0, 1]."""
    if not others:
        return "softmax probability"
    return f"softmax probability · {left:.3f} in {others:,} other classes"


def counts_axis(k: int, others: int) -> str:
    """Title of the axis of the neighbors distribution; `others`: neighbors of classes that have no row."""
    return f"neighbors among the first {k}" + (f" · {others} of other classes" if others else "")


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, ..."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def counts_text(*, layer: str, metric: str, rule: str, tuned: bool) -> str:
    """What the neighbors distribution counts, and how."""
    return f"{layer} · {metric} · {rule if tuned else 'not tuned'}"


def neighbors_title(layer: str, shown: int) -> str:
    """Heading of the neighbors."""
    if shown == 0:
        return f"No neighbors in {layer}"
    return f"The {shown} nearest neighbors in {layer}" if shown > 1 else f"The nearest neighbor in {layer}"


def scale_sentence(*, metric: str, layer: str, nearest: float, farthest: float) -> str:
    """What the lengths in the graph mean. Distances in the layer's own units, nearest <= farthest."""
    if nearest == farthest:
        return f"The {metric} distance in {layer} is {distance(nearest)}."
    return (
        f"Edge lengths follow the {metric} distance in {layer}: from {distance(nearest)} (inner ring) "
        f"to {distance(farthest)} (outer ring). The scale does not begin at zero."
    )


def shown_text(shown: int) -> str:
    """What the legend of the graph counts, before its classes."""
    return f"among the {shown} shown:"


def beyond_text(k: int) -> str:
    """The line in the ranked list after the neighbors that were counted."""
    return "beyond the nearest: not counted" if k == 1 else f"beyond the first {k}: not counted"


def alarm_rule_text(metric: str, rule: str, k: int | None, threshold: int | None) -> str:
    """Metric, rule, k and threshold of a layer's decisions; `k` and `threshold` None: not known here."""
    if k is None or threshold is None:
        return f"{metric} · {rule}"
    return f"{metric} · {rule} · k {k} · alarm above {signed(threshold)}"


def attack_text(method: str, target: str | None, queries: int) -> str:
    """How an attack was made; `target` is the name of the class it aimed at, None for any other."""
    aim = "untargeted" if target is None else f"targeted at {target}"
    attack = ATTACKS.get(method)  # None if a later version wrote the row
    name = method.replace("-", " ").capitalize()
    found = "the best of" if attack is not None and attack.tries_all else "found after"
    return f"{name}, {aim}: {found} {queries:,} {'query' if queries == 1 else 'queries'}"


def article(name: str) -> str:
    """A class name with its article: 'an automobile', 'a bird'."""
    return f"{reasons.article(name)} {name}"


def percent(share: float) -> str:
    """A share in [0, 1] as a percentage that never rounds to a false 0 % or 100 %; no line break in it."""
    return number_text.percent(share, NO_BREAK)


def percents_apart(share: float, other: float) -> tuple[str, str]:
    """Two shares as percentages, with more digits where fewer would make them look alike."""
    return number_text.percents_apart(share, other, NO_BREAK)


def distance(value: float) -> str:
    """A distance with four significant digits; with an exponent only below 1e-4, then with three digits."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:#.4g}".rstrip(".") if abs(value) >= 1e-4 else f"{value:.2e}"


def signed(number: int) -> str:
    """An integer with a typographic minus."""
    return f"−{-number}" if number < 0 else str(number)


def threshold(value: float) -> str:
    """A threshold: a whole number as such, a score with three significant digits."""
    if value == int(value) and abs(value) < 1000:
        return signed(int(value))
    return f"{value:.3g}".replace("-", "−")


def interval(low: float, high: float) -> str:
    """A 95 % interval of shares, '.82–.88': short, as the value beside it has the leading digits."""
    return f"{_bare(low)}–{_bare(high)}"


def _bare(share: float) -> str:
    return f"{share:.2f}".removeprefix("0") if share < 0.995 else "1.0"
