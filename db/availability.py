"""Why a database cannot be used at the moment, in one line for whoever asked for something from it."""

from sqlalchemy.exc import TimeoutError as NoConnection

from db.faults import find

WAY_OUT = "The dashboard goes on when it answers again."


class Unavailable(RuntimeError):
    """The database cannot be used now; the text is one line that says why, and the way out."""


def unavailable(error: BaseException, name: str) -> Unavailable | None:
    """What to say of an error that a database raised; None when it was there and did not like the statement.

    name: the database as whoever asks may see it, without its folder or server.
    """
    if isinstance(error, Unavailable):
        return error
    if isinstance(error, NoConnection):
        return Unavailable(f"The database {name} is asked by too many at once. {WAY_OUT}")
    fault = find(error)
    return (
        None
        if fault is None or fault.of_writing
        else Unavailable(f"The database {name} {fault.what}. {WAY_OUT}")
    )
