"""Templates, the texts they render, and how a text is found again by content."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from callspan.errors import CallspanError, PromptError
from callspan.model import prompt as module
from callspan.model.prompt import PromptTemplate, RenderedPrompt, prompt, recent_texts, remember


@pytest.fixture(autouse=True)
def only_our_own_texts(monkeypatch):
    monkeypatch.setattr(recent_texts, "_by_hash", {})


# -- templates ---------------------------------------------------------------------------------------------------------


def test_a_template_knows_its_variables_and_has_a_content_hash():
    template = PromptTemplate("{b} before {a}, then {b} and {{c}}")
    assert template.template == "{b} before {a}, then {b} and {{c}}"
    assert template.variable_names == ("b", "a")
    assert template.name is None
    # the first 12 digits of the SHA-256 of the text
    assert PromptTemplate("Hi {who}").version == "f7230cf492d1"
    assert PromptTemplate("Hi {who}", version="v2").version == "v2"


def test_repr_does_not_show_the_text():
    template = PromptTemplate("My secret plan for {who}", name="plan", version="v2")
    assert repr(template) == "PromptTemplate(name='plan', version='v2', variables=['who'])"


def test_rendering():
    text = PromptTemplate("Name a {product}. {{json}} {n:03d} {n!r:>4}", name="naming").format(product="sock", n=7)
    assert text == "Name a sock. {json} 007    7"
    assert type(text) is RenderedPrompt
    assert text.template == "Name a {product}. {{json}} {n:03d} {n!r:>4}"
    assert text.variables == {"product": "sock", "n": 7}
    assert text.name == "naming"


def test_no_variables():
    assert PromptTemplate("Be brief.").format() == "Be brief."


@pytest.mark.parametrize("name", ["self", "template", "name", "version", "variables"])
def test_variables_may_have_any_name(name):
    assert PromptTemplate("<{" + name + "}>").format(**{name: 1}) == "<1>"


def test_variables_inside_formats():
    template = PromptTemplate("{price:>{width}}")
    assert template.variable_names == ("price", "width")
    assert template.format(price=5, width=3) == "  5"


def test_surrogates_in_a_template():
    assert len(PromptTemplate("\ud800").version) == 12


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{", "prompt template: Single '{' encountered in format string. Write braces that are not variables twice: "),
        ("a }", "prompt template: Single '}' encountered in format string. Write braces"),
        ('{"a": 1}', 'prompt template: {"a"} is not a variable name. Write braces that are not variables twice.'),
        ("{}", "prompt template: {} is not a variable name."),
        ("{0}", "prompt template: {0} is not a variable name."),
        ("{user.name}", "prompt template: {user.name} is not a variable name."),
        ("{items[0]}", "prompt template: {items[0]} is not a variable name."),
        ("{x!z}", "prompt template: unknown conversion !z."),
    ],
)
def test_templates_that_cannot_be_read(template, words):
    with pytest.raises(PromptError) as caught:
        PromptTemplate(template)
    assert str(caught.value).startswith(words)
    assert isinstance(caught.value, CallspanError)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(PromptError, match=r"^prompt template 'naming': "):
        PromptTemplate(template, name="naming")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "prompt template needs a, b; missing: a, b"),
        ({"a": 1}, "prompt template needs a, b; missing: b"),
        ({"a": 1, "b": 2, "c": 3, "d": 4}, "prompt template needs a, b; unknown: c, d"),
        ({"a": 1, "c": 3}, "prompt template needs a, b; missing: b; unknown: c"),
    ],
)
def test_variables_that_do_not_fit(variables, message):
    with pytest.raises(PromptError) as caught:
        PromptTemplate("{a}{b}").format(**variables)
    assert str(caught.value) == message


def test_variables_that_do_not_fit_a_named_template():
    with pytest.raises(PromptError) as caught:
        PromptTemplate("Hi", name="hi").format(who="Ann")
    assert str(caught.value) == "prompt template 'hi' needs no variables; unknown: who"


def test_templates_and_texts_can_be_pickled_and_copied():
    template = PromptTemplate("Hi {who}", name="hi", version="v1")
    text = template.format(who="Ann")
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(template, protocol))
        assert (again.template, again.name, again.version, again.variable_names) == ("Hi {who}", "hi", "v1", ("who",))
    for same in (pickle.loads(pickle.dumps(text)), pickle.loads(pickle.dumps(text, 0)), copy.deepcopy(text)):
        assert same == "Hi Ann"
        assert type(same) is RenderedPrompt
        assert (same.template, same.variables, same.name, same.version) == ("Hi {who}", {"who": "Ann"}, "hi", "v1")


def test_a_text_is_a_plain_str_to_everyone():
    text = PromptTemplate("Hi {who}").format(who="Ann")
    assert {"Hi Ann": 1}[text] == 1
    assert type(str(text)) is str
    assert type(text[:2]) is str
    assert type(text.upper()) is str
    assert repr(text) == "'Hi Ann'"


# -- finding texts again -----------------------------------------------------------------------------------------------


def test_a_text_is_found_by_content():
    assert not recent_texts
    text = remember("Hi Ann", "Hi {who}", {"who": "Ann"}, "hi", None)
    assert recent_texts
    assert recent_texts.find(bytes(text, "ascii").decode()) is text
    assert recent_texts.find("Hi Bob") is None
    assert text.version == "f7230cf492d1"


def test_the_origin_remembered_last_wins():
    remember("Hi", "{a}", {"a": "Hi"}, "first", "1")
    second = remember("Hi", "{b}", {"b": "Hi"}, "second", "2")
    assert recent_texts.find("Hi") is second


def test_the_oldest_text_is_forgotten_first():
    texts = module._RecentTexts(2)
    a, b, c = RenderedPrompt("a"), RenderedPrompt("b"), RenderedPrompt("c")
    texts.add(a)
    texts.add(b)
    texts.add(a)  # used again: b is the oldest now
    texts.add(c)
    assert (texts.find("a"), texts.find("b"), texts.find("c")) == (a, None, c)


def test_equal_hashes_are_not_equal_texts():
    texts = module._RecentTexts(2)
    texts._by_hash[hash("mine")] = RenderedPrompt("another")
    assert texts.find("mine") is None


def test_a_thread_that_changes_the_texts_meanwhile_does_no_harm():
    class Changing(dict):
        def __iter__(self):
            raise RuntimeError("dictionary changed size during iteration")

    texts = module._RecentTexts(0)
    texts._by_hash = Changing()
    texts.add(RenderedPrompt("a"))
    assert texts.find("a") == "a"


def test_the_variables_are_those_of_the_moment():
    variables = {"who": "Ann"}
    text = remember("Hi Ann", "Hi {who}", variables, None, None)
    variables["who"] = "Bob"
    assert text.variables == {"who": "Ann"}


# -- template strings of Python 3.14 -----------------------------------------------------------------------------------


@dataclass
class Interpolation:
    value: object
    expression: str
    conversion: str | None = None
    format_spec: str = ""


def template_string(strings, *interpolations):
    return SimpleNamespace(strings=strings, interpolations=interpolations)


def test_a_template_string():
    text = prompt(
        template_string(
            ("Name {a} ", " of ", "!"), Interpolation("sock", "product"), Interpolation(7, "box.size", None, "03d")
        ),
        name="naming",
        version="v1",
    )
    assert text == "Name {a} sock of 007!"
    assert text.template == "Name {{a}} {product} of {box.size}!"
    assert text.variables == {"product": "sock", "box.size": 7}
    assert (text.name, text.version) == ("naming", "v1")
    assert recent_texts.find("Name {a} sock of 007!") is text


def test_conversions():
    made = template_string(
        ("", " ", " ", ""),
        Interpolation("ä", "x", "r"),
        Interpolation("ä", "y", "a"),
        Interpolation(5, "z", "s", ">3"),
    )
    text = prompt(made)
    assert text == "'ä' '\\xe4'   5"
    assert text.variables == {"x": "ä", "y": "ä", "z": 5}
    assert text.template == "{x} {y} {z}"
    assert text.name is None


def test_a_template_string_without_variables():
    text = prompt(template_string(("Hi {who}",)))
    assert (text, text.template, text.variables) == ("Hi {who}", "Hi {{who}}", {})


@pytest.mark.parametrize("given", ["Hi {who}", None, SimpleNamespace(strings=("a",))], ids=["str", "None", "half"])
def test_anything_else(given):
    with pytest.raises(PromptError, match=r'^prompt\(\): got \w+; pass a template string, as in prompt\(t"Name a'):
        prompt(given)
