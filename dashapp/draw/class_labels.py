"""The labels of the rows of charts: classes with what they are to a case; pure."""

from collections.abc import Sequence
from html import escape

from dashapp import theme as themes

LONGEST = 24  # characters of a class's name and of what stands before it


def short(name: str, length: int) -> str:
    """A name of at most `length` characters, as plotly.js draws it; the end of a longer one is left out."""
    return escape(name if len(name) <= length else f"{name[: length - 1].rstrip()}…", quote=False)


def class_labels(
    classes: Sequence[int],
    class_names: Sequence[str],
    predicted: int,
    true: int | None,
    theme: themes.Theme,
) -> list[str]:
    """A label for each class; the predicted and the true one are marked."""
    muted = themes.COLORS[theme]["text-muted"]

    def label(class_id: int) -> str:
        roles = [role for role, c in (("predicted", predicted), ("true", true)) if c == class_id]
        said = ", ".join(roles)
        name = short(class_names[class_id], LONGEST - len(said))
        if not roles:
            return name
        return f"<span style='color:{muted};font-size:11px'>{said}</span> <b>{name}</b>"

    return [label(c) for c in classes]
