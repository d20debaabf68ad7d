"""Plain explanations of all measures, and the button beside a measure that shows its explanation.

`about("auc")` goes beside a heading or a column's title: a small button that opens the text (a click, Enter
or Space), and closes it again (Escape, or a click anywhere). `assets/help.js` places it.
"""

from typing import NamedTuple

from dash import html

from dashapp.words.decisions import OUTCOME_NAMES


class Entry(NamedTuple):
    """A term and what it means, in one to three short sentences."""

    term: str
    text: str


GLOSSARY: dict[str, Entry] = {
    "auc": Entry(
        "AUC",
        "How often an attacked image scores higher than a clean one: the area under the ROC curve. "
        ".5 is chance, 1 never fails.",
    ),
    "paired": Entry(
        "AUC, paired",
        "The same against the very same images before the attack. Attacks succeed on images near a class "
        "boundary; a detector that merely spots borderline images drops here.",
    ),
    "accuracy": Entry(
        "Accuracy", "The share of right decisions, alarm or none, at the threshold that is set."
    ),
    "eer": Entry(
        "EER",
        "Equal error rate: the rate at the threshold where false alarms and misses are equally frequent. "
        "Smaller is better.",
    ),
    "tpr": Entry("TPR", "True positive rate: the share of the attacked images that raise an alarm."),
    "fpr": Entry(
        "FPR",
        "False positive rate: the share of the clean images that raise an alarm, though nothing is wrong.",
    ),
    "interval": Entry(
        "95 % interval",
        "From resampled cases; the thin line in a bar is chance. Where two intervals overlap widely, these "
        "cases cannot tell the detectors apart.",
    ),
    "baseline": Entry(
        "Baseline",
        "Needs the network’s output alone, no neighbors. A detector that is no better finds no attacks, "
        "it finds unsure images.",
    ),
    "confidence": Entry(
        "Confidence",
        "The softmax probability that the network gives to the class it predicts. It is no probability of "
        "being right: attacked images are often predicted with a high one.",
    ),
    "softmax": Entry(
        "Softmax output",
        "The network’s scores of all classes, brought to a sum of 1. The largest one is the prediction.",
    ),
    "neighbors": Entry(
        "Neighbors",
        "The training images whose activations in this layer are nearest to this image’s. Only images that "
        "the network classifies correctly are among them.",
    ),
    "unexpected": Entry(
        "Unexpected count",
        "How many of the first k neighbors have another label than the predicted class (rule total), or "
        "have the most frequent single other label (rule max-class).",
    ),
    "k": Entry(
        "k",
        "How many of the nearest neighbors are counted. It is chosen on the tuning cases, which no result "
        "here is measured on.",
    ),
    "threshold": Entry(
        "Threshold",
        "A layer alarms when its score, for neighbors the unexpected count, is larger than this. A lower "
        "one finds more attacks and raises more false alarms. It is chosen on the tuning cases.",
    ),
    "alarms": Entry(
        "Alarms", "Which layers raise an alarm. Red: alarm; green: none; a dot in it: the decision is wrong."
    ),
    "recovered": Entry(
        "Recovered class",
        "After an alarm: the label that most of the k neighbors share, when it is not the prediction. It is "
        "what the defense takes the image for.",
    ),
    "located": Entry("Located", "The share of the attacked images whose attacked pixel the detector names."),
    "outcome": Entry(
        "Outcome",
        f"How a decision turned out. TP, {OUTCOME_NAMES['TP']}: an attacked image alarms. "
        f"FN, {OUTCOME_NAMES['FN']}: it does not. "
        f"FP, {OUTCOME_NAMES['FP']}: a clean image alarms. TN, {OUTCOME_NAMES['TN']}: it does not.",
    ),
    "divergence": Entry(
        "First divergence",
        "The first layer where the most frequent label among the k neighbors is no longer the true class: "
        "from there on the network sees something else.",
    ),
    "margin": Entry(
        "Margin",
        "The best wrong (or wanted) class’s logit minus the true class’s. Above 0 the network is fooled; the "
        "nearer to 0 from below, the nearer an attack came.",
    ),
    "queries": Entry(
        "Queries", "How many changed images the attack showed to the network until it was done."
    ),
    "vulnerability": Entry(
        "Vulnerability map",
        "For each position: how far the best of the tried colors brings another class, were this one pixel "
        "changed. Above 0 the pixel alone fools the network.",
    ),
    "repair": Entry(
        "Repair (added here)",
        "Each pixel in turn is replaced by the median of its neighbors. Where that brings another class far "
        "ahead, the pixel is the suspect, and that class is the recovered one. It is not in the paper.",
    ),
    "metric": Entry(
        "Metric",
        "How the distance of two activation vectors is measured. Euclidean is the paper’s; the others weigh "
        "few large and many small differences differently.",
    ),
    "rule": Entry(
        "Rule",
        "What is counted among the k neighbors. total: all that are not of the predicted class; max-class: "
        "those of the most frequent single other class.",
    ),
    "reference": Entry(
        "Reference set",
        "The training images that neighbors are taken from: all that the network classifies correctly, or "
        "the distinct ones, without near-duplicates and without images that are neighbors of far too many.",
    ),
    "layer": Entry(
        "Layer",
        "A place in the network whose activations are compared. Composed: several of them, concatenated.",
    ),
}


def about(key: str) -> html.Span:
    """A '?' that explains an entry of the glossary; goes beside the word, never inside a link or button.

    Raises:
        KeyError: the glossary has no such entry.
    """
    return explained(GLOSSARY[key])


def explained(entry: Entry) -> html.Span:
    """A '?' with its own text, for what a text of the glossary would not explain well enough."""
    return html.Span(
        [
            html.Button(
                "?",
                type="button",
                className="help-button",
                **{"aria-label": f"What is “{entry.term}”?", "aria-expanded": "false"},
            ),
            html.Span(
                [html.Strong(entry.term), html.Span(entry.text)],
                className="help-text card floating",
                role="note",
            ),
        ],
        className="help",
    )
