"""The stage `attack`: sweep, evolve or both, wave after wave, until a batch has its successes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from db.read import batches
from db.read.batches import KnownAttack
from ingest.attacks import evolve
from ingest.batch import EVOLUTION, SWEEP, Batch, sweep_settings
from ingest.choice import Candidate, Found, Pair, first_successes
from ingest.runs import stage
from ingest.sweeps import sweep
from ingest.task import Task
from model.progress import Progress, progress

WAVE = 128  # the most images evolved before it is asked again whether there are enough successes
WAVE_OF_SWEEP = 1024  # swept: that is quick, and long sweeps run at their best
WAVE_OF_ALL = 2048  # when all are tried: long sweeps run at their best
TRIED_FOR_ONE = 4  # images of a wave for every success that is missing: about a third of them fall
Known = Mapping[Pair, KnownAttack]


class Outcomes:
    """What is known of the pairs of a batch: by a sweep, by evolution, and which of the two counts."""

    def __init__(self, batch: Batch, by_sweep: Known, by_evolution: Known) -> None:
        """Begin with what earlier runs found."""
        self.batch = batch
        self.evolved: dict[Pair, bool] = {pair: attack.succeeded for pair, attack in by_evolution.items()}
        self.swept: dict[Pair, bool] = {}
        self.succeeded: dict[Pair, bool] = {} if batch.sweeps else dict(self.evolved)
        self.add_swept({pair: attack.succeeded for pair, attack in by_sweep.items()})

    def by_sweep(self, pair: Pair) -> bool:
        """Whether the sweep has the last word on a pair: without evolution, or where the screen ends it."""
        screen = self.batch.screen
        return pair in self.swept and (screen is None or self.swept[pair] == (screen == "undecided"))

    def add_swept(self, new: Mapping[Pair, bool]) -> None:
        """What a sweep found."""
        self.swept |= new
        for pair, success in new.items():
            if self.by_sweep(pair):
                self.succeeded[pair] = success
            elif pair in self.evolved:
                self.succeeded[pair] = self.evolved[pair]

    def decides(self, candidate: Candidate) -> bool:
        """Whether every pair of the candidate has an outcome that counts."""
        return all(pair in self.succeeded for pair in candidate.pairs)

    def add_evolved(self, new: Mapping[Pair, bool]) -> None:
        """What evolution found, of pairs that it was asked about."""
        self.evolved |= new
        self.succeeded |= new


def search(
    task: Task, batch: Batch, wanted: Sequence[Candidate], *, every: bool = False
) -> list[tuple[Candidate, KnownAttack]]:
    """Attack what of `wanted` the batch still needs, write it down as it comes; gives the successes chosen.

    every: attack all of them, however many successes there are.
    """
    outcomes = Outcomes(batch, *known_attacks(task, batch))
    cases = len(wanted) + 1 if every else batch.cases
    found = first_successes(wanted, outcomes.succeeded, cases)
    if found.open:
        print(f"attacks by {task.how[1]}", file=sys.stderr)
        name = "attack all" if every else "attack"  # the former belongs to no batch of cases
        goal = len(wanted) if every else cases * len({candidate.partition for candidate in wanted})
        done = sum(map(outcomes.decides, wanted)) if every else len(found.chosen)
        with (
            stage(task.engine, name, task.network_id, batch.identity(), seed=batch.seed) as run_id,
            progress("attacks", goal, "images" if every else "successes", done=done) as shown,
        ):
            found = _Waves(task, run_id, batch, wanted, outcomes, cases, goal, every, shown).run()
    by_sweep, by_evolution = known_attacks(task, batch)
    chosen = []
    for candidate, target in found.chosen:
        pair = (candidate.index, target)
        chosen.append((candidate, (by_sweep if outcomes.by_sweep(pair) else by_evolution)[pair]))
    return chosen


@dataclass
class _Waves:
    """A search at work."""

    task: Task
    run_id: int
    batch: Batch
    wanted: Sequence[Candidate]
    outcomes: Outcomes
    cases: int
    goal: int  # successes wanted, over all partitions
    every: bool
    shown: Progress
    tried: int = 0  # images, in this run
    evaluations: int = 0

    def run(self) -> Found:
        """Wave after wave until there are enough successes, or nothing is left to be tried."""
        left = [candidate for candidate in self.wanted if not self.outcomes.decides(candidate)]
        while (found := self._found()).open:
            size = TRIED_FOR_ONE * (self.goal - len(found.chosen))
            most = WAVE if self.batch.attack == EVOLUTION else WAVE_OF_SWEEP
            size = min(most, 1 << (size - 1).bit_length())  # sizes that need few shapes compiled
            size = WAVE_OF_ALL if self.every else size
            wave = [candidate for candidate in left if candidate.partition in found.open][:size]
            before = self.tried
            if self.batch.sweeps:
                self._sweep(wave)
            if self.batch.attack == EVOLUTION and self._found().open:
                self._evolve(wave, before)
            self.tried = before + len(wave)
            left = [candidate for candidate in left if not self.outcomes.decides(candidate)]
        return found

    def _sweep(self, wave: Sequence[Candidate]) -> None:
        swept = self.outcomes.swept
        indices = [c.index for c in wave if any(pair not in swept for pair in c.pairs)]
        for new in sweep(self.task, self.run_id, self.batch.levels, indices, self._tick):
            self.outcomes.add_swept(new)
            if not self._show().open:
                return

    def _evolve(self, wave: Sequence[Candidate], before: int) -> None:
        done = self.outcomes.succeeded
        rest = [candidate for candidate in wave if not self.outcomes.decides(candidate)]
        if not rest:
            return
        for pairs, success, queries in evolve(self.task, self.run_id, self.batch, rest, dict(done)):
            self.outcomes.add_evolved(dict(zip(pairs, success.tolist(), strict=True)))
            self.tried = before + sum(map(self.outcomes.decides, wave))
            self._tick(0, queries)
            if not self._show().open:
                return

    def _found(self) -> Found:
        return first_successes(self.wanted, self.outcomes.succeeded, self.cases)

    def _tick(self, images: int, queries: int) -> None:
        self.tried, self.evaluations = self.tried + images, self.evaluations + queries

    def _show(self) -> Found:
        found = self._found()
        rate = self.evaluations / max(self.shown.seconds, 1e-9)
        tried = "" if self.every else f"{self.tried} images tried, "
        done = self.shown.start + self.tried if self.every else len(found.chosen)
        self.shown.to(done, f"{tried}{rate:,.0f} evaluations/s")
        return found


def known_attacks(task: Task, batch: Batch) -> tuple[Known, Known]:
    """Attacks made before that this batch would make again: by a sweep, and by evolution."""
    indices = {int(position): index for index, position in enumerate(task.test.positions)}
    sweeps = sweep_settings(batch.levels, task.test.images.shape[1:]) if batch.sweeps else None
    evolution = batch.settings() if batch.attack != SWEEP else None
    with task.engine.connect() as connection:
        both = [
            batches.known_attacks(connection, task.network_id, settings) if settings else {}
            for settings in (sweeps, evolution)
        ]
    by_sweep, by_evolution = (
        {(indices[p], target): attack for (p, target), attack in known.items() if p in indices}
        for known in both
    )
    return by_sweep, by_evolution
