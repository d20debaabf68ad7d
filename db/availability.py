"""Why a database cannot be used at the moment, in one line for the user."""

from sqlalchemy.exc import TimeoutError as NoConnection

from db.faults import find

WAY_OUT = "The dashboard goes on when it answers again."


class Unavailable(RuntimeError):
    """The database cannot be used now; the message is one line with the reason and the way out."""


def unavailable(error: BaseException, name: str) -> Unavailable | None:
    """The error to report for a database's error; None when the database only rejected a statement.

    name: the name of the database for users, without its folder or server.
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
