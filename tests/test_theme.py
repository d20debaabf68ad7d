"""Colors of classes, apart for every kind of color vision and visible on both themes; the style sheets."""

import re
from itertools import combinations, pairwise

import numpy as np
import pytest

from dashapp.theme import CLASS_COLORS, COLORS, class_color, template

# Linear sRGB as people with each full color blindness see it (Machado, Oliveira and Fernandes, 2009).
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
TO_CONES = [[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]]
TO_OKLAB = [[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]

COLOR_NAMES = {
    "white",
    "black",
    "red",
    "green",
    "blue",
    "yellow",
    "orange",
    "gray",
    "silver",
    "purple",
}
BUILT = ("badge-", "d-", "is-", "layer-", "mark-", "shows-", "strip-", "swatch-")  # f"mark-{outcome}"
OF_DASH = ("dash-", "_dash-")  # classes of Dash's own components


def linear(color):
    srgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def oklab(light):
    return TO_OKLAB @ np.cbrt(TO_CONES @ light.clip(0, 1))


def contrast(a, b):
    low, high = sorted(float(linear(color) @ [0.2126, 0.7152, 0.0722]) for color in (a, b))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("sight", SIGHT)
def test_class_colors_are_apart_for_every_kind_of_color_vision(sight):
    seen = [oklab(SIGHT[sight] @ linear(color)) for color in CLASS_COLORS]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 0.088


@pytest.mark.parametrize("theme", COLORS)
def test_class_colors_stand_out_from_the_surface_of_both_themes(theme):
    assert min(contrast(color, COLORS[theme]["surface"]) for color in CLASS_COLORS) >= 3


def test_class_colors_are_not_taken_for_those_of_alarms():
    signals = [oklab(linear(COLORS[theme][name])) for theme in COLORS for name in ("alarm", "clear")]
    seen = [oklab(linear(color)) for color in CLASS_COLORS]
    assert min(np.linalg.norm(a - b) for a in seen for b in signals) > 0.06


@pytest.mark.parametrize("theme", COLORS)
def test_text_is_readable_on_every_surface(theme):
    colors = COLORS[theme]
    for surface in ("bg", "surface", "surface-2"):
        assert contrast(colors["text"], colors[surface]) > 7
        for text in ("text-muted", "accent", "alarm", "clear"):
            assert contrast(colors[text], colors[surface]) > 4.5, (text, surface)


def test_the_style_sheet_has_the_colors_of_the_theme(pytestconfig):
    css = (pytestconfig.rootpath / "dashapp/assets/base.css").read_text()
    light, dark = css.split('[data-theme="dark"] {')[0], css.split('[data-theme="dark"] {')[1].split("}")[0]
    for theme, text in (("light", light), ("dark", dark)):
        for name, color in COLORS[theme].items():
            assert f"--{name}: {color};" in text, (theme, name)


def test_classes_beyond_the_tenth_have_colors_that_stand_out_and_differ_from_those_beside_them():
    colors = [class_color(number) for number in range(10, 1000)]
    assert len(set(colors)) > 900
    for theme in COLORS:
        assert min(contrast(color, COLORS[theme]["surface"]) for color in colors) >= 3
    seen = [oklab(linear(color)) for color in colors]
    assert min(np.linalg.norm(a - b) for a, b in pairwise(seen)) > 0.1
    assert re.fullmatch("#[0-9a-f]{6}", class_color(65_535))


def test_a_figure_has_the_theme():
    assert template("dark").layout.font.color == COLORS["dark"]["text"]


@pytest.fixture(scope="module")
def style_sheets(pytestconfig):
    """Path below assets -> its rules (selector, declarations), without comments and blocks of variables."""
    folder = pytestconfig.rootpath / "dashapp/assets"
    sheets = {}
    for path in sorted(folder.rglob("*.css")):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        rules = [(selector.strip(), body) for selector, body in re.findall(r"([^{};]+)\{([^{}]*)\}", text)]
        if path.name == "base.css":
            rules = [rule for rule in rules if rule[0] not in (":root", '[data-theme="dark"]')]
        sheets[path.relative_to(folder)] = rules
    return sheets


def test_style_sheets_take_every_color_and_size_of_text_from_a_variable(style_sheets):
    for path, rules in style_sheets.items():
        for selector, body in rules:
            for declaration in filter(None, map(str.strip, body.split(";"))):
                name, _, value = declaration.partition(":")
                literal = re.search(
                    r"#[0-9a-f]{3,8}\b|\b(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch|color)\(", value, re.I
                )
                assert literal is None, (path, selector, declaration)
                words = set(re.findall(r"(?<![\w-])[a-z]+(?![\w-])", value))
                assert not words & COLOR_NAMES, (path, selector, declaration)
                if name == "font-size":
                    assert re.fullmatch(r"var\(--text-[\w-]+\)", value.strip()), (path, selector, declaration)
                if name == "font":
                    assert value.strip() == "inherit" or "var(--text-" in value, (path, selector, declaration)


def test_every_variable_of_the_style_sheets_is_defined_and_used(style_sheets, pytestconfig):
    """Those in the :root block of base.css, that is; a page sets others where it needs them."""
    css = (pytestconfig.rootpath / "dashapp/assets/base.css").read_text(encoding="utf-8")
    defined = set(re.findall(r"^  (--[\w-]+):", css, re.MULTILINE))
    used = {
        name
        for rules in style_sheets.values()
        for _, body in rules
        for name in re.findall(r"var\((--[\w-]+)", body)
    }
    assert {name for name in used if name.startswith(("--text", "--space", "--radius", "--font"))} <= defined
    assert defined <= used


def test_what_several_pages_use_is_in_no_folder_of_a_page(style_sheets):
    """Style sheets of every page are loaded on every page: a class has one home."""
    homes = {}
    for path, rules in style_sheets.items():
        for selector, _ in rules:
            for name in re.findall(r"\.([a-zA-Z_][\w-]*)", selector):
                homes.setdefault(name, set()).add(path.parent.name)
    # A page may place what is styled at the top level; two pages may not share a class without that.
    assert not {name: home for name, home in homes.items() if len(home - {""}) > 1 and "" not in home}


def test_a_style_sheet_has_no_class_and_no_id_that_nothing_has(style_sheets, pytestconfig):
    sources = [*pytestconfig.rootpath.glob("dashapp/**/*.py"), *pytestconfig.rootpath.glob("dashapp/**/*.js")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    words = set(re.findall(r"[\w-]+", code))
    for path, rules in style_sheets.items():
        for selector, _ in rules:
            for name in re.findall(r"[.#]([a-zA-Z_][\w-]*)", selector):
                there = name in words or name.startswith((*BUILT, *OF_DASH))
                assert there, (path, selector, name)
