"""Where nothing is left to hold on to: the stack is full, our own code fails, libraries are odd."""

from __future__ import annotations

import asyncio
import collections
import sys
import types

import pytest

import callspan
from callspan.capture import spans as spans_module
from callspan.guard import guard
from callspan.model.facts import Facts
from callspan.recording import copier, opening, otel, stored_fields
from callspan.recording.plain import plain
from callspan.recording.scope import StepCounter
from callspan.recording.snapshot import _is_vector, freeze
from callspan.recording.thawing import thaw
from callspan.testing import capture


def fail(*_):
    raise ArithmeticError


async def test_a_coroutine_while_it_is_off_or_suppressed():
    @callspan.observe
    async def later(value):
        await asyncio.sleep(0)
        return value

    assert await later(1) == 1
    with capture() as spans, callspan.suppress():
        assert await later(2) == 2
    assert spans == []


# -- the stack is full -------------------------------------------------------------------------------------------------


def at_every_depth_near_the_limit(run):
    """Run `run` with 1, 2, … frames left; stop where it is sure to have had enough."""

    def go_down(count):
        return run() if not count else go_down(count - 1)

    depth = 0
    frame = sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    for count in range(sys.getrecursionlimit() - depth - 5, sys.getrecursionlimit() - depth - 200, -1):
        try:
            yield go_down(count)
        except RecursionError:
            yield RecursionError


class Mine(Exception):
    """The user's own."""


def test_the_users_exception_survives_a_full_stack():
    @callspan.observe
    def function():
        raise Mine

    def run():
        try:
            function()
        except Mine:
            return Mine

    with capture():
        guard.strict = False
        outcomes = [*at_every_depth_near_the_limit(run)]
        assert not callspan.current_span().is_recording()
    # First there is no frame for the function itself; from then on its exception is what comes out.
    assert outcomes[-1] is Mine
    assert outcomes == sorted(outcomes, key=lambda outcome: outcome is Mine)


def test_a_result_survives_a_full_stack():
    @callspan.observe
    def function():
        return 5

    def run():
        with callspan.span("block"):
            return function()

    with capture():
        guard.strict = False
        outcomes = [*at_every_depth_near_the_limit(run)]
    assert outcomes[-1] == 5
    assert {*outcomes} <= {5, RecursionError}


def test_coroutines_survive_a_full_stack():
    @callspan.observe
    async def function(fails):
        if fails:
            raise Mine
        return 5

    def step(fails):
        coroutine = function(fails)
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value
        except Mine:
            return Mine
        finally:
            coroutine.close()

    with capture():
        guard.strict = False
        for fails, expected in ((False, 5), (True, Mine)):
            outcomes = [*at_every_depth_near_the_limit(lambda fails=fails: step(fails))]
            assert outcomes[-1] is expected or outcomes[-1] == expected
            assert {*outcomes} <= {expected, RecursionError}
        assert not callspan.current_span().is_recording()


# -- our own code fails ------------------------------------------------------------------------------------------------


def test_finding_the_current_span(monkeypatch):
    guard.strict = False
    with capture():
        monkeypatch.setattr(otel, "get_context", fail)
        assert callspan.current_span() is spans_module.NO_SPAN
    assert guard.counts == {"finding the current span": 1}


def test_entering_and_leaving_a_scope(monkeypatch):
    guard.strict = False
    with capture() as spans:
        with monkeypatch.context() as patched:
            patched.setattr(otel, "Context", fail)
            block = callspan.conversation("c").__enter__()
        block.__exit__(None, None, None)
        with callspan.conversation("d"):
            with monkeypatch.context() as patched:
                patched.setattr(otel, "put_back_keys", fail)
                callspan.conversation("e").__enter__().__exit__(None, None, None)
            otel.set_context(otel.Context())
        callspan.observe(lambda: None)()
    assert guard.counts == {"entering a scope": 1, "leaving a scope": 1}
    assert spans[0].conversation_id is None


def test_a_sink_that_fails():
    from callspan.capture.openers import turn_on
    from callspan.recording.recorder import Recorder

    guard.strict = False
    turn_on(Recorder(fail))
    with callspan.span("block"):
        pass
    assert callspan.observe(lambda: 5)() == 5
    assert guard.counts["closing a block"] == 1


def test_one_part_of_a_span_that_cannot_be_opened(monkeypatch):
    guard.strict = False
    monkeypatch.setattr(opening, "_open_scope", fail)
    with capture() as spans, callspan.conversation("c"):
        callspan.observe(lambda a: a)(1)
    assert (spans[0].input, spans[0].output, spans[0].conversation_id) == ({"a": 1}, 1, None)
    assert [*guard.counts] == ["opening a span (fail)"]


def test_facts_are_opened_once():
    from callspan.capture.openers import turn_on
    from callspan.recording.recorder import Recorder

    kept = []
    turn_on(Recorder(kept.append))
    callspan.observe(lambda a: a)(1)
    facts = kept[0].open_facts()
    assert isinstance(facts, Facts)
    assert kept[0].open_facts() is facts


# -- odd values and other threads --------------------------------------------------------------------------------------


@pytest.mark.parametrize("failures", [1, 3, 4])
def test_containers_that_change_while_they_are_read(monkeypatch, failures):
    class Odd:
        pass

    def changing(values, count):
        nonlocal failures
        failures -= 1
        if failures >= 0:
            yield next(iter(values))
            raise RuntimeError("changed size during iteration")
        yield from [*values][:count]

    monkeypatch.setattr(copier, "islice", changing)
    many = failures == 4
    (tree,) = thaw(freeze([{"a": 1, "b": 2, "odd": Odd()}]))
    assert [*tree] == (["a"] if many else ["a", "b", "odd"])
    failures = 4 if many else 1
    (tree,) = thaw(freeze([frozenset([7])]))
    assert tree == [7]


def test_a_list_that_was_emptied_is_no_vector():
    assert not _is_vector([])


def test_a_tensor_is_told_by_its_shape(monkeypatch):
    class Tensor:
        shape = (2, 3)

        def __repr__(self):
            raise ArithmeticError

    torch = types.ModuleType("torch")
    torch.Tensor = Tensor
    monkeypatch.setitem(sys.modules, "torch", torch)
    (tree,) = thaw(freeze([Tensor()]))
    assert tree.endswith("Tensor shape=(2, 3)>")


def test_a_class_without_a_module():
    namespace = {"__builtins__": __builtins__}
    exec("Nameless = type('Nameless', (), {})", namespace)
    assert plain(thaw(freeze([namespace["Nameless"]()]))[0]) == "<Nameless>"
    assert stored_fields.qualified_name(int) == "int"


def test_a_pydantic_object_of_another_version(monkeypatch):
    import pydantic

    class Model(pydantic.BaseModel):
        x: int

    monkeypatch.delitem(sys.modules, "pydantic.fields")
    assert thaw(freeze([Model(x=1)])) == [{"x": 1}]
    unset = Model.__new__(Model)
    assert thaw(freeze([unset])) == [{}]


def test_a_conversation_that_another_thread_evicts_just_now():
    class Evicting(collections.OrderedDict):
        def move_to_end(self, key, last=True):
            raise KeyError(key)

    steps = StepCounter()
    steps._counts = Evicting()
    assert [steps.next("c"), steps.next("c")] == [1, 2]
