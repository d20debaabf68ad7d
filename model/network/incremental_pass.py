"""The exact forward pass after changing pixels: only the cells that they reach are recomputed.

`remember` stores what is needed of every layer for an image. A changed pixel is then propagated as a change
through the maps (`model.network.change`), which covers few cells (`model.network.plan`), until its windows
are no longer worth it; from there on the maps are put together and evaluated plainly. The logits agree with
the plain pass to float32 rounding.

There are two forms (`model.network.forms`). `at_position`: candidates that share a position, for many images,
as in the sweep; windows are plain slices. `changed`: candidates of one image at different positions, with one
or several pixels each, as in differential evolution; windows are gathered.

Axis letters: H rows, W columns, C channels, N images, M candidates, n pixels a candidate, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.tree_util import Partial

from model.network import cnn
from model.network.architecture import INPUT, Architecture
from model.network.change import change_of
from model.network.evaluate import evaluate
from model.network.forms import Anywhere, AtPosition, Form, summed
from model.network.layers import Dense, GlobalPool
from model.network.memory import Memory, store
from model.network.plan import Part, Plan, plan
from model.network.pointwise import activate

FORMS = ("auto", "incremental", "full")
Weights = dict[str, dict[str, Array]]
ENOUGH = 1.3  # times fewer multiply-adds


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Incremental:
    """A network with passes for changed pixels; calling it runs the plain pass."""

    plain: Partial  # images (B, H, W, C) float32 in [0, 1] to logits (B, K)
    weights: Weights  # parameters by layer
    architecture: Architecture = field(metadata={"static": True})

    def __call__(self, images: Array) -> Array:
        """Images (B, H, W, C) float32 in [0, 1] to logits (B, K), by the plain pass."""
        logits: Array = self.plain(images)
        return logits

    def remember(self, images: Array) -> Memory:
        """What the incremental passes need of images (N, H, W, C) uint8."""
        return store(self.architecture, self.weights, cnn.to_float(images))

    def changed(self, memory: Memory, pixels: Array) -> Array:
        """Logits (M, K) of copies of one image with pixels (M, n, 2 + C) int: row, column, color.

        Where pixels share a place, the last one counts. `memory` is of this one image.
        """
        places = pixels[..., :2].transpose(2, 1, 0)  # (2, n, M)
        form = Anywhere(self.architecture, memory, (places[0], places[1]))
        old = form.pixels()
        new = cnn.to_float(pixels[..., 2:].transpose(1, 0, 2))[None, None]
        pixels_ = self.architecture.pixels
        change = cnn.prepare(pixels_, new) - cnn.prepare(pixels_, old)
        covered = _overpainted(places[0], places[1])[None, None, :, :, None]
        return _logits(self, plan(self.architecture), form, jnp.where(covered, 0.0, change))

    def at_position(
        self,
        memory: Memory,
        row: Array,
        column: Array,
        colors: Array,
        rows: Part | None = None,
        columns: Part | None = None,
    ) -> Array:
        """Logits (N, M, K) of N images with one pixel in each of colors uint8, (M, C) or (N, M, C).

        `rows` and `columns`: the part of the image that contains the position, each as (first, last + 1);
        close to an edge it saves work.
        """
        form = AtPosition(self.architecture, memory, (row, column), colors.shape[-2])
        old = form.pixels()
        new = jnp.broadcast_to(cnn.to_float(colors), (form.images, form.count, colors.shape[-1]))
        new = new.reshape(1, 1, 1, -1, colors.shape[-1])
        pixels = self.architecture.pixels
        change = cnn.prepare(pixels, new) - cnn.prepare(pixels, old)
        logits = _logits(self, plan(self.architecture, rows, columns), form, change)
        return logits.reshape(form.images, form.count, -1)


def incremental(network: cnn.Network) -> Incremental:
    """The incremental pass of a network. Raises ValueError with the reason where its layers forbid it."""
    plan(network.architecture)
    return Incremental(cnn.logits_function(network), network.weights(), network.architecture)


def fastest(
    network: cnn.Network, *, pixels: int = 1, form: str = "auto"
) -> tuple[Partial | Incremental, str]:
    """The fastest way to evaluate candidates with so many changed pixels, and the reason in a few words.

    form: "incremental" or "full" forces that pass; "auto" is the incremental pass on a CPU where it needs at
        most `ENOUGH` of the multiply-adds, else full passes. On other devices it was not measured.
    Raises ValueError for another form, and for "incremental" where the layers do not allow it.
    """
    if form not in FORMS:
        raise ValueError(f"form (={form!r}) must be one of {', '.join(FORMS)}")
    plain, backend = cnn.logits_function(network), jax.default_backend()
    if form == "full":
        return plain, "full passes, as asked"
    try:
        part = plan(network.architecture).multiply_adds(pixels, scattered=True)
    except ValueError as error:
        if form == "incremental":
            raise
        return plain, f"full passes: {error}"
    less = network.architecture.multiply_adds() / part
    if form == "auto" and backend != "cpu":
        return plain, f"full passes: the incremental pass was measured on CPUs only, and this is {backend}"
    if form == "auto" and less < ENOUGH:
        return plain, f"full passes: {pixels} changed pixels reach too much for the incremental pass to pay"
    return incremental(network), f"incremental passes, {less:.1f} times fewer multiply-adds than full ones"


def _logits(network: Incremental, plan_: Plan, form: Form, change: Array) -> Array:
    """Logits (M, K) from a change of pixels (1, 1, n, M, C) in the network's input."""
    changes, around = {INPUT: change}, {INPUT: plan_.pixels}
    values: dict[str, Array] = {}

    def whole(name: str) -> Array:
        if name not in values:
            values[name] = form.put(name, changes[name], around[name])
        return values[name]

    for name, step in plan_.steps.items():
        own = network.weights.get(name, {})
        if step.windowed:
            inputs, windows = [changes[one] for one in step.sources], [around[one] for one in step.sources]
            changes[name], around[name] = change_of(step, inputs, windows, form, own), step.windows
        elif isinstance(step.layer, Dense) and (below := plan_.flattened(step)) is not None:
            hidden = form.through(changes[below], around[below], plan_.shape(below), own["kernel"])
            hidden = hidden + form.repeated("before", name)
            values[name] = activate(step.layer.activation, hidden)
        elif isinstance(step.layer, GlobalPool) and step.layer.of == "mean" and step.sources[0] in changes:
            source = step.sources[0]
            height, width, _ = step.shapes[0]
            total = summed(changes[source], around[source], step.shapes[0], form.at)
            values[name] = form.repeated("after", name) + total / np.float32(height * width)
        else:
            values[name] = evaluate(step.layer, own, *(whole(source) for source in step.sources))
    return values[network.architecture.logits]


def _overpainted(rows: Array, columns: Array) -> Array:
    """Whether a later pixel (n, M) of the same candidate lies at the same place."""
    same = (rows[:, None] == rows[None]) & (columns[:, None] == columns[None])
    later = np.triu(np.ones((len(rows), len(rows)), bool), 1)[:, :, None]
    return (same & later).any(axis=1)
