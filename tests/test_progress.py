"""Progress where nobody sees a bar: plain lines, not too many, the last one always."""

import pytest

from model import progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_lines_tell_rate_and_remaining_time(clock, capsys):
    with progress.progress("attacks", 40, "images") as shown:
        clock[0] = 6.0
        shown.to(12, "3 succeeded")
        clock[0] = 8.0
        shown.to(16)  # too soon for another line
        clock[0] = 20.0
        shown.to(40)
    assert capsys.readouterr().err.splitlines() == [
        "attacks: 12/40 images, 2.0/s, 14 s left; 3 succeeded",
        "attacks: 40/40 images, 2.0/s",
    ]


def test_the_last_line_comes_whatever_ended_it(clock, capsys):
    def stopped():
        with progress.progress("cases", 9, "cases") as shown:
            clock[0] = 2.0
            shown.to(4)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert capsys.readouterr().err == "cases: 4/9 cases, 2.0/s, 2 s left\n"


def test_what_was_done_before_does_not_count_as_speed(clock, capsys):
    with progress.progress("training", 100, "images", done=90) as shown:
        clock[0] = 5.0
        shown.to(95)
    assert capsys.readouterr().err == "training: 95/100 images, 1.0/s, 5 s left\n"
