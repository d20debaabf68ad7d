"""Which attacks transfer: for each data set of several networks, a matrix of networks by networks."""

from collections.abc import Mapping, Sequence

from dash import Dash

from dashapp.draw.html_parts import Element, element, link
from dashapp.words import decisions
from db.read import NetworkResult, Transfer
from db.read.query_string import write_search
from db.scope import Scope


def matrices(
    results: Sequence[NetworkResult], transfers: Mapping[tuple[Scope, int], Transfer], app: Dash
) -> list[Element]:
    """A card for each data set that several networks have met; its cells lead to both side by side."""
    by_dataset: dict[int, list[NetworkResult]] = {}
    for result in sorted(results, key=lambda one: one.scope):
        by_dataset.setdefault(result.scope.dataset_id, []).append(result)
    return [_matrix(of, transfers, app) for of in by_dataset.values() if len(of) > 1]


def _matrix(
    results: Sequence[NetworkResult], transfers: Mapping[tuple[Scope, int], Transfer], app: Dash
) -> Element:
    dataset = results[0].dataset
    head = [
        element("th", "Attacks made for", scope="col"),
        *(element("th", _named(one), scope="col", className="heat-cell") for one in results),
    ]
    rows = [
        element(
            "tr",
            [
                element("th", _named(one), scope="row"),
                *(_cell(one, other, transfers, app) for other in results),
            ],
        )
        for one in results
    ]
    pairs = [(one.scope, other.scope.network_id) for one in results for other in results if one is not other]
    parts = [
        element("h2", f"Which attacks transfer on {dataset}"),
        element(
            "p",
            "Adversarial images of the network on the left that also fool the one above, of those whose "
            "original it gets right. Each cell opens both side by side.",
            className="muted small",
        ),
        element(
            "div",
            element(
                "table",
                [element("thead", element("tr", head)), element("tbody", rows)],
                className="heat transfer-matrix",
            ),
            className="transfer-card",
        ),
    ]
    if any(pair not in transfers for pair in pairs):
        command = f"xpixels evaluate --network N --dataset {dataset} --database …"
        parts.append(
            element(
                "p",
                [
                    "Not measured everywhere: ",
                    element("code", command),
                    " lets a network answer the attacks on all others.",
                ],
                className="muted small",
            )
        )
    return element("section", parts, className="card detector-chart")


def _cell(
    one: NetworkResult,
    other: NetworkResult,
    transfers: Mapping[tuple[Scope, int], Transfer],
    app: Dash,
) -> Element:
    if one is other:
        return element("td", "–", className="heat-cell muted transfer-self")
    fields = zip(("network", "dataset", "other"), (*one.scope, other.scope.network_id), strict=True)
    href = app.get_relative_path("/compare") + write_search(fields)
    transfer = transfers.get((one.scope, other.scope.network_id))
    if transfer is None or not transfer.right_before:
        return element("td", link("compare", href=href), className="heat-cell")
    share = transfer.fooled / transfer.right_before
    return element(
        "td",
        [
            link(decisions.percent(share), href=href, className="n-value"),
            element("span", f"{transfer.fooled:,} of {transfer.right_before:,}", className="sub muted"),
        ],
        className="heat-cell",
        style={"--share": f"{share:.3f}"},
        title=f"{transfer.same_class:,} of them as the same wrong class",
    )


def _named(result: NetworkResult) -> list[object]:
    return [result.network, element("span", f" #{result.scope.network_id}", className="muted")]
