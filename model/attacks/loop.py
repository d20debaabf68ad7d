"""The host loop of the one-pixel attack: it assigns images to devices and yields finished goals.

One compiled step (model/attacks/step.py) proposes, paints, evaluates and selects for all images in flight on
a device. A goal that is done (reached, or out of generations) is not evaluated again; when all goals of an
image are done, a waiting image takes its slot at once. While the host handles the results of one device, that
device already runs its next step.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, cast

import jax
import numpy as np
from jax import Array

from model.attacks import evolution, step
from model.attacks.images import ROW, as_rows


class AttackResult(NamedTuple):
    """Attack results of N images, P pixels each, among K classes; NumPy arrays.

    With targets (N, T) every field has T rows per image, (N, T, ...), and a target of -1 counts as skipped.
    Where the attack failed, image, pixels and logits are those of the best attempt. Where it was skipped
    (it needed no attack), the image is unchanged, pixels are -1, queries are 0 and generations are -1.
    """

    success: np.ndarray  # (N,) bool, decided on the returned bytes
    images: np.ndarray  # (N, H, W, C) uint8
    pixels: np.ndarray  # (N, P, 5) int64: row, column, red, green, blue as they stand in the image
    queries: np.ndarray  # (N,) int64, candidates of its own search: population x (1 + generations)
    logits: np.ndarray  # (N, K) float32 of the returned image
    generations: np.ndarray  # (N,) int64, 0: found in the first population
    seconds: np.ndarray  # (N,) float64, the goal's share of the time of its steps; compilation excluded


class Progress(NamedTuple):
    """Progress after a generation of the images in flight on one device."""

    finished: int  # goals that are done, of `total`; untargeted, an image has one goal
    succeeded: int
    total: int
    evaluations: int  # candidates so far, each counted once
    seconds: float  # since the first step


@dataclass(frozen=True)
class Problem:
    """N images with T goals each."""

    images: np.ndarray  # (N, H, W, C) uint8
    goals: np.ndarray  # (N, T) int32, the classes to reach, or the one to leave
    wanted: np.ndarray  # (N, T) bool
    keys: Array  # (N,)
    clean: np.ndarray  # (N, K) float32, the logits before any attack


@dataclass
class Lane:
    """The images in flight on one device."""

    device: jax.Device
    function: step.Function
    owner: np.ndarray  # (B,) the image in each slot; -1: none
    active: np.ndarray  # (B, T) goals that are not done yet
    slots: step.Slots
    state: evolution.State
    seconds: np.ndarray  # (B, T) spent on each goal
    pending: step.Outcome[Array] | None = None
    began: float = 0.0

    def fill(self, problem: Problem, waiting: list[int], search: step.Search) -> None:
        """Move waiting images into the free slots."""
        free = np.flatnonzero(self.owner < 0)[: len(waiting)]
        entering, waiting[: len(free)] = waiting[: len(free)], []
        self.owner[free], self.active[free], self.seconds[free] = entering, problem.wanted[entering], 0.0
        if free.size:
            index = np.maximum(self.owner, 0)
            fresh = np.isin(np.arange(len(self.owner)), free)
            new = (problem.images[index], problem.goals[index], problem.keys[index], self.active.copy())
            images, goals, keys, active = jax.device_put(new, self.device)
            slots = step.Slots(images, goals, keys, active, self.slots.memory)
            self.slots, self.state = step.admit(self.function, slots, self.state, fresh, search)

    def start(self, generations: int, search: step.Search) -> None:
        """Start the next generation, if any goal is active."""
        if self.active.any():
            self.slots = self.slots._replace(active=jax.device_put(self.active.copy(), self.device))
            self.began = time.perf_counter()
            self.state, self.pending = step.step(self.function, self.slots, self.state, generations, search)

    def finish(self) -> step.Outcome[np.ndarray]:
        """Wait for the running generation."""
        outcome = step.Outcome(*map(np.asarray, cast(step.Outcome[Array], self.pending)))
        self.pending = None
        self.seconds += np.where(self.active, (time.perf_counter() - self.began) / self.active.sum(), 0.0)
        return outcome


def run(
    problem: Problem,
    function: step.Function,
    search: step.Search,
    generations: int,
    batch_size: int,
    progress: Callable[[Progress], None] | None,
) -> Iterator[tuple[np.ndarray, AttackResult]]:
    """Run the host loop: while one device works, the results of another one are yielded."""
    wanted, targets = problem.wanted, problem.wanted.shape[1]
    if not wanted.all():
        needless = np.flatnonzero(~wanted)
        alone = needless // targets
        yield needless, skipped(problem.images[alone], problem.clean[alone], search.pixels)
    waiting = np.flatnonzero(wanted.any(1)).tolist()
    devices = jax.local_devices()[: len(waiting)]
    if not devices:
        return
    # not smaller for few images: the compiled shape does not depend on their number
    size = most_in_flight(function, problem, search, -(-batch_size // jax.local_device_count()))
    with ThreadPoolExecutor() as pool:  # each device has its own compilation
        lanes = list(
            pool.map(lambda device: _lane(device, function, problem, search, size, generations), devices)
        )
    began, finished, succeeded, evaluations = time.perf_counter(), int((~wanted).sum()), 0, 0
    for lane in lanes:
        lane.fill(problem, waiting, search)
        lane.start(generations, search)
    while busy := [lane for lane in lanes if lane.pending is not None]:
        for lane in busy:
            outcome = lane.finish()
            done = np.argwhere(outcome.done)
            flat = lane.owner[done[:, 0]] * targets + done[:, 1]
            seconds = lane.seconds[*done.T] / len(busy)
            lane.active &= ~outcome.done
            lane.owner[~lane.active.any(1)] = -1
            lane.fill(problem, waiting, search)
            lane.start(generations, search)
            finished += len(done)
            succeeded += int(outcome.success[*done.T].sum())
            evaluations += int(outcome.evaluated)
            if progress is not None:
                now = time.perf_counter() - began
                progress(Progress(finished, succeeded, wanted.size, evaluations, now))
            if len(done):
                yield flat, _result(outcome, done, seconds, search.params.population)


def most_in_flight(function: step.Function, problem: Problem, search: step.Search, wanted: int) -> int:
    """The images in flight on one device: `wanted`, or as many as fit with what is stored of them."""
    genes = 2 + problem.images.shape[3]
    numbers = search.params.population * (2 * genes * search.pixels + 2)  # populations, trials and fitness
    of_goal = 2 * problem.images[0].size + 4 * numbers  # painted, and compared with the image
    return step.most_stored(function, problem.images.shape[1:], wanted, problem.goals.shape[1] * of_goal)


def _lane(
    device: jax.Device,
    function: step.Function,
    problem: Problem,
    search: step.Search,
    size: int,
    generations: int,
) -> Lane:
    """A lane with `size` empty slots and compiled programs."""
    shape, targets = problem.images.shape[1:], problem.goals.shape[1]
    inactive = np.zeros((size, targets), bool)
    index = np.zeros(size, np.int64)
    memory = step.no_memory(function, size, shape)
    empty = (problem.images[index], problem.goals[index], problem.keys[index], inactive, memory)
    function = jax.device_put(function, device)
    slots = step.Slots(*jax.device_put(empty, device))
    state = jax.device_put(step.empty(slots, search), device)
    slots, state = step.admit(function, slots, state, np.zeros(size, bool), search)
    jax.block_until_ready(step.step(function, slots, state, generations, search))
    return Lane(
        device, function, np.full(size, -1), inactive.copy(), slots, state, seconds=np.zeros(inactive.shape)
    )


def _result(
    outcome: step.Outcome[np.ndarray], done: np.ndarray, seconds: np.ndarray, population: int
) -> AttackResult:
    """The results of the `done` goals (n, 2) of a step's outcome, each a slot and a place."""
    at = tuple(done.T)
    generations = outcome.generation[at].astype(np.int64)
    return AttackResult(
        outcome.success[at],
        outcome.images[at],
        as_rows(outcome.pixels[at]),
        generations * population,
        outcome.logits[at],
        generations - 1,
        seconds,
    )


def skipped(images: np.ndarray, logits: np.ndarray, pixels: int) -> AttackResult:
    """Result rows for skipped goals."""
    count = len(images)
    none, zero = np.full(count, -1), np.zeros(count, np.int64)
    blank = np.full((count, pixels, ROW), -1)
    return AttackResult(np.zeros(count, bool), images, blank, zero, logits, none, np.zeros(count))
