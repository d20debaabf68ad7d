"""The counts of two networks side by side: answers, images that one pixel fools, transfers, same attacks."""

from collections.abc import Mapping, Sequence
from typing import Any

from dashapp import ids
from dashapp.draw.html_parts import Element, element, link
from dashapp.words import decisions
from db.read import NEAR, Agreement, CompareQuery, Measure, SameAttacks, Table, Transfer, measured_share
from db.scope import Scope
from db.vocabulary import ATTACKS

IMAGES = "#images"  # of addresses: the part of the page that `compare.js` shows
KINDS = ("both", "first", "second", "neither")
MARKS = {"first": "side", "second": "side side-second"}  # of the two networks


def name(query: CompareQuery, which: str) -> list[Any]:
    """The name of the first or second network, with its mark."""
    network = getattr(query, which)
    other = query.second if which == "first" else query.first
    number = f" #{network.id}" if network.name == other.name else ""
    return [element("span", className=MARKS[which]), f"{network.name}{number}"]


def answers(query: CompareQuery, table: Table) -> Element:
    """Accuracy of both on the test images that both have predicted, and who is right."""
    if not table.total:
        command = f"xpixels evaluate --network N --dataset {query.first.dataset} --database …"
        return _card("Test images", "No test image was predicted by both yet.", [_run(command)])
    return _card(
        "Test images",
        f"Of {table.total:,} that both have predicted.",
        [_shares(query, table, "right"), _square(query, table, "right", "wrong")],
    )


def sweeps(query: CompareQuery, table: Table, home: str) -> Element:
    """Images that were swept for both, by whom one pixel fools; each count shows its images."""
    if not table.total:
        command = f"xpixels study --network N --dataset {query.first.dataset}"
        return _card("One pixel", "No image was swept alike for both yet.", [_run(command)])
    return _card(
        "One pixel",
        f"Of {table.total:,} images swept for both, each in the same colors. Images that were attacked are "
        "among them: not a random sample.",
        [_shares(query, table, "fooled"), _square(query, table, "fooled", "safe", home)],
    )


def transfers(query: CompareQuery, found: Mapping[tuple[Scope, int], Transfer]) -> Element:
    """The adversarial cases of each as the other answers them."""
    lines, missing = [], []
    for which, other in (("first", "second"), ("second", "first")):
        made_for, answers_ = getattr(query, which), getattr(query, other)
        transfer = found.get((made_for.scope, answers_.id))
        title = [*name(query, which), element("span", " → ", className="muted"), *name(query, other)]
        if transfer is None:
            missing.append(answers_.name)
            lines.append(_line(title, "–", "not measured"))
            continue
        share = measured_share(transfer.fooled, transfer.right_before)
        of = f"{transfer.fooled:,} of {transfer.right_before:,}, {transfer.same_class:,} as the same class"
        lines.append(_line(title, "–" if share is None else decisions.percent(share.value), of, share))
    body: list[Any] = [element("ul", lines, className="compare-lines")]
    if missing:
        body.append(_run(f"xpixels evaluate --network N --dataset {query.first.dataset} --database …"))
    return _card(
        "Which attacks transfer",
        "Adversarial images made for one that fool the other, of those whose original it gets right.",
        body,
    )


def attacks(found: Sequence[SameAttacks], agreement: Agreement) -> Element:
    """Attacks that succeed for both on the same image, and how alike the vulnerability maps are."""
    lines = []
    for one in found:
        near = [
            f"{count:,} at the same pixel" if most == 0 else f"{count:,} within {most}"
            for most, count in zip(NEAR, one.near, strict=True)
        ]
        share = measured_share(one.same_class, one.attacks)
        title = f"{ATTACKS[one.method].title if one.method in ATTACKS else one.method}: same class reached"
        said = f"{one.same_class:,} of {one.attacks:,}; {', '.join(near)}"
        lines.append(_line([title], "–" if share is None else decisions.percent(share.value), said, share))
    if agreement.correlation is not None:
        said = f"mean of {agreement.compared:,} images: 1 alike, 0 unrelated"
        lines.append(_line(["Maps: correlation of margins"], f"{agreement.correlation:.2f}", said))
    if agreement.overlap is not None:
        said = f"of both / of either, mean of {agreement.overlapped:,} images that fall to both"
        lines.append(_line(["Maps: vulnerable positions shared"], decisions.percent(agreement.overlap), said))
    note = "Untargeted attacks of one pixel that succeed for both, and maps of the images swept for both."
    if not lines:
        return _card("The same attacks", note, [element("p", "None yet.", className="muted small")])
    return _card("The same attacks", note, [element("ul", lines, className="compare-lines")])


def _shares(query: CompareQuery, table: Table, word: str) -> Element:
    """The share of each network, with its interval."""
    lines = []
    for which, count in (("first", table.of_first), ("second", table.of_second)):
        share = measured_share(count, table.total)
        assert share is not None  # there are images
        lines.append(_line(name(query, which), decisions.percent(share.value), f"{count:,} {word}", share))
    return element("ul", lines, className="compare-lines")


def _square(query: CompareQuery, table: Table, yes: str, no: str, home: str | None = None) -> Element:
    """The four counts as a square: rows are of the first network, columns of the second."""

    def cell(kind: str, count: int) -> Element:
        share = count / table.total
        text: Any = f"{count:,}"
        if home is not None:
            text = link(
                text,
                id=ids.network_link("show", kind),
                href=home + query.but(show=kind).search() + IMAGES,
                className="n-value",
                title="Show these images",
            )
        parts = [text, element("span", decisions.percent(share), className="sub muted")]
        return element("td", parts, className="heat-cell", style={"--share": f"{share:.3f}"})

    cells = [cell(kind, getattr(table, kind)) for kind in KINDS]

    def heading(which: str, word: str, **attributes: Any) -> Element:
        network = getattr(query, which)
        mark = element("span", className=MARKS[which])
        return element("th", [mark, word], title=f"{network.name} #{network.id}: {word}", **attributes)

    head = [
        element("th", ""),
        *(heading("second", word, scope="col", className="heat-cell") for word in (yes, no)),
    ]
    rows = [
        element("tr", [heading("first", word, scope="row"), *pair])
        for word, pair in ((yes, cells[:2]), (no, cells[2:]))
    ]
    return element(
        "table",
        [element("thead", element("tr", head)), element("tbody", rows)],
        className="heat compare-square",
    )


def _line(title: list[Any], value: str, said: str, share: Measure | None = None) -> Element:
    ends = None
    if share is not None and share.low is not None and share.high is not None:
        ends = element("span", decisions.interval(share.low, share.high), className="d-interval muted")
    return element(
        "li",
        [
            element("span", title, className="compare-title"),
            element("span", [element("b", value), " ", ends], className="compare-value"),
            element("span", said, className="muted small"),
        ],
    )


def _run(command: str) -> Element:
    return element("p", ["Run ", element("code", command), " and reload."], className="muted small")


def _card(title: str, note: str, body: list[Any]) -> Element:
    return element(
        "section",
        [element("h2", title), element("p", note, className="muted small"), *body],
        className="card detector-chart",
    )
