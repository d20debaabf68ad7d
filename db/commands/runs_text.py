"""The output of `xpixels runs` for people: tables of aligned columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from db import processes
from db.read.batch_list import ListedBatch
from db.read.runs import Agreement, AttackTally, AttackWay, Run, TunedLayer, TunedPoint
from text_table import aligned

HEADINGS = ("id", "stage", "status", "started (UTC)", "took", "seed", "version", "rows")
LAST_HEADINGS = ("batch", "asked for")
OF_BATCHES = (
    *("batch", "network", "data set", "attack", "pixels", "seed"),
    *("cases", "attacks", "succeeded", "runs"),
)
# Parameters whose values are clear without their names.
PLAIN = ("dataset", "attack", "layer", "layers", "metrics", "rules", "references")
NONE = "-"


class Told(NamedTuple):
    """Everything that is printed about a run."""

    run: Run
    rows: dict[str, int]  # by table
    attacks: dict[AttackWay, AttackTally]
    cases: dict[tuple[str, str], int]  # by (partition, kind)
    tuning: dict[TunedLayer, TunedPoint]


class Part(NamedTuple):
    """A table of one subject: a column for each key, then for each measure a column for each run."""

    title: str
    keys: tuple[str, ...]  # headings
    measures: dict[str, str]  # heading -> how its numbers are written
    runs: tuple[str, ...]  # as `run 7`; empty text: a column for all of them
    rows: dict[
        tuple[Any, ...], list[Sequence[Any] | None]
    ]  # the measures of each run by key; None: it has none


def table(found: Sequence[Run], rows: Mapping[int, int], width: int | None) -> str:
    """The list of runs with the number of rows of each; its last column is cut to the width.

    Network and data set are told where there are several.
    """
    if not found:
        return "no runs\n"
    several = len({(one.network, one.dataset) for one in found if one.network}) > 1
    lines = [
        (
            str(one.id),
            one.stage,
            one.status,
            _time(one.started_at),
            _duration(one.seconds),
            NONE if one.seed is None else str(one.seed),
            one.code_version,
            f"{rows[one.id]:,}",
            *((_network(one) or NONE,) if several else ()),
            one.batch or NONE,
            asked(one.parameters),
        )
        for one in found
    ]
    headings = (*HEADINGS, *(["network"] * several), *LAST_HEADINGS)
    return _aligned([headings, *lines], right=(0, 4, 5, 7), width=width)


def batch_table(found: Sequence[ListedBatch], width: int | None) -> str:
    """The list of batches; its lines are cut to the width."""
    if not found:
        return "no batches\n"
    lines = [
        (
            one.name,
            f"{one.network} #{one.network_id}",
            one.dataset,
            one.method,
            str(one.pixel_count),
            str(one.seed),
            f"{sum(one.cases.values()):,}",
            f"{one.attacks:,}",
            f"{one.successes:,}",
            ", ".join(map(str, one.runs)),
        )
        for one in found
    ]
    return _aligned([OF_BATCHES, *lines], right=(4, 5, 6, 7, 8), width=width)


def batch_record(batch: ListedBatch) -> dict[str, Any]:
    """A batch for other programs."""
    cases = [
        {"partition": partition, "kind": kind, "cases": count}
        for (partition, kind), count in batch.cases.items()
    ]
    return batch._asdict() | {"cases": cases}


def asked(parameters: Mapping[str, Any]) -> str:
    """Parameters in a line."""
    texts = {name: _value(value) for name, value in parameters.items() if value not in (None, [], {})}
    return ", ".join(value if name in PLAIN else f"{name} {value}" for name, value in texts.items())


def parts(told: Sequence[Told], agreement: Agreement | None) -> list[Part]:
    """The tables of one run, or of two side by side; empty tables are left out."""
    labels = tuple(f"run {one.run.id}" for one in told)
    title, parameters = "Asked for", [one.run.parameters for one in told]
    if len(told) == 2:
        title = "Asked for, where they differ"
        first, second = parameters
        other = [name for name in first | second if first.get(name) != second.get(name)]
        parameters = [{name: of[name] for name in other if name in of} for of in parameters]
    # The variant of an attack follows from the parameters, except for runs with several variants.
    several = any(len({_way(way, False) for way in one.attacks}) < len(one.attacks) for one in told)
    tables = [
        _part("Run", [""], {"": ""}, labels, [_named(_facts(one.run)) for one in told]),
        _part(title, [""], {"": ""}, labels, [_named(of) for of in parameters]),
        _part("Rows", ["table"], {"rows": ","}, labels, [_named(one.rows) for one in told]),
        _part(
            "Attacks",
            ["method", *(["variant"] if several else []), "goal"],
            {"attacks": ",", "images": ",", "succeeded": ",", "rate": ".1%", "queries each": ",.0f"},
            labels,
            [{_way(way, several): _rates(tally) for way, tally in one.attacks.items()} for one in told],
        ),
        _part("Images that both attacked", [""], {"": ""}, ("",), [_agreed(agreement, labels)]),
        _part(
            "Cases",
            ["partition", "kind"],
            {"cases": ","},
            labels,
            [{key: (count,) for key, count in one.cases.items()} for one in told],
        ),
        _part(
            "Tuning",
            ["layer", "metric", "rule", "cases"],
            {"k": "", "threshold": "", "AUC": ".3f", "accuracy": ".1%"},
            labels,
            [one.tuning for one in told],
        ),
    ]
    return [part for part in tables if part.rows]


def as_rows(shown: Sequence[Part]) -> list[list[Any]]:
    """Part, name and measure with the value of each run, exact, for other programs."""
    return [
        [part.title, " ".join(key), measure, *(None if of is None else of[place] for of in values)]
        for part in shown
        for key, values in part.rows.items()
        for place, measure in enumerate(part.measures)
    ]


def laid_out(shown: Sequence[Part], told: Sequence[Told]) -> str:
    """The parts one below the other, with further remarks."""
    runs = [one.run for one in told]
    texts = [f"{part.title}\n{_aligned(*_cells(part), indent=2)}" for part in shown]
    if len(runs) == 2 and runs[0].parameters == runs[1].parameters:
        texts.insert(1, "Both were asked for the same.\n")
    texts += [
        f"What run {one.run.id} chose is gone: a later tuning replaced it.\n"
        for one in told
        if one.run.stage == "tuning" and one.run.status == "done" and not one.tuning
    ]
    return "\n".join(texts)


def _part(
    title: str,
    keys: Sequence[str],
    measures: dict[str, str],
    labels: tuple[str, ...],
    of_runs: Sequence[Mapping[Any, Sequence[Any]]],  # by tuples of the keys
) -> Part:
    names = dict.fromkeys(key for of in of_runs for key in of)
    rows = {key: [of.get(key) for of in of_runs] for key in names}
    return Part(title, tuple(keys), measures, labels, rows)


def _named(values: Mapping[str, Any]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    return {(name,): (value,) for name, value in values.items()}


def _facts(run: Run) -> dict[str, str]:
    host, process = processes.split(run.process) if run.process else (None, None)
    facts = {
        "stage": run.stage,
        "status": run.status,
        "message": run.message,
        "batch": run.batch,
        "network": run.network and f"{_network(run)}, weights {(run.weights or '')[:12]}",
        "started": f"{_time(run.started_at)} UTC",
        "ended": run.finished_at and f"{_time(run.finished_at)} UTC",
        "took": None if run.seconds is None else _duration(run.seconds),
        "seed": run.seed,
        "version": run.code_version,
        "process": process and f"{process} on {host}",
    }
    return {name: str(value) for name, value in facts.items() if value is not None}


def _network(run: Run) -> str | None:
    return run.network and f"{run.network} on {run.dataset}"


def _way(way: AttackWay, several: bool) -> tuple[str, ...]:
    goal = "targeted" if way.targeted else "untargeted"
    return (way.method, way.variant, goal) if several else (way.method, goal)


def _rates(tally: AttackTally) -> tuple[Any, ...]:
    rate, each = tally.successes / tally.attacks, tally.queries / tally.attacks
    return (tally.attacks, tally.samples, tally.successes, rate, each)


def _agreed(agreement: Agreement | None, labels: Sequence[str]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    if agreement is None:
        return {}
    total = sum(agreement)
    counts = {
        "in all": f"{total:,}",
        "fooled by both": f"{agreement.both:,}",
        f"by {labels[0]} only": f"{agreement.first_only:,}",
        f"by {labels[1]} only": f"{agreement.second_only:,}",
        "by neither": f"{agreement.neither:,}",
    }
    if total:
        counts["they agree on"] = f"{(agreement.both + agreement.neither) / total:.1%}"
    return _named(counts)


def _cells(part: Part) -> tuple[list[list[str]], list[int]]:
    """Lines of cells, headings first, a cell a measure; and which columns hold numbers.

    In a cell are the values of all runs, each below the run's name.
    """
    several = len(part.measures) > 1
    names = [name.removeprefix("run ") for name in part.runs] if several else part.runs
    numbers = any(part.measures.values())
    keys = len(part.keys)
    lines = [[""] * keys, list(part.keys), *map(list, part.rows)]
    for place, (measure, form) in enumerate(part.measures.items()):
        columns = []
        for run, name in enumerate(names):
            cells = [name if len(names) > 1 else measure]
            values = [of[run] for of in part.rows.values()]
            cells += [NONE if value is None else _number(value[place], form) for value in values]
            wide = max(map(len, cells))
            columns.append([cell.rjust(wide) if numbers else cell.ljust(wide) for cell in cells])
        above = measure if several and len(names) > 1 else ""
        for line, cell in zip(lines, [above, *map("  ".join, zip(*columns, strict=True))], strict=True):
            line.append(cell)
    return lines, [keys + place for place in range(len(part.measures))] if numbers else []


def _number(value: Any, form: str) -> str:
    if value is None:
        return NONE
    return format(value, form) if form else _value(value)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "+".join(map(_value, value))
    if isinstance(value, dict):
        return " ".join(f"{name} {_value(entry)}" for name, entry in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def _time(moment: str) -> str:
    return moment.replace("T", " ").removesuffix("Z")


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return NONE
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def _aligned(
    lines: Sequence[Sequence[str]], right: Sequence[int] = (), *, indent: int = 0, width: int | None = None
) -> str:
    """Lines of cells below their headings, if any; columns in `right` are aligned to the right."""
    texts = aligned(lines, right)
    cut = [text if width is None or len(text) <= width else text[: width - 1] + "…" for text in texts]
    return "".join(f"{' ' * indent}{text}\n" for text in cut if text.strip())
