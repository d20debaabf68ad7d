"""The stage `attack`: sweep or search images, or both, in waves, until a batch has enough successes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import Any, cast

from db.read.for_ingest import batches
from db.read.for_ingest.batches import KnownAttack
from ingest.batch import Batch, stride_words, sweep_settings
from ingest.runs import stage
from ingest.stages import sweep
from ingest.stages.candidates import Candidate, Pair, first_successes
from ingest.task import Done, Task
from model.attacks.sweep import WORTH_EDGES
from model.progress import Progress, progress

FALL = 1 / 3  # assumed share of images that fall, before any was tried
FIRST = 64  # the most images in the first wave, which measures that share
MOST = 1024  # the most images in any other wave
LEAST = 8  # the fewest images in a wave
CHUNK = 32  # images that a worker sweeps or attacks together: whole blocks
Known = Mapping[Pair, KnownAttack]


class Outcomes:
    """The known attacks on the pairs of a batch, by a sweep and by a search, and which of the two counts."""

    def __init__(self, batch: Batch, by_sweep: Known, by_search: Known, needless: set[Pair]) -> None:
        """needless: tried pairs without a row, as rounding alone makes the network err on them."""
        self.batch, self.swept, self.searched, self.needless = batch, by_sweep, by_search, needless

    def by_sweep(self, pair: Pair) -> bool:
        """Whether the sweep decides a pair: it is the batch's attack, or the screen rules out a search."""
        screen = self.batch.screen
        swept = self.batch.sweeps and pair in self.swept
        return swept and (screen is None or self.swept[pair].succeeded == (screen == "undecided"))

    def of(self, pair: Pair) -> KnownAttack | None:
        """The attack that counts for a pair; None: there is none yet."""
        return self.swept[pair] if self.by_sweep(pair) else self.searched.get(pair)

    def lacks_sweep(self, candidate: Candidate) -> bool:
        """Whether the image still has to be swept."""
        return self.batch.sweeps and any(pair not in self.swept for pair in candidate.pairs)

    def aims(self, candidate: Candidate) -> list[int | None]:
        """The targets still to be searched for, all or none of them, as they are searched for together."""
        if self.batch.method.sweeps:
            return []
        left = [pair for pair in candidate.pairs if not self.by_sweep(pair)]
        lacks = any(pair not in self.searched and pair not in self.needless for pair in left)
        return [target for _, target in left] if lacks else []


def search(
    task: Task, batch: Batch, batch_id: int, wanted: Sequence[Candidate], *, every: bool = False
) -> list[tuple[Candidate, KnownAttack]]:
    """Attack the wanted images that the batch still needs, and write each result; returns chosen successes.

    every: attack all images, however many successes there are.

    Images are attacked in waves. Each wave is completed, and its size depends on the successes of earlier
    waves. A search that was stopped reads its earlier attacks when it resumes. So the attacked images and the
    cases do not depend on how often it was stopped, or on which worker attacked which image.
    """
    cases = len(wanted) + 1 if every else batch.cases
    partitions = len({candidate.partition for candidate in wanted})
    goal = len(wanted) if every else cases * partitions
    waves = _Waves(task, batch, wanted, cases, goal, every)
    if waves.next_wave():
        print(f"attacks by {task.how[1]}", file=sys.stderr)
        words = stride_words(batch.parameters, task.test.images.shape[1:]) if batch.sweeps else ""
        if words:
            print(f"sweeps try {words}", file=sys.stderr)
        name = "attack all" if every else "attack"  # the former makes no cases
        with (
            stage(
                task.engine, name, task.scope, batch.identity(), seed=batch.seed, batch_id=batch_id
            ) as run_id,
            progress("attacks", goal, "images" if every else "successes", done=waves.done) as bar,
        ):
            while wave := waves.next_wave():
                waves.attack(wave, run_id, bar)
    known = waves.outcomes
    return [
        (candidate, cast(KnownAttack, known.of((candidate.index, target))))  # not None: it succeeded
        for candidate, target in waves.found.chosen
    ]


class _Waves:
    """The state of a running search."""

    def __init__(
        self, task: Task, batch: Batch, wanted: Sequence[Candidate], cases: int, goal: int, every: bool
    ) -> None:
        self.task, self.batch, self.wanted, self.cases, self.goal = task, batch, wanted, cases, goal
        self.every = every
        self.outcomes = Outcomes(batch, *known_attacks(task, batch), set())
        self.succeeded: dict[Pair, bool] = {}  # for the pairs of finished waves
        self.found = first_successes(wanted, self.succeeded, cases)
        self.left, self.fallen = list(wanted), 0  # images not tried yet; how many of the others fell
        self.tried = self.evaluations = 0  # images and queries, in this run

    @property
    def done(self) -> int:
        """The progress towards the goal."""
        if self.every:
            return sum(not self._lacks(candidate) for candidate in self.wanted)
        return len(self.found.chosen)

    def next_wave(self) -> list[Candidate]:
        """The next wave with something left to attack; empty when there are enough successes or no images."""
        while wave := self._wave():
            if any(map(self._lacks, wave)):
                return wave
            for pair in (pair for candidate in wave for pair in candidate.pairs):
                attack = self.outcomes.of(pair)
                self.succeeded[pair] = attack is not None and attack.succeeded
            self.fallen += sum(any(self.succeeded[pair] for pair in candidate.pairs) for candidate in wave)
            over = {candidate.index for candidate in wave}
            self.left = [candidate for candidate in self.left if candidate.index not in over]
            self.found = first_successes(self.wanted, self.succeeded, self.cases)
        return []

    def attack(self, wave: Sequence[Candidate], run_id: int, bar: Progress) -> None:
        """Attack the rest of a wave: by a sweep, by a search where the sweep does not decide, or both."""
        before, hits = self.done, 0
        sweeps = [[c.index, list(c.targets)] for c in wave if self.outcomes.lacks_sweep(c)]
        edges = self.goal >= FALL * WORTH_EDGES  # the same for the whole batch, also when it is resumed
        how = sweep.arguments(self.task, self.batch.parameters, edges=edges)
        for done in self._share("sweep", run_id, sweeps, CHUNK, **how):
            alone = self.batch.method.sweeps
            hits += done.hits if alone or self.batch.screen == "undecided" else 0
            self._show(bar, before, done.items if alone else 0, done.queries, hits)
        self._read(sweeps)
        images: list[list[Any]] = [[c.index, aims] for c in wave if (aims := self.outcomes.aims(c))]
        for done in self._share("attack", run_id, images, CHUNK, batch=self.batch.as_json()):
            hits += done.hits
            self._show(bar, before, done.items, done.queries, hits)
        self._read(images)
        tried = {(index, target) for index, aims in images for target in aims}
        self.outcomes.needless.update(tried - self.outcomes.searched.keys())

    def _read(self, attacked: list[list[Any]]) -> None:
        """Read the results of attacks from the database, whichever worker made them."""
        if attacked:
            known = known_attacks(self.task, self.batch)
            self.outcomes = Outcomes(self.batch, *known, self.outcomes.needless)

    def _wave(self) -> list[Candidate]:
        tried = len(self.wanted) - len(self.left)
        size = MOST
        if not self.every:
            share = (self.fallen + 1) / (tried + 1 / FALL)
            size = ceil((self.goal - len(self.found.chosen)) / share)
            size = min(max(LEAST, size), MOST if tried else FIRST)
        return [candidate for candidate in self.left if candidate.partition in self.found.open][:size]

    def _lacks(self, candidate: Candidate) -> bool:
        return self.outcomes.lacks_sweep(candidate) or bool(self.outcomes.aims(candidate))

    def _share(
        self, work: str, run_id: int, items: list[list[Any]], size: int, **same: Any
    ) -> Iterator[Done]:
        return self.task.crew.share(work, self.task, run_id, items, size, **same)

    def _show(self, bar: Progress, before: int, images: int, queries: int, hits: int) -> None:
        self.tried, self.evaluations = self.tried + images, self.evaluations + queries
        rate = self.evaluations / max(bar.seconds, 1e-9)
        tried = "" if self.every else f"{self.tried} images tried, "
        done = bar.start + self.tried if self.every else before + hits
        bar.to(done, f"{tried}{rate:,.0f} evaluations/s")


def known_attacks(task: Task, batch: Batch) -> tuple[Known, Known]:
    """Earlier attacks that this batch would repeat: by a sweep, and by its search."""
    indices = {int(position): index for index, position in enumerate(task.test.positions)}
    sweeps = sweep_settings(batch.parameters, task.test.images.shape[1:]) if batch.sweeps else None
    search = None if batch.method.sweeps else batch.settings(task.test.images.shape[1:])
    with task.engine.connect() as connection:
        both = [
            batches.known_attacks(connection, task.scope, settings) if settings else {}
            for settings in (sweeps, search)
        ]
    by_sweep, by_search = (
        {(indices[p], target): attack for (p, target), attack in known.items() if p in indices}
        for known in both
    )
    return by_sweep, by_search
