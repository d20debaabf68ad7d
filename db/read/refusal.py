"""The error for an invalid address."""


class QueryError(ValueError):
    """An invalid name or value in an address; the text is one line for the reader."""

    def __init__(self, problem: str, allowed: tuple[str, ...] | str):
        """`problem`: the fault, without a period; `allowed`: the valid values, or words for them."""
        self.problem = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in problem)
        self.allowed = allowed if isinstance(allowed, str) else ", ".join(allowed) or "nothing yet"
        super().__init__(f"{self.problem}; expected: {self.allowed}.")
