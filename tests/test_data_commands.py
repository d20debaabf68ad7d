"""`xpixels data add | list | show | remove`, and `--dataset` of the other commands."""

import numpy as np
import pytest

import xpixels
from tests.support import data_files
from tests.support.data_files import labels_of, noise, png
from tests.support.tiny_cifar10 import write


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder, which the program uses."""
    monkeypatch.setenv("XPIXELS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def offer(tmp_path):
    """An npz of twelve gray images of three classes, with values from 0 to 16."""
    images = noise(12, 4, 3, 1)[..., 0] % 17
    images[0, 0, 0] = 16
    return data_files.npz(tmp_path / "offer.npz", images=images, labels=labels_of(12, 3))


@pytest.fixture
def run(capsys):
    """Run a command: its status, its lines on standard output, the program's own on standard error."""

    def run(*arguments):
        try:
            status = xpixels.main([*map(str, arguments)])
        except SystemExit as ended:
            status = ended.code
        out, err = capsys.readouterr()
        said = [line for line in err.splitlines() if line.startswith("xpixels")]
        assert len(said) == (0 if status == 0 else 1), err
        assert "Traceback" not in err
        return status, out.splitlines(), "".join(said)

    return run


RANGE = ("--range", "0", "16", "--split", "0.5")


def test_a_data_set_is_added_listed_shown_and_removed(run, offer, cache):
    status, out, _ = run("data", "add", "mine", offer, *RANGE, "--seed", "3")
    assert status == 0
    assert out[0] == "mine: 6 training and 6 test images of 4 x 3 gray, 3 classes, from offer.npz"
    assert out[1] == "  0 to 16 became 0 to 255, rounded"
    assert out[2] == f"it is in {cache / 'datasets' / 'mine'}; use it with --dataset mine"
    _, out, _ = run("data", "add", "mine", offer, *RANGE, "--seed", "3")
    assert out[0].startswith("mine is there already, the same to the last byte (SHA-256 ")
    _, table, _ = run("data", "list")
    assert [line.split()[0] for line in table] == ["NAME", "cifar10", "cifar10-sample", "mine"]
    assert table[-1].split() == ["mine", "4", "x", "3", "gray", "6", "6", "3", "offer.npz"]
    assert table[2].split()[:7] == ["cifar10-sample", "32", "x", "32", "color", "4,000", "1,000"]
    _, shown, _ = run("data", "show", "mine")
    facts = dict(line.split(maxsplit=1) for line in shown[: shown.index("")])
    assert (facts["seed"], facts["split"], facts["range"], facts["form"]) == ("3", "0.5", "0.0 16.0", "npz")
    assert facts["path"] == str(offer)
    assert len(facts["digest"].split()[1]) == 64
    assert facts["train"].endswith(", verified")
    assert [line.split() for line in shown[-3:]] == [[str(n), str(n), "2", "2"] for n in range(3)]
    status, out, _ = run("data", "remove", "mine")
    assert (status, out[0].split(" from")[0]) == (0, "mine is removed")
    assert not cache.exists() or not list(cache.rglob("*.npy"))
    assert run("data", "remove", "mine")[0] == 1


def test_a_built_in_data_set_is_shown_and_not_removed(run):
    _, out, _ = run("data", "show", "cifar10-sample")
    assert out[-1].split() == ["9", "truck", "400", "100"]
    _, out, _ = run("data", "show", "cifar10")
    assert "run `xpixels data fetch cifar10`" in out[-1]
    status, _, said = run("data", "remove", "cifar10")
    assert (status, said) == (
        1,
        "xpixels: the data set cifar10 is built in: expected one that was added",
    )


def test_a_damaged_data_set_is_listed_and_told(run, offer, cache):
    run("data", "add", "mine", offer, *RANGE)
    (cache / "datasets" / "mine" / "meta.json").write_text("{}")
    status, table, _ = run("data", "list")
    assert status == 0
    assert "damaged" in table[-1]
    status, _, said = run("data", "show", "mine")
    assert status == 1
    assert "remove it with `xpixels data remove mine`" in said
    status, _, said = run("evaluate", "--dataset", "mine")
    assert status == 2
    assert "mine is damaged" in said
    assert run("evaluate", "--help")[0] == 0
    assert run("data", "remove", "mine")[0] == 0


WRONG = {
    "a share of 1": (("--split", "1"), "--split 1: expected a share between 0 and 1"),
    "a share that is none": (("--split", "nan"), "--split nan: expected a share between 0 and 1"),
    "a seed alone": (("--seed", "1"), "--seed 1: expected --split beside it"),
    "a seed below 0": (("--split", "0.5", "--seed", "-1"), "--seed -1: expected 0 or more"),
    "a range upside down": (
        ("--range", "16", "0"),
        "--range 16 0: expected two numbers, the smaller one first",
    ),
    "a range without end": (("--range", "0", "inf"), "--range 0 inf: expected two numbers"),
    "a giant size": (("--resize", "257", "32"), "--resize 257 32: expected rows and columns from 2 to 256"),
    "a size of 1": (("--resize", "1", "1"), "--resize 1 1: expected rows and columns from 2 to 256"),
}


@pytest.mark.parametrize(("options", "said"), WRONG.values(), ids=WRONG)
def test_an_option_that_does_not_fit_is_one_line_and_nothing_is_written(options, said, run, offer, cache):
    status, _, line = run("data", "add", "mine", offer, *options)
    assert status == 1
    assert said in line
    assert not cache.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "mine"), "the following arguments are required: PATH"),
        (("add", "mine", "x", "--resize", "3", "x"), "argument --resize: 'x' is no whole number"),
        (("add", "mine", "x", "--colors", "cmyk"), "invalid choice: 'cmyk'"),
        (("show",), "the following arguments are required: NAME"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(arguments, said, run):
    status, _, line = run("data", *arguments)
    assert status == 2
    assert said in line


def test_the_help_names_every_form(run):
    _, out, _ = run("data", "add", "--help")
    text = " ".join(" ".join(out).split())
    for part in (
        ".npz",
        "IDX files of MNIST",
        "CIFAR-100",
        "Parquet",
        "PNG or JPEG",
        "A pickle is never opened",
    ):
        assert part in text


def test_unreadable_files_are_counted_and_named_and_left_out_on_demand(run, tmp_path):
    good = png(noise(1)[0])
    table = {name: {f"{row}.png": good for row in range(4)} for name in "ab"}
    table["a"] |= {f"bad{row}.png": good[: 40 + row] for row in range(5)}
    table["b"]["notes.txt"] = b"mine"
    path = write(tmp_path / "pictures", table)
    status, _, said = run("data", "add", "mine", path, "--split", "0.5")
    assert status == 1
    assert "5 of 13 files cannot be read (a/bad0.png: a damaged PNG" in said
    assert "a/bad2.png: " in said
    assert "a/bad3.png" not in said
    assert said.endswith("; ...): mend or remove them, or leave them out with --skip-unreadable")
    status, out, _ = run("data", "add", "mine", path, "--split", "0.5", "--skip-unreadable")
    assert status == 0
    assert out[0].startswith("mine: 4 training and 4 test images of 6 x 5 color, 2 classes")
    assert out[1].startswith("  left out: 5 of 13 files cannot be read (a/bad0.png: ")
    assert "  skipped in folders: 1 .txt" in out


def test_other_commands_take_it_by_its_name_and_list_it(run, offer):
    status, _, said = run("evaluate", "--dataset", "mine")
    assert status == 2
    assert (
        "unknown data set 'mine': there are cifar10, cifar10-sample; add your own with `xpixels data add"
        in said
    )
    run("data", "add", "mine", offer, *RANGE)
    for command in ("train", "evaluate", "ingest", "study"):
        _, out, _ = run(command, "--help")
        text = " ".join(" ".join(out).split())
        assert "cifar10,cifar10-sample,mine" in text
        assert "mine: 6 training and 6 test images of 4 x 3 gray" in text
    parsed = xpixels.parser().parse_args(["evaluate", "--dataset", "mine"])
    assert parsed.dataset == "mine"


def test_a_name_with_a_percent_sign_in_its_source_breaks_no_help(run, tmp_path):
    path = data_files.npz(tmp_path / "100%s.npz", images=noise(4), labels=np.array([0, 0, 1, 1]))
    assert run("data", "add", "mine", path, "--split", "0.5")[0] == 0
    _, out, _ = run("train", "--help")
    assert "100%s.npz" in " ".join(out)
