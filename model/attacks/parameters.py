"""A parameter of an attack, declared once: its default, its range, the words for people. Imports no JAX."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

STRATEGIES = ("rand/1", "best/1")  # of differential evolution: the base vector
STARTS = ("uniform", "latin-hypercube", "gaussian")  # its first population


@dataclass(frozen=True)
class Parameter:
    """A parameter of an attack: a keyword of its function and, with dashes, an option of the command line."""

    name: str
    default: Any  # an int, a float, a text, or a tuple of these
    help: str  # what it is, for people
    allows: Callable[[Any], bool]
    expected: str  # what `allows` lets through, in words
    choices: tuple[str, ...] = ()
    metavar: str | tuple[str, ...] | None = None
    late: bool = False  # added when batches were stored already: these have its default, without naming it

    @property
    def option(self) -> str:
        """Its option on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def type(self) -> type:
        """The type of the value, or of each of several values."""
        return type(self.default[0] if isinstance(self.default, tuple) else self.default)

    def require(self, value: Any) -> None:
        """Raise ValueError, in one line, for a value that is out of range."""
        if not self.allows(value):
            values = value if isinstance(value, tuple) else (value,)
            text = " ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in values)
            raise ValueError(f"{self.option} {text}: expected {self.expected}")


def whole(name: str, default: int, help: str, least: int, metavar: str = "N") -> Parameter:
    """A parameter that is a whole number of at least `least`."""
    expected = f"a whole number of at least {least}"
    return Parameter(name, default, help, lambda value: value >= least, expected, metavar=metavar)


def choice(name: str, default: str, help: str, choices: tuple[str, ...]) -> Parameter:
    """A parameter that is one of several words."""
    return Parameter(name, default, help, choices.__contains__, f"one of {', '.join(choices)}", choices)
