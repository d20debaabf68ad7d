"""`xpixels runs`: the list, one run whole, two side by side, in three forms."""

import csv
import io
import json

import pytest
from sqlalchemy import insert

import xpixels
from db import engine, migrate, schema, vocabulary
from db.commands import runs as runs_command
from db.commands import runs_text
from tests.support import small_database

RUN = small_database.ROWS["runs"][0] | {"process": None, "message": None}
ATTACK = {"dataset": "pets", "attack": "differential-evolution", "screen": None, "population": 100, "seed": 0}
TUNING = {"stage": "tuning", "seed": None, "batch_id": None}
RUNS = [
    RUN | {"id": 2, "stage": "attack", "parameters": ATTACK, "process": "here/41/7"},
    RUN | {"id": 3, "stage": "attack", "parameters": ATTACK | {"population": 400, "weight": [0.5, 1.0]}},
    RUN | TUNING | {"id": 4, "parameters": {"metrics": ["euclidean", "cosine"]}},
    RUN | TUNING | {"id": 5, "parameters": {"metrics": ["euclidean"]}},
    RUN
    | {"id": 6, "stage": "sweep", "status": "failed", "message": "OSError: disk"}
    | {"network_id": None, "dataset_id": None}
    | {"seconds": 3725.0},
    RUN | {"id": 7, "stage": "ingest", "status": "running", "finished_at": None, "seconds": None},
]
MADE = [  # run, seed, then sample, target, success and prediction
    (2, 4, 1, None, True, 1),
    (2, 4, 2, None, False, 2),
    (2, 4, 3, 2, True, 2),
    (2, 4, 3, 0, False, 1),  # sample 3 is one of those that fell
    (2, 4, 4, None, False, 0),
    (3, 5, 1, None, False, 0),
    (3, 5, 2, None, True, 0),
    (3, 5, 3, 2, True, 2),
]
ATTACKS = [
    small_database.attack(id_, *attack) | {"run_id": run, "seed": seed}
    for id_, (run, seed, *attack) in enumerate(MADE, start=10)
]

WHOLE = """\
Run
  stage    attack
  status   done
  batch    first try
  network  small on pets, weights ffffffffffff
  started  2026-01-31 12:00:00 UTC
  ended    2026-01-31 12:00:00 UTC
  took     1.5 s
  seed     0
  version  test
  process  41 on here

Asked for
  dataset     pets
  attack      differential-evolution
  screen      -
  population  100
  seed        0

Rows
  table    rows
  attacks     5

Attacks
  method                  goal        attacks  images  succeeded   rate  queries each
  differential-evolution  untargeted        3       3          1  33.3%           400
  differential-evolution  targeted          2       1          1  50.0%           400
"""

ATTACKS_COMPARED = """\
Asked for, where they differ
              run 2  run 3
  population  100    400
  weight      -      0.5+1

Rows
  table    run 2  run 3
  attacks      5      3

Attacks
                                      attacks  images  succeeded           rate  queries each
  method                  goal           2  3    2  3       2  3      2       3        2    3
  differential-evolution  untargeted     3  2    3  2       1  1  33.3%   50.0%      400  400
  differential-evolution  targeted       2  1    1  1       1  1  50.0%  100.0%      400  400

Images that both attacked
  in all          3
  fooled by both  1
  by run 2 only   1
  by run 3 only   1
  by neither      0
  they agree on   33.3%
"""

TUNINGS_COMPARED = """\
Tuning
                                          k  threshold       AUC   accuracy
  layer  metric     rule   cases       4  5       4  5  4      5  4       5
  dense  euclidean  total  tuning      -  4       -  1  -  1.000  -  100.0%
  dense  euclidean  total  validation  -  4       -  1  -      -  -   62.5%

What run 4 chose is gone: a later tuning replaced it.
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "xpixels.db"
    made = engine.create(path)
    migrate.upgrade(made)
    points = [
        small_database.operating_point("dense", partition) | {"run_id": 5}
        for partition in vocabulary.PARTITIONS
    ]
    points[1] |= {"auc": None, "accuracy": 0.625}
    with engine.writing(made) as connection:
        small_database.fill(connection)
        connection.execute(insert(schema.runs), RUNS)
        connection.execute(insert(schema.attacks), ATTACKS)
        connection.execute(insert(schema.operating_points), points)
    made.dispose()
    return str(path)


@pytest.fixture
def asked(database, capsys):
    """A function that asks `xpixels runs`, and gives what it printed."""

    def ask(*arguments: str) -> str:
        assert xpixels.main(["runs", *arguments, "--database", database]) == 0
        return capsys.readouterr().out

    return ask


# ---- The list ------------------------------------------------------------------------------------


def test_the_list_has_the_latest_run_first_and_what_each_was_asked_for(asked):
    heads, *lines = asked().splitlines()
    assert heads.split("  ")[0] == "id"
    assert [line.split()[:3] for line in lines] == [
        ["7", "ingest", "running"],
        ["6", "sweep", "failed"],
        ["5", "tuning", "done"],
        ["4", "tuning", "done"],
        ["3", "attack", "done"],
        ["2", "attack", "done"],
        ["1", "cases", "done"],
    ]
    assert lines[1].endswith("2026-01-31 12:00:00  1 h 02 min     0  test        0  first try  cases 4")
    assert lines[2].endswith("-  test        4  -          euclidean")
    assert lines[4].endswith(
        "3  first try  pets, differential-evolution, population 400, seed 0, weight 0.5+1"
    )
    columns = {heads.index(name) + len(name) for name in ("took", "seed", "rows")}
    assert all(line[end - 1] != " " for line in lines for end in columns), "numbers end together"


def test_a_stage_and_a_limit_choose_of_the_list(asked):
    assert [run["id"] for run in json.loads(asked("--json", "--stage", "tuning"))] == [5, 4]
    assert [run["id"] for run in json.loads(asked("--json", "--limit", "2"))] == [7, 6]


def test_the_list_as_json_and_as_csv_says_the_same_exactly(asked):
    runs = json.loads(asked("--json"))
    assert runs[-2] == {
        "id": 2,
        "stage": "attack",
        "status": "done",
        "network": "small",
        "dataset": "pets",
        "weights": "f" * 64,
        "started_at": small_database.TIME,
        "finished_at": small_database.TIME,
        "seconds": 1.5,
        "seed": 0,
        "code_version": "test",
        "process": "here/41/7",
        "message": None,
        "batch": "first try",
        "parameters": ATTACK,
        "rows": 5,
    }
    table = list(csv.DictReader(io.StringIO(asked("--csv"))))
    assert [row["rows"] for row in table] == [str(run["rows"]) for run in runs]
    assert json.loads(table[-2]["parameters"]) == ATTACK


def test_a_list_is_cut_to_the_width_of_a_terminal(database):
    with engine.create(database, read_only=True).connect() as connection:
        lines = runs_command.listed(connection, width=100).splitlines()
    assert max(map(len, lines)) == 100
    assert lines[5].endswith("…")
    assert lines[0].endswith("asked for")


def test_a_database_without_runs_says_so(tmp_path, capsys):
    path = str(tmp_path / "new.db")
    migrate.upgrade(engine.create(path))
    assert xpixels.main(["runs", "--database", path]) == 0
    assert capsys.readouterr().out == "no runs\n"
    assert xpixels.main(["runs", "1", "--database", path]) == 1
    assert capsys.readouterr().err == (
        "xpixels: no run 1: this database has no runs; `xpixels runs` lists them\n"
    )


# ---- Batches -------------------------------------------------------------------------------------


def test_the_runs_of_a_batch_are_found_by_its_name(asked):
    assert [run["id"] for run in json.loads(asked("--json", "--batch", "first try"))] == [7, 6, 3, 2, 1]
    assert [run["id"] for run in json.loads(asked("--json", "--batch", "first try", "--stage", "cases"))] == [
        1
    ]


BATCHES = """\
batch      network   data set  attack                  pixels  seed  cases  attacks  succeeded  runs
first try  small #1  pets      differential-evolution       1     7      4       13          7  1, 2, 3, 6, 7
"""


def test_batches_are_listed_with_what_came_of_them(asked):
    assert asked("batches") == BATCHES
    (batch,) = json.loads(asked("batches", "--json"))
    assert batch["parameters"] == {"attack": "differential-evolution", "seed": 7}
    assert batch["runs"] == [1, 2, 3, 6, 7]
    assert batch["cases"] == [
        {"partition": partition, "kind": kind, "cases": 1}
        for partition in ("tuning", "validation")
        for kind in ("adversarial", "clean")
    ]
    (row,) = csv.DictReader(io.StringIO(asked("batches", "--csv")))
    assert {name: row[name] for name in ("name", "attacks", "successes")} == {
        "name": "first try",
        "attacks": str(batch["attacks"]),
        "successes": str(batch["successes"]),
    }
    assert json.loads(row["cases"]) == batch["cases"]


def test_a_database_without_batches_says_so(tmp_path, capsys):
    path = str(tmp_path / "new.db")
    migrate.upgrade(engine.create(path))
    assert xpixels.main(["runs", "batches", "--database", path]) == 0
    assert capsys.readouterr().out == "no batches\n"
    assert xpixels.main(["runs", "delete", "--batch", "x", "--yes", "--database", path]) == 1
    assert capsys.readouterr().err == "xpixels: no batch 'x': this database has no batches\n"


# ---- One run -------------------------------------------------------------------------------------


def test_one_run_is_told_whole(asked):
    assert asked("2") == WHOLE


def test_a_run_that_failed_says_why(asked):
    assert "  message  OSError: disk\n" in asked("6")
    assert "network" not in asked("6")


def test_the_cases_of_a_run_are_counted_and_its_parts_with_them(asked):
    run = json.loads(asked("1", "--json"))
    assert run["cases"] == [
        {"partition": partition, "kind": kind, "cases": 1}
        for partition in ("tuning", "validation")
        for kind in ("adversarial", "clean")
    ]
    assert run["rows"] == {
        "attack_images": 1,
        "attack_pixels": 3,
        "attacks": 5,
        "cases": 4,
        "class_scores": 12,
        "evaluations": 4,
        "predictions": 5,
        "repairs": 4,
        "transfers": 1,
        "vulnerability_maps": 2,
    }
    assert {way["variant"] for way in run["attacks"]} == {"rand/1", "within 32"}


def test_a_variant_is_shown_where_a_run_has_several(database):
    way = {"method": "near-median", "targeted": False}
    ways = [runs_text.AttackWay(variant=variant, **way) for variant in ("within 16", "within 32")]
    tally = runs_text.AttackTally(2, 1, 2, 64)
    with engine.create(database, read_only=True).connect() as connection:
        run = runs_command.runs.find_run(connection, 3)
    told = runs_text.Told(run, {}, dict.fromkeys(ways, tally), {}, {})
    (part,) = [part for part in runs_text.parts([told], None) if part.title == "Attacks"]
    assert list(part.rows) == [("near-median", f"within {n}", "untargeted") for n in (16, 32)]


# ---- Two runs ------------------------------------------------------------------------------------


def test_two_attacks_are_compared_by_what_differs_what_came_and_how_they_agree(asked):
    text = asked("2", "3")
    assert text[text.index("Asked for") :] == ATTACKS_COMPARED
    assert json.loads(asked("2", "3", "--json"))["agreement"] == {
        "both": 1,
        "first_only": 1,
        "second_only": 1,
        "neither": 0,
    }


def test_two_tunings_are_compared_layer_by_layer_where_they_are_still_there(asked):
    text = asked("4", "5")
    assert text[text.index("Tuning\n") :] == TUNINGS_COMPARED


def test_runs_that_were_asked_for_the_same_say_so(asked):
    assert "Both were asked for the same.\n" in asked("1", "7")


def test_a_comparison_as_csv_has_a_line_a_number(asked):
    table = list(csv.DictReader(io.StringIO(asked("2", "3", "--csv"))))
    rate = {"part": "Attacks", "name": "differential-evolution untargeted", "measure": "rate"}
    assert rate | {"run 2": str(1 / 3), "run 3": "0.5"} in table
    weight = {"part": "Asked for, where they differ", "name": "weight", "measure": ""}
    assert weight | {"run 2": "", "run 3": "[0.5, 1.0]"} in table


# ---- What goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["9"], "no run 9: the runs here are 1 to 7; `xpixels runs` lists them"),
        (["2", "999999999999999999"], "no run 999999999999999999: the runs here are 1 to 7"),
        (["1", "2", "3"], "3 runs to compare: expected one id, or two"),
        (["1", "--limit", "3"], "--stage and --limit are for the list"),
        (["1", "--stage", "attack"], "--stage and --limit are for the list"),
        (["--limit", "0"], "--limit 0: expected 1 or more"),
        (["--stage", "nap"], "no run of the stage nap: stages that have runs are attack, cases, ingest,"),
        (
            ["--stage", "tuning", "--batch", "first try"],
            "no run of the stage tuning and the batch 'first try'",
        ),
        (["1", "--batch", "first try"], "--stage and --limit are for the list, as --batch is"),
        (["--batch", "other"], "no batch 'other': expected one of 'first try' (runs 1, 2, 3, 6, 7)"),
        (["batches", "--limit", "0"], "--limit 0: expected 1 or more"),
        (
            ["delete", "4", "--yes"],
            "run 4, of stage tuning, is of no batch: expected one of 'first try' (runs",
        ),
        (["delete", "99", "--yes"], "no run 99: the runs here are 1 to 7"),
        (["delete", "--batch", "other", "--yes"], "no batch 'other': expected one of 'first try'"),
    ],
)
def test_what_cannot_be_told_is_one_line(database, arguments, said, capsys):
    assert xpixels.main(["runs", *arguments, "--database", database]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"xpixels: {said}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["delete"], "give a run of the batch or --batch NAME, one of them"),
        (["delete", "1", "--batch", "first try"], "give a run of the batch or --batch NAME, one of them"),
    ],
)
def test_a_deletion_that_names_no_batch_or_two_is_wrong_usage(database, arguments, said, capsys):
    assert xpixels.main(["runs", *arguments, "--database", database]) == 2
    assert capsys.readouterr().err == f"xpixels: {said}\n"


def test_nothing_is_deleted_where_nobody_can_be_asked_and_nobody_said_yes(database, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert xpixels.main(["runs", "delete", "2", "--database", database]) == 2
    out, err = capsys.readouterr()
    assert out.startswith("batch 'first try' of small on pets #1, runs 1, 2, 3, 6, 7\n")
    assert "4 cases, 13 attacks; " in out
    assert err == "xpixels: standard input is no terminal, so nobody can confirm: add --yes to do it\n"
    assert xpixels.main(["runs", "--batch", "first try", "--database", database]) == 0


@pytest.mark.parametrize("answer", ["", "n", "no", "delete", "yes please"])
def test_any_answer_but_yes_deletes_nothing(database, capsys, monkeypatch, answer):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal(answer and f"{answer}\n"))
    assert xpixels.main(["runs", "delete", "2", "--database", database]) == 1
    assert capsys.readouterr().err == "xpixels: nothing was changed\n"
