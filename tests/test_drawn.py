"""Parts of pages as HTML: what is in them stays what it was, and is never taken for markup."""

import pytest
from dash import dcc, html

from dashapp.draw.html_parts import drawn, element, link, to_html


def test_elements_keep_their_attributes_under_the_names_of_html():
    part = html.Label(
        ["a", html.Img(src="/i.png", alt="x", width=32), None, 7],
        className="one two",
        htmlFor="f",
        id={"type": "t", "part": "p"},
        style={"--share": "0.5", "backgroundColor": "red"},
        **{"aria-label": "named"},
    )
    assert to_html(part) == (
        '<label id="{&quot;part&quot;:&quot;p&quot;,&quot;type&quot;:&quot;t&quot;}" class="one two" for="f" '
        'style="--share:0.5;background-color:red" aria-label="named">'
        'a<img alt="x" src="/i.png" width="32">7</label>'
    )


def test_what_people_wrote_is_text_and_never_markup():
    hostile = "<script>alert('x')</script>\" onload=\"y"
    text = to_html(html.P(hostile, title=hostile))
    assert text.count("<") == 2
    assert 'onload="y"' not in text
    assert "&lt;script&gt;" in text


def test_links_are_followed_by_the_page_and_flags_have_no_value():
    assert to_html(dcc.Link("to", href="/?a=1&b=2")) == '<a href="/?a=1&amp;b=2" data-link="">to</a>'
    assert to_html(html.Details([], open=True)) == "<details open></details>"
    assert to_html(html.Details([], open=False)) == "<details></details>"
    assert to_html(element("input", value='"')) == '<input value="&quot;">'
    assert to_html(link(["<", element("b", 1)], "/")) == '<a href="/" data-link="">&lt;<b>1</b></a>'


def test_a_component_that_is_more_than_an_element_is_refused():
    with pytest.raises(TypeError, match="Graph is more than an element"):
        drawn(html.Div(dcc.Graph()))
