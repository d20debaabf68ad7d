"""A Python function in the place of a network: what it may be, and every way in which it can be wrong."""

import re
import sys
import textwrap
from pathlib import Path

import jax
import numpy as np
import pytest

from model.attacks import corner_sweep, one_pixel_attack
from model.attacks.sweep import color_grid
from model.network import cnn, function
from model.network.checkpoint import CheckpointError
from model.network.incremental_pass import fastest

pytestmark = pytest.mark.usefixtures("compiled_quickly")

README = Path(__file__).parents[1] / "README.md"
SHAPE, CLASSES = (4, 5, 3), 3
PLAIN = """
import jax.numpy as jnp
import numpy as np

parameters = {"kernel": np.linspace(-1, 1, 180, dtype=np.float32).reshape(60, 3)}

def logits(images):
    return images.reshape(len(images), -1) @ parameters["kernel"]

def with_layers(images):
    flat = images.reshape(len(images), -1)
    layers = {"map": jnp.tanh(images), "tokens": images.reshape(len(images), 5, 12), "hidden": flat[:, :7]}
    return flat @ parameters["kernel"], layers

def with_maps(images):
    return logits(images), {"first": images[:, ::2], "last": images[..., :2]}
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load a function from the source of a module in the current folder, as a new process would."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = {*sys.modules}

    def load(source, name="logits", *, module="their_net", shape=SHAPE, classes=CLASSES):
        for known in {*sys.modules} - before:
            if known.partition(".")[0] == module.partition(".")[0]:
                del sys.modules[known]
        path = Path(*module.split(".")).with_suffix(".py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
        return function.load(f"{module}:{name}", shape, classes)

    path = list(sys.path)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):  # as for the user
        yield load
    assert sys.path == path
    for known in {*sys.modules} - before:
        if known.startswith("their"):
            del sys.modules[known]


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (6, *SHAPE), np.uint8)


def test_a_function_of_jax_is_a_network(load, images):
    loaded = load(PLAIN)
    network = loaded.network
    assert network.architecture.name == "their_net:logits"
    assert (network.architecture.input_shape, network.architecture.classes) == (SHAPE, CLASSES)
    kernel = np.linspace(-1, 1, 180, dtype=np.float32).reshape(60, 3)
    expected = (images / np.float32(255)).reshape(6, -1) @ kernel
    np.testing.assert_allclose(cnn.predict(network, images), expected, atol=1e-5)
    np.testing.assert_allclose(cnn.logits_function(network)(images / np.float32(255)), expected, atol=1e-5)
    assert network.architecture.activation_shapes() == {"logits": (3,), "composed": (3,)}
    assert network.architecture.compared == ("logits",)
    assert network.architecture.notes()["composed"] == "logits"


def test_the_layers_that_it_names_are_compared_or_viewed(load, images):
    architecture = load(PLAIN, "with_layers").network.architecture
    assert architecture.activation_shapes() == {
        "map": (4, 5, 3),
        "tokens": (60,),
        "hidden": (7,),
        "logits": (3,),
        "composed": (70,),
    }
    assert (architecture.compared, architecture.viewed) == (("tokens", "hidden", "logits"), ("map",))
    assert architecture.kinds() == {
        "map": "conv",
        "tokens": "dense",
        "hidden": "dense",
        "logits": "dense",
        "composed": "composed",
    }
    network = load(PLAIN, "with_layers").network
    names = tuple(network.architecture.activation_shapes())
    (given,) = cnn.activate(network, images, names, batch_size=6)
    for name, shape in network.architecture.activation_shapes().items():
        assert given[name].shape == (6, *shape)
    np.testing.assert_array_equal(given["logits"], cnn.predict(network, images, batch_size=6))
    np.testing.assert_array_equal(
        given["composed"], np.concatenate([given["tokens"], given["hidden"], given["logits"]], axis=1)
    )


def test_of_maps_alone_the_last_is_compared(load, images):
    network = load(PLAIN, "with_maps").network
    assert network.architecture.compared == ("last", "logits")
    assert network.architecture.activation_shapes() == {
        "first": (2, 5, 3),
        "last": (40,),
        "logits": (3,),
        "composed": (43,),
    }
    assert network.architecture.kinds()["last"] == "flatten"
    assert network.architecture.notes()["composed"] == "last and logits concatenated"
    (given,) = cnn.activate(network, images, ("last",), batch_size=6)
    np.testing.assert_allclose(given["last"], (images / 255)[..., :2].reshape(6, -1), atol=1e-6)


def test_it_is_attacked_by_full_passes(load, images):
    network = load(PLAIN).network
    labels = cnn.predict(network, images).argmax(-1)
    passes, reason = fastest(network)
    assert reason == "full passes: the layers of a Python function are not known"
    with pytest.raises(ValueError, match="the layers of a Python function are not known"):
        fastest(network, form="incremental")
    swept = corner_sweep(passes, images, labels)
    evolved = one_pixel_attack(passes, images, labels, population=8, generations=2, key=jax.random.key(0))
    np.testing.assert_allclose(cnn.predict(network, evolved.images), evolved.logits, atol=1e-5)
    assert swept.margins.shape == (6, 4, 5)
    assert swept.margins.max() == pytest.approx(max(_margins(network, images, labels)), abs=1e-5)


def _margins(network, images, labels):
    """Of all images with one pixel in a corner color: the best other logit less the label's."""
    for index in np.ndindex(4, 5):
        for color in color_grid():
            changed = images.copy()
            changed[:, *index] = color
            logits = cnn.predict(network, changed, batch_size=6)
            own = logits[np.arange(6), labels]
            logits[np.arange(6), labels] = -np.inf
            yield (logits.max(1) - own).max()


# ---- What identifies it --------------------------------------------------------------------------


def test_source_name_and_parameters_identify_it(load):
    sources = {
        "again": (PLAIN, "logits"),
        "another function": (PLAIN, "with_maps"),
        "another line": (PLAIN + "\n# \n", "logits"),
        "other parameters": (PLAIN.replace("(-1, 1,", "(-1, 2,"), "logits"),
    }
    digests = {what: load(*source).sha256 for what, source in sources.items()}
    assert digests["again"] == load(PLAIN).sha256
    assert len({*digests.values()}) == 4


def test_parameters_count_wherever_they_come_from(load, tmp_path):
    source = """
import numpy as np
parameters = [np.load("kernel.npy")]
def logits(images):
    return images.reshape(len(images), -1) @ parameters[0]
"""
    digests = []
    for seed in (0, 0, 1):
        kernel = np.random.default_rng(seed).normal(size=(60, 3)).astype(np.float32)
        np.save(tmp_path / "kernel.npy", kernel)
        digests.append(load(source))
    assert digests[0].sha256 == digests[1].sha256 != digests[2].sha256
    assert digests[0].description["origin"]["notes"] == ["its digest covers 1 arrays of parameters"]
    silent = load(source.replace("parameters", "hidden"))
    assert "offer `parameters` there" in silent.description["origin"]["notes"][0]


# ---- The ways into JAX that the guide shows ------------------------------------------------------


NNX = """
import jax
from flax import nnx

class Net(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.dense = nnx.Linear(80, 3, rngs=rngs)

    def __call__(self, images):
        features = nnx.relu(self.norm(self.conv(images)))
        flat = self.drop(features.reshape(len(images), -1))
        return self.dense(flat), {"conv": features, "flat": flat}

net = Net(nnx.Rngs(0))
net.eval()
parameters = nnx.state(net)

def logits(images):
    return net(images)
"""
LINEN = """
import jax
import flax.linen as nn

class Net(nn.Module):
    @nn.compact
    def __call__(self, images):
        hidden = nn.relu(nn.Dense(6)(images.reshape(len(images), -1)))
        return nn.Dense(3)(hidden), {"hidden": hidden}

parameters = Net().init(jax.random.key(0), jax.numpy.zeros((1, 4, 5, 3)))

def logits(images):
    return Net().apply(parameters, images)
"""


@pytest.mark.parametrize(
    ("source", "name", "compared"),
    [
        (NNX, "logits", ("flat", "logits")),
        (NNX, "net", ("flat", "logits")),
        (LINEN, "logits", ("hidden", "logits")),
    ],
    ids=["nnx", "an nnx module itself", "linen"],
)
def test_networks_of_flax_come_in(source, name, compared, load, images):
    loaded = load(source, name)
    assert loaded.network.architecture.compared == compared
    assert loaded.sha256 == load(source, name).sha256
    assert loaded.sha256 != load(source.replace("(0)", "(1)").replace("Rngs(0", "Rngs(1"), name).sha256
    logits = cnn.predict(loaded.network, images)
    np.testing.assert_allclose(cnn.predict(loaded.network, images[:2]), logits[:2], atol=1e-5)


MY_PROJECT = """
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

SEED = 0

class Nnx(nnx.Module):
    def __init__(self, rngs):
        self.norm = nnx.BatchNorm(3, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.dense = nnx.Linear(60, 3, rngs=rngs)

    def __call__(self, images):
        return self.dense(self.drop(self.norm(images)).reshape(len(images), -1))

def load_state():
    return nnx.state(Nnx(nnx.Rngs(SEED)))

class Linen(linen.Module):
    @linen.compact
    def __call__(self, images, train):
        images = linen.BatchNorm(use_running_average=not train)(images)
        return linen.Dense(3)(images.reshape(len(images), -1))

def load_variables():
    return Linen().init(jax.random.key(SEED), jnp.zeros((1, 4, 5, 3)), train=False)

chance = np.random.default_rng(SEED)
weights = {"hidden": chance.normal(size=(60, 7)), "last": chance.normal(size=(7, 3))}
np.savez("weights.npz", **{name: value.astype(np.float32) for name, value in weights.items()})
"""


def _shown(word):
    """The example in README that has this word, as source code."""
    section = README.read_text("utf-8").partition("## Your own network")[2].partition("## Figures")[0]
    blocks = re.findall(r"((?:^(?:    .*)?\n)+)", section, re.MULTILINE)
    (block,) = (block for block in blocks if word in block and "def logits" in block)
    return textwrap.dedent(block)


@pytest.mark.parametrize(
    ("word", "net", "compared"),
    [
        ("nnx", "Nnx", ("logits",)),
        ("load_variables", "Linen", ("logits",)),
        ("np.load", "None", ("hidden", "logits")),
    ],
)
def test_what_readme_shows_is_a_network(word, net, compared, load, images, tmp_path):
    for name in [name for name in sys.modules if name.startswith("my_project")]:
        del sys.modules[name]
    (tmp_path / "my_project.py").write_text(f"{MY_PROJECT}\nNet = {net}\n")
    before = "import my_project\n" if net == "None" else ""
    loaded = load(before + _shown(word), module="their_shown_net")
    assert loaded.network.architecture.compared == compared
    assert re.fullmatch(
        r"its digest covers \d+ arrays of parameters", loaded.description["origin"]["notes"][0]
    )
    assert cnn.predict(loaded.network, images).shape == (6, 3)


def test_readme_shows_equinox():
    assert "import equinox as eqx" in _shown("eqx")
    compile(_shown("eqx"), "README.md", "exec")


def test_a_network_that_still_trains_is_refused(load):
    with pytest.raises(CheckpointError, match=r"^--network their_net:logits: calling it raised "):
        load(NNX.replace("net.eval()", "net.train()"))


# ---- What is wrong -------------------------------------------------------------------------------


def _returning(expression):
    return f"import jax, jax.numpy as jnp, numpy as np\ndef logits(images):\n    return {expression}\n"


LOGITS = "images.reshape(len(images), -1)[:, :3]"
WRONG = {
    "this is no Python": "importing it raised SyntaxError: ",
    "raise RuntimeError('first line\\nsecond')": "importing it raised RuntimeError: first line$",
    "import sys; sys.exit('done')": "importing it raised SystemExit: done",
    "import there_is_no_such": "it imports there_is_no_such, which is not installed",
    "x = 1": "their_net has no logits",
    "logits = 3": "it is a int, expected a function of images",
    "class logits: pass": "it is a type, expected a function of images",
    "def logits(): pass": r"calling it raised TypeError: logits\(\) takes 0 positional arguments",
    _returning("None"): "it gives a NoneType for logits, expected an array",
    _returning("images"): r"it gives logits of shape \(3, 4, 5, 3\) for 3 images .*, expected \(3, 3\)",
    _returning(f"{LOGITS}[:, :2]"): r"it gives logits of shape \(3, 2\)",
    _returning(f"{LOGITS}[:2]"): r"of shape \(2, 3\) for 3 images, expected .* 3 as the first side",
    _returning(f"{LOGITS}.astype(int)"): "it gives logits as int32 .*, expected numbers with a fraction",
    _returning(f"{LOGITS} / 0"): "it gives values for logits that are no finite numbers",
    _returning(f"{LOGITS} if images.sum() > 0 else 0"): "JAX cannot trace it: calling it raised Tracer",
    _returning(f"np.asarray({LOGITS})"): "JAX cannot trace it: calling it raised TracerArrayConversion",
    _returning(f"{LOGITS} - images.mean()"): "depend on the others of its batch: expected a network at inf",
    _returning(f"{LOGITS}, {LOGITS}"): "beside the logits, expected",
    _returning(f"{LOGITS}, {{'a b': {LOGITS}}}"): "a layer is named 'a b', expected",
    _returning(f"{LOGITS}, {{3: {LOGITS}}}"): "a layer is named '3', expected",
    _returning(f"{LOGITS}, {{'composed': {LOGITS}}}"): r"its layers are \['composed'\]: expected other names",
    _returning(f"{LOGITS}, {{'logits': {LOGITS}}}"): r"its layers are \['logits'\]: expected other names",
    _returning(f"{LOGITS}, {{'empty': images[:, :0]}}"): r"it gives empty of shape \(0, 5, 3\)",
    _returning(f"{LOGITS}, {{'one': images.sum()}}"): r"it gives one as float32 of shape \(\) for 3 images",
}


@pytest.mark.parametrize(("source", "said"), WRONG.items())
def test_a_function_that_is_no_network_is_told_in_one_line(source, said, load):
    with pytest.raises(CheckpointError, match=said) as caught:
        load(source)
    assert str(caught.value).startswith("--network their_net:logits: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("there_is_none:f", "there is no module there_is_none, expected one in /"),
        ("their_net.deeper:f", "there is no module their_net.deeper, expected one in /"),
        ("model.nets:f", "model is a package of this program"),
        ("time:sleep", "calling it raised TypeError|it gives"),
    ],
)
def test_a_module_that_is_not_there_is_told(text, said, load):
    load(PLAIN)
    with pytest.raises(CheckpointError, match=said):
        function.load(text, SHAPE, CLASSES)


def test_a_function_may_lie_in_a_package_and_in_a_class(load):
    Path("their").mkdir()
    assert load(PLAIN, module="their.nets").network.architecture.name == "their.nets:logits"
    source = PLAIN + "\nclass Held:\n    logits = staticmethod(logits)\n"
    assert load(source, "Held.logits", module="their.nets").network.architecture.classes == 3


@pytest.mark.parametrize(
    ("text", "yes"),
    [("a:b", True), ("a.b:c.d", True), ("a", False), ("a:", False), ("C:\\a", False), ("./a:b", False)],
)
def test_only_a_module_and_a_function_have_the_form_of_one(text, yes):
    assert function.is_function(text) == yes
