"""Plain sentences for the sliders: what another k or threshold changes. Pure."""

from dashapp.words import decisions
from db.vocabulary import METRICS, OUTCOMES

METRIC_NOTES = {metric.name: metric.meaning for metric in METRICS.values()}
SWITCHES_NOTE = (
    "The metric decides what near means, the rule what counts against the prediction. Other metrics are "
    "stored by “xpixels ingest --metric NAME” and tuned by “xpixels tune”."
)
K_NOTE = "How many of the nearest neighbors are counted."
THRESHOLD_NOTE = (
    "More unexpected neighbors are an alarm. Lower: more attacks are found, and more false alarms."
)
OUTCOME_NOTES = {outcome.name: outcome.meaning for outcome in OUTCOMES.values()}
ROC_NOTE = (
    "Each threshold of this k is a point: the share of attacked images that raise an alarm "
    "against the share of clean images that do. Up and to the left is better; the diagonal is guessing."
)


def change(now: int, before: int) -> str:
    """A change of a count: '+3', '−2' or 'same'."""
    difference = now - before
    return "same" if difference == 0 else f"+{difference:,}" if difference > 0 else f"−{-difference:,}"


def tuned_text(k: int, threshold: int) -> str:
    """The operating point in short."""
    return f"k {k}, threshold {decisions.signed(threshold)}"


def flips_sentence(now_alarm: int, no_longer: int, shown: int) -> str:
    """How many validation cases flip, and how many of them are shown."""
    total = now_alarm + no_longer
    if total == 0:
        return "No validation case flips."
    parts = [
        text
        for count, text in (
            (now_alarm, f"{now_alarm:,} now alarm"),
            (no_longer, f"{no_longer:,} no longer do"),
        )
        if count
    ]
    cases = "validation case flips" if total == 1 else "validation cases flip"
    of = f"; {shown} are shown" if shown < total else ""
    return f"{total:,} {cases}: {', '.join(parts)}{of}."


def many_sentence(cases: int) -> str:
    """What is shown in place of the flips while a slider moves over very many cases."""
    return f"Let go of the slider to see which of the {cases:,} validation cases flip."


def at_tuned_sentence(k: int, threshold: int) -> str:
    """What is shown in place of the flips at the tuned point itself."""
    return f"This is the tuned point ({tuned_text(k, threshold)}). Move a slider to see which cases flip."
