"""The report of a network on a data set: what the detectors do, as Markdown with figures like the paper's.

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
from db.read.chosen_scope import scope_fields
from db.read.query_string import write_search
from db.scope import Scope
from db.vocabulary import CHOICES, METRIC, RULE, WAYS
from whole_file import hidden_folder

REPORT = "report.md"
TITLE = "# What the detectors do"
FOLDED = "<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"


def write_report(engine: Engine, folder: Path, scope: Scope | None = None) -> list[Path]:
    """Write `report.md` and its figures into a folder, created if needed; return the written files.

    They replace an earlier report once all of them are complete; a failure leaves that report unchanged.

    The figures are pictures if the package kaleido and a Chromium are installed, else one interactive page.

    Args:
        engine: the database.
        folder: where the files go.
        scope: the network and the data set; None: those evaluated last.

    Raises:
        ValueError: nothing has been evaluated yet; one line, with the command that does it.
        Also what `require_folder` raises.
    """
    query, options = db.read.evidence_query(engine, write_search(scope_fields(scope, None)))
    if not options.detectors:
        raise ValueError(
            "Nothing has been evaluated in this database: run `xpixels ingest` or `xpixels study` first."
        )
    sets = options.values["set"]
    as_in_paper = query.but(set="targeted") if "targeted" in sets else query
    figures = report_figures.paper_figures(engine, as_in_paper)
    facts = db.read.overview(engine, query.scope)
    ks = db.read.paper_ks(engine, query.scope)
    title = f"{TITLE}: {facts.network} on {facts.dataset}"
    require_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with hidden_folder(folder, "report") as new:
        figure_files, hint = report_figures.write_figures(figures, new, title.lstrip("# "))
        parts = [
            _head(facts, title),
            _detectors(engine, query, sets),
            _ways(engine, as_in_paper),
            _figures(figures, figure_files, hint, as_in_paper.set, as_there=bool(ks)),
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


def _head(facts: db.read.Overview, title: str) -> str:
    accuracy = "" if facts.test_accuracy is None else f", {100 * facts.test_accuracy:.2f} % test accuracy"
    return (
        f"{title}\n\n"
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


def _ways(engine: Engine, query: EvidenceQuery) -> str:
    """A table that compares the ways to choose k, for the paper's kinds of detectors."""
    asked = query.but(metric=METRIC, rule=RULE, reference="all", sort="detector", descending=False)
    ks = db.read.paper_ks(engine, query.scope)
    ways = WAYS if ks else CHOICES
    rows = {how: report_figures.of_the_paper(db.read.evidence_summary(engine, asked, how)) for how in ways}
    there = f"; *paper*: the paper's k, {', '.join(map(str, ks.values()))}" if ks else ""
    return "\n\n".join(
        [
            "## Ways to choose k",
            "The paper's kinds of detectors: euclidean distances, rule total. *tuning*: k from the tuning "
            "cases; *validation*: the k with the highest accuracy on validation, as the paper's appendix "
            f"picks it, which flatters{there}. The threshold always comes from the tuning cases. "
            f"Attacks: {query.set}.",
            tables.ways(rows),
        ]
    )


def _figures(figures: list[Any], written: list[Path], hint: str, case_set: str, *, as_there: bool) -> str:
    """The figures; `as_there`: they are of the paper's network on its data set."""
    names = {path.stem: path.name for path in written}
    heading = "The paper's figures 4 to 12, with our numbers" if as_there else "Figures, layer by layer"
    parts = [f"## {heading}", f"Attacks: {case_set}."]
    if hint:
        parts.append(f"{hint} The figures are in [figures.html](figures.html).")
    for figure in figures:
        picture = names.get(figure.name)
        if picture is not None:
            parts.append(f"![Figure {figure.number}]({picture})")
        parts.append(f"**Figure {figure.number}:** {figure.caption}")
    return "\n\n".join(parts)
