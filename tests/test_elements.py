import itertools
import math
from collections import Counter

import pytest

from dashapp import theme
from dashapp.draw import graph_elements as elements
from dashapp.draw.graph_elements import GraphNeighbor

NAMES = [f"class {i}" for i in range(10)]


def neighbors(labels, distances=None):
    distances = distances or [5 + 0.1 * i**1.3 for i in range(len(labels))]
    return [
        GraphNeighbor(f"r{i}", i + 1, label, distance, f"/images/{i}.png")
        for i, (label, distance) in enumerate(zip(labels, distances, strict=True))
    ]


def graph(rows, **changes):
    options = {
        "case_image": "/images/case.png",
        "case_text": "predicted class 2",
        "predicted": 2,
        "k": 13,
        "class_names": NAMES,
        "number": "{:.3f}".format,
        "place": "euclidean, dense",
    }
    return elements.graph_elements(rows, **{**options, **changes})


def by_role(graph_elements, role):
    return [e for e in graph_elements if e["data"].get("role") == role]


def test_edge_lengths_are_an_affine_image_of_the_distances():
    rows = neighbors([2, 2, 5, 5, 3])
    made = graph(rows)
    edges = {e["data"]["target"]: e["data"] for e in made if "source" in e["data"]}
    scale = elements.lengths([row.distance for row in rows])
    for row in rows:
        assert edges[row.key]["length"] == pytest.approx(scale(row.distance))
        assert edges[row.key]["distance"] == row.distance
    assert edges["r0"]["length"] == scale.shortest
    assert edges["r4"]["length"] == pytest.approx(scale.longest)


def test_nodes_stand_where_their_edges_say():
    made = graph(neighbors([1] * 7 + [4] * 6))
    lengths = {e["data"]["target"]: e["data"]["length"] for e in made if "source" in e["data"]}
    for node in by_role(made, "neighbor"):
        x, y = node["position"]["x"], node["position"]["y"]
        assert math.hypot(x, y) == pytest.approx(lengths[node["data"]["id"]])


def test_each_ring_is_labeled_with_its_distance():
    rings = by_role(graph(neighbors([1, 2, 3], [4.0, 5.0, 6.5])), "ring")
    assert {ring["data"]["id"]: ring["data"]["label"] for ring in rings} == {
        "ring-near": "4.000",
        "ring-far": "6.500",
    }


def test_equal_distances_get_one_length_and_no_rings():
    made = graph(neighbors([1, 2, 3], [4.0, 4.0, 4.0]))
    assert len({e["data"]["length"] for e in made if "source" in e["data"]}) == 1
    assert by_role(made, "ring") == []


def test_each_class_has_one_sector_and_the_predicted_one_is_on_top():
    rows = neighbors([5, 2, 5, 2, 7, 5, 5, 2, 5, 7])
    around = sorted(zip(elements.angles(rows, 2), [row.label for row in rows], strict=True))
    labels = [label for _, label in around]
    changes = sum(a != b for a, b in zip(labels, labels[1:] + labels[:1], strict=True))
    assert changes == len(Counter(labels))
    steps = [b[0] - a[0] for a, b in itertools.pairwise(around)]
    assert steps == pytest.approx([2 * math.pi / 10] * 9)
    top = [angle for angle, label in around if label == 2]
    assert sum(top) / len(top) == pytest.approx(-math.pi / 2)


def test_neighbors_beyond_k_are_told_apart():
    made = by_role(graph(neighbors([1, 1, 1]), k=2), "neighbor")
    assert [node["data"]["counted"] for node in made] == [1, 1, 0]
    assert made[2]["data"]["lines"][0] == "rank 3, beyond the first 2"
    untuned = by_role(graph(neighbors([1, 1, 1]), k=None), "neighbor")
    assert [node["data"]["counted"] for node in untuned] == [1, 1, 1]


def test_a_neighbor_carries_what_hovering_shows_and_its_class_color():
    node = by_role(graph(neighbors([6])), "neighbor")[0]["data"]
    assert node["title"] == "class 6"
    assert node["lines"] == ["rank 1", "distance 5.000 (euclidean, dense)"]
    assert node["color"] == theme.CLASS_COLORS[6]
    assert node["image"] == "/images/0.png"


@pytest.mark.parametrize("name", ["light", "dark"])
def test_images_in_the_graph_keep_their_pixels(name):
    styles = {rule["selector"]: rule["style"] for rule in elements.graph_stylesheet(name)}
    assert styles["node"]["background-image-smoothing"] == "no"
    assert styles["node[image]"]["background-image"] == "data(image)"


def test_neighbors_that_are_as_good_as_equally_far_are_drawn_so():
    near, far = (elements.lengths([39.51, 39.56])(distance) for distance in (39.51, 39.56))
    assert 1 < far / near < 1 + 8 * 0.05 / 39.51 + 1e-9
