"""Names of batches: chosen by people, or made from what was asked for; unique to network and data set."""

from collections.abc import Iterable

from sqlalchemy import Connection, select, update

from db.schema import batches
from db.scope import Scope

LONGEST_NAME = 60  # characters


def normal_name(text: str) -> str:
    """A name as it is stored: single spaces within.

    Raises ValueError where it is empty, too long, or has characters that cannot be printed.
    """
    name = " ".join(part for part in text.split(" ") if part)
    wrong = next((sign for sign in name if not sign.isprintable()), None)
    if wrong is not None:
        raise ValueError(f"--name has the character {wrong!a}: expected characters that can be printed")
    if not 0 < len(name) <= LONGEST_NAME:
        raise ValueError(f"--name has {len(name)} characters: expected 1 to {LONGEST_NAME}")
    return name


def names_of(connection: Connection, scope: Scope) -> dict[str, int]:
    """The batches of a network on a data set by their names, the oldest first."""
    query = select(batches.c.name, batches.c.id).where(scope.of(batches))
    return dict(map(tuple, connection.execute(query.order_by(batches.c.id))))


def require_free(connection: Connection, scope: Scope, name: str, batch_id: int | None = None) -> None:
    """Raises ValueError if another batch of the network and data set than `batch_id` has the name."""
    known = names_of(connection, scope)
    if known.get(name, batch_id) != batch_id:
        taken = ", ".join(f"'{other}'" for other in known)
        raise ValueError(
            f"--name '{name}' is another batch of this network and data set, which was asked for something "
            f"else: choose a name that is not among {taken}"
        )


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """The wanted name, cut to the longest allowed; with a number if another batch has it."""
    taken, number = set(taken), 1
    while True:
        tail = f" ({number})" if number > 1 else ""
        room = LONGEST_NAME - len(tail)
        name = (wanted if len(wanted) <= room else wanted[: room - 1] + "…") + tail
        if name not in taken:
            return name
        number += 1


def rename(connection: Connection, batch_id: int, name: str) -> None:
    """Give a batch another name, which must be free."""
    connection.execute(update(batches).where(batches.c.id == batch_id).values(name=name))
