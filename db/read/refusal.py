"""How an address that means nothing is refused."""


class QueryError(ValueError):
    """A name or value in an address that means nothing here; the text is one line for the reader."""

    def __init__(self, problem: str, allowed: tuple[str, ...] | str):
        """`problem`: what is wrong, without a full stop; `allowed`: what would be right, or words for it."""
        self.problem = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in problem)
        self.allowed = allowed if isinstance(allowed, str) else ", ".join(allowed) or "nothing yet"
        super().__init__(f"{self.problem}; expected: {self.allowed}.")
