"""`xpixels check --forget`: remove kept cases, with all dependent rows that nothing else uses."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, Engine, delete, select

from db import deletion, migrate
from db.commands.consent import require_consent
from db.deletion_plan import rows_of_cases
from db.engine import writing
from db.opening import opened
from db.read.for_ingest.detectors import KnownNetwork, known_networks
from db.read.for_ingest.kept import KeptCase, kept_cases, written_about_kept
from db.schema import datasets, samples
from db.scope import Scope
from ingest.check.channels import is_gray
from ingest.check.tuned import named_networks
from ingest.kept_cases import KEPT_DATASETS
from ingest.workers.lease import Turn
from model.data.pictures import files
from model.data.pictures.files import own_name, shown
from model.data.pictures.headers import PictureError
from model.data.pictures.reading import decode, most_bytes
from model.data.png import pixel_digest

LISTED = 10  # cases that are named before the removal


def forget(options: argparse.Namespace) -> int:
    """Remove the kept cases that parsed options name, or all of them; returns the exit status."""
    with opened(options.database, existing=True) as database:
        return forget_cases(database, options)


def forget_cases(database: Engine, options: argparse.Namespace) -> int:
    """Print what would be removed, ask, and remove it; returns the exit status."""
    migrate.require_current(database)
    with database.connect() as connection:
        named = named_networks(known_networks(connection), options.network, options.dataset)
        networks = {one.scope: one for one in named}
        known = [case for case in kept_cases(connection) if case.scope in networks]
    chosen, status = known, 0
    if options.images:
        chosen, problems = _named(options, known)
        for name, problem in problems:
            print(f"xpixels: {shown(name)}: {problem}", file=sys.stderr)
        status = 1 if problems else 0
    if not chosen:
        print("no kept case to forget")
        return status
    with database.connect() as connection:
        print("\n".join(_description(connection, chosen, networks)), flush=True)
    require_consent("forget them?", given=options.yes)
    with Turn(database) as turn:
        turn.take()  # an active ingest might be about to write more rows of these cases
        with writing(database) as connection:
            gone = deletion.delete_cases(connection, [case.id for case in chosen])
            _delete_empty_datasets(connection)
    print(f"removed {_count(gone['cases'], 'case')}, {_count(sum(gone.values()), 'row')} in all")
    return status


def _named(
    options: argparse.Namespace, known: Sequence[KeptCase]
) -> tuple[list[KeptCase], list[tuple[str, str]]]:
    """The kept cases of the named images, and the names without a kept case, each with the reason."""
    case_of_id: dict[int, KeptCase] = {}
    problems = []
    for name, error in files.find(options.images, Counter()):
        try:
            if error is not None:
                raise error
            cases = list(_of_file(name, known, options.resize))
        except PictureError as refused:
            cases, error = [case for case in known if case.name == own_name(name)], refused
        case_of_id |= {case.id: case for case in cases}
        if not cases:
            problems.append((name, "was not kept" if error is None else str(error)))
    return sorted(case_of_id.values()), problems


def _of_file(name: str, known: Sequence[KeptCase], how: str | None) -> Iterator[KeptCase]:
    """The kept cases with the pixels of a file, at any size that cases were kept at."""
    sizes = dict.fromkeys((case.height, case.width) for case in known)
    content, refused = files.content(name, most_bytes(how)), None
    for size in sizes:
        try:
            image = decode(content, *size, how=how).image
        except PictureError as error:
            refused = error
        else:  # a network of gray images was given one channel
            digests = {pixel_digest(one) for one in (image, image[..., :1] if is_gray(image) else image)}
            yield from (case for case in known if case.sha256 in digests)
            refused = None
    if refused is not None:
        raise refused


def _description(
    connection: Connection, chosen: Sequence[KeptCase], networks: dict[Scope, KnownNetwork]
) -> Iterator[str]:
    """Lines that list what would be removed."""
    for scope, count in sorted(Counter(case.scope for case in chosen).items()):
        network = networks[scope]
        named = [
            f"{case.id} ({case.name})" if case.name else str(case.id)
            for case in chosen
            if case.scope == scope
        ]
        rest = f" and {len(named) - LISTED:,} more" if len(named) > LISTED else ""
        yield (f"{_count(count, 'kept case')} of {network.title}: {', '.join(named[:LISTED])}{rest}")
    ids = [case.id for case in chosen]
    written = written_about_kept(connection, set(ids))
    if written:
        counted = ", ".join(_count(count, kind) for kind, count in written.items())
        yield f"annotations about them, which are removed too: {counted}"
    rows = deletion.count_rows(connection, rows_of_cases(connection, ids))
    yield f"with everything that depends on them: {_count(sum(rows.values()), 'row')}"


def _delete_empty_datasets(connection: Connection) -> None:
    """Delete the data sets that were made for kept images and have none any more."""
    used = select(samples.c.dataset_id)
    empty = datasets.c.name.startswith(KEPT_DATASETS, autoescape=True) & datasets.c.id.not_in(used)
    connection.execute(delete(datasets).where(empty))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
