"""The report of a database: what the detectors do, as a page of Markdown with the paper's figures 4 to 12.

    write_report(db.engine.create("xpixels.db", read_only=True), Path("report"))

Every sentence and number comes from the database, so that the same database gives the same report.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import Engine

import db.read
from dashapp.report import facts as report_facts
from dashapp.report import figures as report_figures
from dashapp.report import tables
from db.read import EvidenceQuery
from db.vocabulary import METRIC, RULE
from whole_file import hidden_folder

REPORT = "report.md"
TITLE = "# What the detectors do"
FOLDED = "<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"


def write_report(engine: Engine, folder: Path) -> list[Path]:
    """Write `report.md` and its figures into a folder, created if needed; return the written files.

    They replace an earlier report once all of them are complete; a failure leaves that report unchanged.

    The figures are pictures if the package kaleido and a Chromium are installed, else one interactive page.

    Raises:
        ValueError: nothing has been evaluated yet; one line, with the command that does it.
        Also what `require_folder` raises.
    """
    query, options = db.read.evidence_query(engine, "")
    if not options.detectors:
        raise ValueError(
            "Nothing has been evaluated in this database: run `xpixels ingest` or `xpixels study` first."
        )
    sets = options.values["set"]
    as_in_paper = query.but(set="targeted") if "targeted" in sets else query
    figures = report_figures.paper_figures(engine, as_in_paper)
    require_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with hidden_folder(folder, "report") as new:
        figure_files, hint = report_figures.write_figures(figures, new)
        parts = [
            _head(engine, query),
            _detectors(engine, query, sets),
            _paper(engine, as_in_paper),
            _figures(figures, figure_files, hint, as_in_paper.set),
            *report_facts.sections(engine, query),
        ]
        report = new / REPORT
        report.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
        return _publish([report, *figure_files], folder)


def require_folder(folder: Path) -> None:
    """Raise an error unless a report can be written into the folder.

    Raises:
        NotADirectoryError: it is a file.
        FileExistsError: it has a `report.md` that is not of an earlier report.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file: name a folder for the report.")
    report = folder / REPORT
    if report.exists() and not report.read_bytes().startswith(TITLE.encode()):
        raise FileExistsError(f"{report} is no earlier report of this program: name another folder.")


def _publish(files: list[Path], folder: Path) -> list[Path]:
    """Replace an earlier report's files; delete its figures that have no successor."""
    names = [file.name for file in files]
    for old in report_figures.old_figures(folder):
        if old.name not in names:
            old.unlink()
    return [file.replace(folder / file.name) for file in files]


def _head(engine: Engine, query: EvidenceQuery) -> str:
    facts = db.read.overview(engine, query.scope)
    accuracy = "" if facts.test_accuracy is None else f", {100 * facts.test_accuracy:.2f} % test accuracy"
    return (
        f"{TITLE}\n\n"
        f"Network {facts.network} on {facts.dataset}{accuracy}; {facts.case_count:,} cases. Written from the "
        "database alone.\n\n"
        "AUC: area under the ROC curve against other clean images, .5 is chance. Paired AUC: against the "
        "very same images before their attack. Accuracy, EER (equal error rate), TPR, FPR (false alarms) and "
        "recovered (true class named) in percent. In brackets 95 % bootstrap intervals. k and threshold are "
        "chosen on the tuning cases, and all numbers are of the validation cases, unless something else is "
        "said."
    )


def _detectors(engine: Engine, query: EvidenceQuery, case_sets: tuple[str, ...]) -> str:
    """Summary tables, one per set of attacks: all metrics and rules, the whole reference set."""
    parts = ["## How well each detector does", report_facts.case_counts(engine, query)]
    for case_set in case_sets:
        asked = query.but(set=case_set, metric=db.read.ANY, rule=db.read.ANY, reference="all")
        rows = db.read.evidence_summary(engine, asked)
        if not rows:
            continue
        parts.append(f"### Attacks: {case_set}")
        usual = tables.shown_first(rows)
        parts += [tables.best_sentence(rows), tables.summary(usual)]
        if len(usual) < len(rows):
            body = tables.summary(rows)
            parts.append(FOLDED.format(summary=f"All {len(rows)} detectors, best AUC first", body=body))
    distinct = report_facts.distinct_section(engine, query)
    return "\n\n".join([*parts, distinct] if distinct else parts)


def _paper(engine: Engine, query: EvidenceQuery) -> str:
    """A table that compares the ways to choose k, for the paper's detectors."""
    asked = query.but(metric=METRIC, rule=RULE, reference="all", sort="detector", descending=False)
    rows = {how: db.read.evidence_summary(engine, asked, how) for how in ("tuning", "validation", "paper")}
    return "\n\n".join(
        [
            "## Ways to choose k",
            "The paper's detectors: euclidean distances, rule total. *tuning*: k from the tuning cases; "
            "*validation*: the k with the highest accuracy on validation, as the paper's appendix picks it, "
            "which flatters; *paper*: the paper's k, 13, 23, 12 and 12. The threshold always comes from the "
            f"tuning cases. Attacks: {query.set}.",
            tables.ways(rows),
        ]
    )


def _figures(figures: list[Any], written: list[Path], hint: str, case_set: str) -> str:
    names = {path.stem: path.name for path in written}
    parts = ["## The paper's figures 4 to 12, with our numbers", f"Attacks: {case_set}."]
    if hint:
        parts.append(f"{hint} The figures are in [figures.html](figures.html).")
    for figure in figures:
        picture = names.get(figure.name)
        if picture is not None:
            parts.append(f"![Figure {figure.number}]({picture})")
        parts.append(f"**Figure {figure.number}:** {figure.caption}")
    return "\n\n".join(parts)
