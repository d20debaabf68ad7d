"""What people write about a case: a verdict, tags, a note. Rows of `annotations` without contradictions.

A case has at most one verdict and one note, and each tag once. Every function takes a Connection and leaves
the transaction to its caller (see `engine.writing`). Bad input raises a ValueError of one line, and a
missing case a LookupError.
"""

from sqlalchemy import Connection, delete

from db.schema import annotations
from db.tables.cases import VERDICTS
from db.write import add_annotation

VERDICT, TAG, NOTE = "verdict", "tag", "note"  # the kinds of annotations
TAG_LENGTH = 40  # characters
NOTE_LENGTH = 4_000  # characters
_IN_TAGS = " -_."  # allowed, besides letters and digits


def set_verdict(connection: Connection, case_id: int, verdict: str | None) -> None:
    """Set the expert's verdict on the case, one of VERDICTS, in place of an earlier one; None removes it.

    Raises:
        ValueError: no such verdict.
        LookupError: no such case.
    """
    if verdict is not None and verdict not in VERDICTS:
        raise ValueError(f"There is no verdict '{verdict}'; expected one of {', '.join(VERDICTS)}.")
    _replace(connection, case_id, VERDICT, verdict)


def add_tag(connection: Connection, case_id: int, tag: str) -> str:
    """Add a tag to the case, unless it has it; returns the tag as stored (see `normal_tag`).

    Raises:
        ValueError: not a valid tag.
        LookupError: no such case.
    """
    tag = normal_tag(tag)
    _replace(connection, case_id, TAG, tag, only_same=True)
    return tag


def remove_tag(connection: Connection, case_id: int, tag: str) -> None:
    """Remove a tag from the case, if it has it."""
    _delete(connection, case_id, TAG, normal_tag(tag))


def set_note(connection: Connection, case_id: int, text: str) -> None:
    """Store a plain text about the case, in place of an earlier one; a blank text removes it.

    Raises:
        ValueError: longer than NOTE_LENGTH characters.
        LookupError: no such case.
    """
    text = text.replace("\r\n", "\n").strip()
    if len(text) > NOTE_LENGTH:
        raise ValueError(f"The note has {len(text):,} characters; expected at most {NOTE_LENGTH:,}.")
    _replace(connection, case_id, NOTE, text or None)


def normal_tag(text: str) -> str:
    """A tag as it is stored: lower case, single spaces within.

    Raises:
        ValueError: empty, too long, or with other characters than letters, digits, space and - _ .
    """
    tag = " ".join(text.lower().split())
    if not tag:
        raise ValueError("The tag is empty; expected letters, digits, spaces and - _ .")
    if len(tag) > TAG_LENGTH:
        raise ValueError(f"The tag has {len(tag)} characters; expected at most {TAG_LENGTH}.")
    wrong = next((sign for sign in tag if not (sign.isalnum() or sign in _IN_TAGS)), None)
    if wrong is not None:
        shown = wrong if wrong.isprintable() else ascii(wrong)[1:-1]
        raise ValueError(
            f"The tag '{tag}' has the character '{shown}'; expected letters, digits, spaces and - _ ."
        )
    return tag


def _replace(
    connection: Connection, case_id: int, kind: str, body: str | None, *, only_same: bool = False
) -> None:
    """Replace all annotations of a kind, or only those with the same body, by one; None deletes them."""
    if body is None:
        _delete(connection, case_id, kind)
        return
    columns = annotations.c
    wanted = [columns.case_id == case_id, columns.kind == kind]
    if only_same:
        wanted.append(columns.body == body)
    there = connection.execute(annotations.select().where(*wanted)).all()
    if len(there) == 1 and there[0].body == body:
        return  # so it keeps its time
    connection.execute(delete(annotations).where(*wanted))
    add_annotation(connection, case_id, kind=kind, body=body)


def _delete(connection: Connection, case_id: int, kind: str, body: str | None = None) -> None:
    columns = annotations.c
    wanted = [columns.case_id == case_id, columns.kind == kind]
    if body is not None:
        wanted.append(columns.body == body)
    connection.execute(delete(annotations).where(*wanted))
