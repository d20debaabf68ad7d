"""The documents: links lead somewhere, every command, option and view is there, the README is one page."""

import argparse
import re
from pathlib import Path

import pytest

import xpixels
from db import schema
from db.commands.parser import Parser

ROOT = Path(xpixels.__file__).parent
WRITTEN_BY_HAND = sorted(path for path in ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md"))
DOCUMENTS = [*WRITTEN_BY_HAND, ROOT / "docs" / "study" / "report.md"]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE_BLOCK = re.compile(r"```.*?```", re.DOTALL)
GROUPS = ("data", "db")  # commands that only have commands of their own


def read(path: Path) -> str:
    return path.read_text("utf-8")


def anchors(path: Path) -> set[str]:
    """The names that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", CODE_BLOCK.sub("", read(path)), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


def commands(parser: Parser, path: str = "") -> dict[str, Parser]:
    """Every command by its words, as `db check` or `runs delete`."""
    found = {path: parser.complete()} if path else {}
    below = dict(getattr(parser, "parts", {}))
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            below |= action.choices
    for name, one in below.items():
        found |= commands(one, f"{path} {name}".strip())
    return found


COMMANDS = commands(xpixels.parser())


def documents() -> str:
    """README and docs/, as far as people write them; CHANGELOG and CONTRIBUTING document no command."""
    return "\n".join(
        read(path) for path in WRITTEN_BY_HAND if path.name == "README.md" or path.parent.name == "docs"
    )


def test_the_readme_is_one_page():
    assert len(read(ROOT / "README.md").splitlines()) <= 200


def test_every_document_is_named_in_the_readme():
    text = read(ROOT / "README.md")
    named = {(ROOT / link.split("#")[0]).resolve() for link in LINK.findall(text) if "://" not in link}
    assert [path.name for path in DOCUMENTS if path != ROOT / "README.md" and path not in named] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document):
    broken = []
    for link in LINK.findall(CODE_BLOCK.sub("", read(document))):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("document", WRITTEN_BY_HAND, ids=lambda path: path.name)
def test_files_that_documents_name_are_there(document):
    """Paths in backticks below our folders; a CHANGELOG tells of files that were."""
    if document.name == "CHANGELOG.md":
        return
    folders = "model|db|ingest|dashapp|migrations|tests|benchmarks|docs"
    named = re.findall(rf"`((?:{folders})/[\w./*-]*)`", read(document))
    missing = [name for name in named if not list(ROOT.glob(name.rstrip("/")))]
    assert missing == []


def test_benchmarks_that_documents_name_are_there():
    text = "".join(read(path) for path in WRITTEN_BY_HAND if path.name != "CHANGELOG.md")
    named = set(re.findall(r"python -m (benchmarks[.\w]*)", text))
    assert len(named) > 15
    paths = [ROOT.joinpath(*name.split(".")) for name in named]
    assert [path for path in paths if not path.is_dir() and not path.with_suffix(".py").exists()] == []


def test_what_the_guide_imports_can_be_imported():
    text = read(ROOT / "docs" / "guide.md")
    imports = re.findall(r"^    (from (?:model|db|dashapp)[.\w]* import .+)$", text, re.MULTILINE)
    assert imports
    for line in imports:
        exec(line, {})


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command):
    assert re.search(rf"xpixels {command}\b", documents()) or re.search(rf"`{command}`", documents())


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - set(GROUPS)))
def test_every_option_is_documented(command):
    """In a document that is about its command: one that shows the command itself."""
    about = [read(path) for path in WRITTEN_BY_HAND if f"xpixels {command}" in read(path)]
    options = [action.option_strings[-1] for action in COMMANDS[command]._actions if action.option_strings]
    missing = [
        name
        for name in options
        if name != "--help" and not any(re.search(rf"{name}(?![\w-])", text) for text in about)
    ]
    assert missing == []


@pytest.mark.parametrize("view", schema.views.tables)
def test_every_view_is_documented_with_its_columns(view):
    text = read(ROOT / "docs" / "sql.md")
    heading = f"\n### `{view}`\n"
    assert heading in text
    section = re.split(r"\n##+ ", text.split(heading)[1])[0]
    columns = [column.name for column in schema.views.tables[view].columns]
    assert [name for name in columns if f"`{name}`" not in section] == []
    named = re.findall(r"`([a-z_0-9]+)`", "\n".join(re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)))
    assert [name for name in named if name not in columns] == []  # none that went
