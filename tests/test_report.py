"""The report of a synthetic database: Markdown that holds together, and figures with and without kaleido."""

import re

import numpy as np
import pytest
from test_evidence_figures import row

import db.read
import xpixels
from dashapp.report import facts, tables
from dashapp.report import figures as report_figures
from dashapp.report.document import write_report
from db import paper
from db.read import Measure
from tests.support import any_database, database


@pytest.fixture(scope="module")
def engine(fresh):
    made = fresh()
    database.fill(made, per_group=4, references=60)
    return made


@pytest.fixture
def drawn(monkeypatch):
    """As if kaleido were there: each picture holds what it was asked with."""
    monkeypatch.setattr(report_figures, "kaleido_installed", lambda: True)

    def write(figures, files, *, width, height):
        for file, w, h in zip(files, width, height, strict=True):
            file.write_text(
                f'<svg width="{w}" height="{h}"><defs id="defs-12ab34"/><g id="clip12ab34"/>'
                '<g class="trace scatter trace0a1b2c"/></svg>'
            )

    monkeypatch.setattr(report_figures.plotly.io, "write_images", write)


@pytest.fixture
def undrawn(monkeypatch):
    """As if kaleido were not there."""
    monkeypatch.setattr(report_figures, "kaleido_installed", lambda: False)


def test_every_file_that_is_named_is_there_and_nothing_else(engine, drawn, tmp_path):
    written = write_report(engine, tmp_path / "made" / "report")
    assert sorted(path.name for path in written) == sorted(path.name for path in written[0].parent.iterdir())
    text = written[0].read_text()
    pictures = re.findall(r"!\[Figure \d+\]\((.*?)\)", text)
    assert pictures == [f"figure-{number:02}.svg" for number in range(4, 13)]
    assert set(pictures) == {path.name for path in written[1:]}
    assert 'width="680" height="640"' in written[-1].read_text()


def test_a_picture_is_the_same_each_time(engine, drawn, tmp_path):
    svg = write_report(engine, tmp_path)[1].read_text()
    assert '"defs-figure-04"' in svg
    assert '"clipfigure-04"' in svg
    assert 'class="trace scatter"' in svg
    assert report_figures.settled("<svg/>", "a") == "<svg/>"


def test_the_report_is_the_same_each_time_and_its_tables_are_whole(engine, drawn, tmp_path):
    text = write_report(engine, tmp_path / "a")[0].read_text()
    assert write_report(engine, tmp_path / "b")[0].read_text() == text
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        widths = {line.count(" | ") for line in table.splitlines()}
        assert len(widths) == 1, table
        assert len(table.splitlines()) > 2, table
    for heading in ("Attacks: untargeted", "Reference set", "Ways to choose k", "Near-duplicates", "Timings"):
        assert heading in text
    for word in ("nan", "None", "inf "):
        assert not re.search(rf"\b{word}\b", text), word


def test_the_report_has_the_numbers_of_the_database(engine, drawn, tmp_path):
    text = write_report(engine, tmp_path)[0].read_text()
    query, _ = db.read.evidence_query(engine, "")
    rows = {one.detector: one for one in db.read.evidence_summary(engine, query)}
    dense = rows["dense euclidean total"]
    assert f"| dense euclidean total | {dense.k} |" in text
    assert f"{dense.auc.value:.3f}".removeprefix("0") in text
    assert "| dense | paper | 23 |" in text
    assert "repair (added here)" in text
    assert "confidence *(baseline)*" in text
    assert "| within 8 | 8 |" in text


def test_without_kaleido_there_is_one_page_and_the_way_to_pictures(engine, undrawn, tmp_path):
    (tmp_path / "figure-04.svg").write_text("of an earlier report")
    names = {path.name for path in write_report(engine, tmp_path)}
    assert names == {"report.md", "figures.html", "plotly.min.js"}
    assert names == {path.name for path in tmp_path.iterdir()}
    text = (tmp_path / "report.md").read_text()
    assert "install the extra `report`" in text
    assert "BROWSER_PATH" in text
    page = (tmp_path / "figures.html").read_text()
    assert len(re.findall(r'<h2 id="figure-\d\d">', page)) == 9
    assert re.findall(r'src="(.*?)"', page) == ["plotly.min.js"]
    assert len(page) < 200_000  # plotly.js is beside it


def test_a_chrome_that_does_not_start_is_named_in_one_line(engine, drawn, monkeypatch, tmp_path):
    def fail(*_args, **_options):
        raise RuntimeError("Kaleido requires Google Chrome.\nLong advice. More of it.")

    monkeypatch.setattr(report_figures.plotly.io, "write_images", fail)
    write_report(engine, tmp_path)
    (line,) = [ln for ln in (tmp_path / "report.md").read_text().splitlines() if "No pictures" in ln]
    assert "Kaleido requires Google Chrome" in line
    assert "BROWSER_PATH" in line


def test_a_database_without_evaluations_is_refused_with_the_command(fresh, tmp_path):
    engine = fresh()
    database.fill(engine, per_group=1, references=50, evidence=False)
    with pytest.raises(ValueError, match="xpixels ingest") as error:
        write_report(engine, tmp_path / "report")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_report_that_is_not_finished_leaves_the_earlier_one(engine, drawn, monkeypatch, tmp_path, error):
    write_report(engine, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(*_args):
        raise error

    monkeypatch.setattr(facts, "sections", fail)
    monkeypatch.setattr(report_figures, "kaleido_installed", lambda: False)
    with pytest.raises(error):
        write_report(engine, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_with_a_report_of_somebody_is_refused_before_the_study_begins(tmp_path, capsys):
    (tmp_path / "report.md").write_text("# My thesis", "utf-8")
    (tmp_path / "file").touch()
    for folder, said in (
        (tmp_path, "is no earlier report of this program"),
        (tmp_path / "file", "is a file"),
    ):
        arguments = ["study", "--report", str(folder), "--database", str(tmp_path / "none.db")]
        assert xpixels.main(arguments) == 1
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert said in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "report.md"]
    assert (tmp_path / "report.md").read_text("utf-8") == "# My thesis"


def test_a_report_of_any_network_follows_its_layers(fresh, drawn, tmp_path):
    other = fresh()
    vectors = (("pooled", "pool", 8), ("fc1", "dense", 6), ("fc2", "dense", 6))
    shape = any_database.Shape(classes=4, size=(4, 4), gray=True, viewed=(), vectors=vectors, cases=8)
    any_database.fill(other, shape._replace(name="any & all"))
    text = write_report(other, tmp_path)[0].read_text()
    assert text.startswith("# What the detectors do: any & all on any & all\n")
    layers = ["pooled", "fc1", "fc2", "logits"]
    assert re.findall(r"!\[Figure (\d+)\]", text) == [str(number) for number in range(1, 12)]
    for number, layer in enumerate(layers, start=1):
        assert re.search(
            rf"\*\*Figure {number}:\*\* .* for layer {number} \({layer}\) using k = \d+, on", text
        )
        assert f"| {layer} | tuning |" in text
        assert f"{number + 5}:** Determination of the best value for k" in text
    assert "for the composed layer using" in text
    for word in ("the paper:", "paper's k =", "| paper |", "figures 4 to 12", "flatten"):
        assert word not in text
    page = report_figures.write_page([], tmp_path, "any & all")[0].read_text()
    assert "<title>any &amp; all</title>" in page


def test_a_report_is_of_the_network_and_the_data_set_that_are_asked_for(engine, drawn, tmp_path):
    text = write_report(engine, tmp_path, database.SCOPE)[0].read_text()
    assert text.startswith("# What the detectors do: cifar10-cnn on cifar10\n")
    with pytest.raises(db.read.QueryError, match="does not exist"):
        write_report(engine, tmp_path, database.SCOPE._replace(network_id=9))


def test_layers_that_the_paper_lacks_come_after_its_figures():
    layers = ["conv4", "flatten", "dense", "logits", "composed"]
    found = report_figures.places(layers, paper.K)
    numbers = {layer: (place.thresholds, place.by_k) for layer, place in found.items()}
    assert numbers == {
        "conv4": (13, 14), "flatten": (4, 8), "dense": (5, 9), "logits": (6, 10), "composed": (7, 11)
    }  # fmt: skip


def test_a_table_keeps_bars_in_its_cells():
    table = tables.markdown(("a", "b"), [("x|y", 1), (None, 2.5)])
    assert table == "| a | b |\n| --- | ---: |\n| x\\|y | 1 |\n|  | 2.5 |"


def test_the_best_of_a_summary_are_bold_and_the_rest_is_not():
    weak = row("dense cosine total", auc=Measure(0.6, 0.5, 0.7), paired_auc=None, recovered=None)
    lines = tables.summary([row(), weak]).splitlines()
    assert "**.800 [.750, .850]**" in lines[2]
    assert "**" not in lines[3]
    assert tables.best_sentence([weak, row()]).startswith("Best k-NN detector: dense euclidean total")


def test_a_pixel_is_measured_against_the_neighbors_that_it_has():
    image = np.full((4, 4, 3), 100, np.uint8)
    image[0, 0] = (255, 90, 100)
    image[2, 2] = (100, 100, 0)
    assert facts.neighbor_distance(image, 0, 0) == 155
    assert facts.neighbor_distance(image, 2, 2) == 100
    assert facts.neighbor_distance(image, 3, 3) == 0
    assert facts.at_edge(image, 0, 2)
    assert not facts.at_edge(image, 1, 2)


def test_detectors_are_matched_by_layer_metric_and_rule():
    whole, part = row(), row("dense euclidean total distinct", reference="distinct")
    assert facts.matched([whole, row("repair", kind="repair")], [part]) == [(whole, part)]
    assert facts.matched([row(metric="cosine")], [part]) == []
