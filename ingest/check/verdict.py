"""The findings of detectors on an image, as numbers, as JSON and as lines to read: pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from db.number_text import percent
from db.read.for_ingest.detectors import KnownNetwork, TunedDetector, TunedOn
from db.reasons import neighbors_reading
from ingest.check.tuned import needs_repairs, tuned_words


@dataclass(frozen=True)
class Finding:
    """The finding of one detector on an image."""

    detector: TunedDetector
    score: float  # alarm when it is above the detector's threshold
    counts: bool  # towards the verdict; the others are there to compare
    reason: str
    alarm: bool
    recovered: str | None  # on alarm, its guess of the true class, if it has one
    metric: str | None = None  # of neighbors, like the next one
    rule: str | None = None
    row: int | None = None  # on alarm, the pixel that it suspects
    column: int | None = None


@dataclass(frozen=True)
class Verdict:
    """The prediction for an image and the findings of all detectors."""

    predicted: str
    confidence: float  # softmax probability of the predicted class, [0, 1]
    findings: tuple[Finding, ...]

    @property
    def alarm(self) -> bool:
        """Whether any detector alarms that counts towards the verdict."""
        return any(finding.alarm and finding.counts for finding in self.findings)


def neighbors_reason(rule: str, k: int, threshold: int, count: int, predicted: str) -> str:
    """Why a layer alarms or not: `count` of the first k neighbors are unexpected."""
    return f"{neighbors_reading(rule, k, count, predicted)}; alarms above {threshold}"


def heading(network: KnownNetwork, metric: str, rule: str, tuned_on: TunedOn | None) -> str:
    """One line with the network and the settings that judge all images."""
    return f"{network.title}: {metric}, rule {rule}, {tuned_words(tuned_on)}"


def as_lines(name: str, verdict: Verdict, read: Sequence[str] = (), case_id: int | None = None) -> str:
    """An image's verdict, what was done to read it, then a line per detector; name: ready for printing."""
    alarms = [finding.detector.name for finding in verdict.findings if finding.alarm and finding.counts]
    outcome = f"ALARM by {', '.join(alarms)}" if alarms else "quiet"
    kept = "" if case_id is None else f" (case {case_id})"
    width = max((len(finding.detector.name) for finding in verdict.findings), default=0)
    lines = [f"{name}: {verdict.predicted}, {percent(verdict.confidence)}: {outcome}{kept}"]
    lines += [f"  {'; '.join(read)}"] if read else []
    for finding in verdict.findings:
        notes = [] if finding.recovered is None else [f"recovers {finding.recovered}"]
        notes += [] if finding.counts else ["to compare"]
        state = "alarm" if finding.alarm else "quiet"
        details = "; ".join((finding.reason, *notes))
        lines.append(f"  {finding.detector.name.ljust(width)}  {state}  {details}")
    return "\n".join(lines)


def as_entry(
    name: str,
    network: KnownNetwork,
    verdict: Verdict,
    read: Sequence[str] = (),
    case_id: int | None = None,
) -> dict[str, Any]:
    """The same for JSON, with unformatted numbers; networks are named as in the database's views."""
    entry = {
        "file": name,
        "network": network.name,
        "network_id": network.id,
        "dataset": network.dataset,
        "dataset_id": network.dataset_id,
        "read": list(read),
        "prediction": verdict.predicted,
        "confidence": verdict.confidence,
        "alarm": verdict.alarm,
        "detectors": [_finding_entry(finding) for finding in verdict.findings],
    }
    return entry if case_id is None else {**entry, "case": case_id}


def _finding_entry(finding: Finding) -> dict[str, Any]:
    detector = finding.detector
    entry = {
        "detector": detector.name,
        "kind": detector.kind,
        "alarm": finding.alarm,
        "counts": finding.counts,
        "score": finding.score,
        "threshold": float(detector.threshold),
        "tuned_on": detector.tuned_on._asdict(),
        "reason": finding.reason,
        "recovered": finding.recovered,
    }
    if detector.kind == "neighbors":
        setting = {"metric": finding.metric, "rule": finding.rule}
        entry |= {"layer": detector.layer, "reference": detector.reference, **setting, "k": detector.k}
    if needs_repairs(detector):
        entry |= {"row": finding.row, "column": finding.column}
    return entry


def summary(alarmed: int, quiet: int, failed: int, seconds: float) -> str:
    """One line with the counts of all verdicts and the time."""
    judged = alarmed + quiet
    said = [f"{alarmed:,} alarmed", f"{quiet:,} quiet"]
    said += [f"{failed:,} could not be judged"] if failed else []
    images = f"{judged:,} image{'' if judged == 1 else 's'}"
    return f"{images} judged in {seconds:.1f} s ({judged / max(seconds, 1e-9):.1f}/s): {', '.join(said)}"
