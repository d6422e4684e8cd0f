"""Patches: put on once, taken off exactly, and friendly to those who patch the same place."""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
import sys
import threading
import types

import pytest
import wrapt

from callspan.capture.patching import Patches, when_imported
from callspan.guard import guard


class Journal(list):
    """Notes which wrappers a call went through."""

    def wrapper(self, name):
        def note(wrapped, instance, args, kwargs):
            self.append(name)
            return wrapped(*args, **kwargs)

        return note


@pytest.fixture
def journal():
    return Journal()


def make_class():
    class Client:
        def ask(self, question, *, loud=False):
            return (self, question, loud)

        @classmethod
        def make(cls, name):
            return (cls, name)

        @staticmethod
        def add(a, b):
            return a + b

        async def ask_later(self):
            return "later"

    return Client


def make_child():
    class Special(make_class()):
        pass

    return Special


def by_wrapt(Client, journal):
    wrapt.wrap_function_wrapper(Client, "ask", journal.wrapper("theirs"))


def by_setattr(Client, journal):
    inner = Client.ask

    @functools.wraps(inner)
    def ask(self, *args, **kwargs):
        journal.append("theirs")
        return inner(self, *args, **kwargs)

    Client.ask = ask


@pytest.mark.parametrize("name", ["ask", "make", "add", "ask_later"])
def test_taking_off_restores_exactly(name, journal):
    Client = make_class()
    before = vars(Client)[name]
    patches = Patches()
    patches.put(Client, name, journal.wrapper("ours"))
    assert vars(Client)[name] is not before
    patches.take_off()
    assert vars(Client)[name] is before


def test_calls_go_through_with_everything_they_brought(journal):
    Client = make_class()
    client = Client()
    bound_before = client.ask
    patches = Patches()
    for name in ("ask", "make", "add"):
        patches.put(Client, name, journal.wrapper(name))
    assert client.ask("why", loud=True) == (client, "why", True)
    assert Client.ask(client, "why") == (client, "why", False)
    assert Client.make("x") == (Client, "x")
    assert client.add(1, 2) == 3
    assert bound_before("before") == (client, "before", False)  # taken before: it never comes by
    assert journal == ["ask", "ask", "make", "add"]
    patches.take_off()
    client.ask("why")
    assert journal == ["ask", "ask", "make", "add"]


def test_a_plain_method_stays_a_function(journal):
    Client = make_class()
    before = vars(Client)["ask"]
    patches = Patches()
    patches.put(Client, "ask", journal.wrapper("ours"))
    patched = vars(Client)["ask"]
    assert type(patched) is types.FunctionType
    assert inspect.signature(patched) == inspect.signature(before)
    assert (patched.__qualname__, patched.__module__) == (before.__qualname__, before.__module__)
    with pytest.raises(TypeError, match="missing 2 required positional arguments: 'self' and 'question'"):
        Client.ask()
    assert Client.ask(None, "why") == (None, "why", False)  # no method of anything
    assert journal == []


def test_what_a_maker_makes_stands_in_the_place_of_a_function():
    def run(text):
        return text

    def louder(original, on):
        return lambda text: original(text).upper() if on else original(text)

    module = types.ModuleType("library")
    module.run = run
    patches = Patches()
    patches.replace(module, "run", louder)
    patches.replace(module, "run", louder)
    kept = module.run
    assert (module.run("ran"), kept.__wrapped__, kept.__name__) == ("RAN", run, "run")
    assert str(patches) == "library.run"
    patches.take_off()
    assert module.run is run
    assert kept("ran") == "ran"


@pytest.mark.parametrize("patch", [None, by_wrapt, by_setattr])
def test_what_a_maker_makes_stands_in_the_place_of_a_method_over_whatever_others_put_there(patch, journal):
    def asked(original, on):
        def ask(*args, **kwargs):
            if on:
                journal.append((type(args[0]).__name__, *args[1:]))
            return original(*args, **kwargs)

        return ask

    Client = make_class()
    if patch is not None:
        patch(Client, journal)
    before = vars(Client)["ask"]
    patches = Patches()
    patches.replace(Client, "ask", asked)
    client = Client()
    assert client.ask("why", loud=True) == (client, "why", True)
    assert journal == [("Client", "why"), *(["theirs"] if patch is not None else [])]
    patches.take_off()
    assert vars(Client)["ask"] is before
    client.ask("how")
    assert ("Client", "how") not in journal


def test_arguments_may_have_any_name_where_others_have_wrapped_the_method():
    class Template:
        def fill(self, **values):
            return values

    Template.fill = wrapt.FunctionWrapper(Template.fill, lambda wrapped, _, args, kwargs: wrapped(*args, **kwargs))
    patches = Patches()
    patches.replace(Template, "fill", lambda original, on: original)
    assert Template().fill(_=1, wrapped=2, instance=3) == {"_": 1, "wrapped": 2, "instance": 3}


def test_a_method_bound_while_patched_falls_silent(journal):
    Client = make_class()
    patches = Patches()
    patches.put(Client, "ask", journal.wrapper("ours"))
    bound = Client().ask
    patches.take_off()
    bound("why")
    assert journal == []


def test_an_inherited_method_is_patched_on_the_child_alone(journal):
    Special = make_child()
    parent = Special.__mro__[1]
    patches = Patches()
    patches.put(Special, "ask", journal.wrapper("ours"))
    parent().ask("why")
    assert journal == []
    Special().ask("why")
    assert journal == ["ours"]
    patches.take_off()
    assert "ask" not in vars(Special)
    assert Special().ask("why")[1] == "why"
    assert journal == ["ours"]


def test_a_function_of_a_module(journal):
    module = types.ModuleType("library")
    module.run = lambda: "ran"
    before = module.run
    patches = Patches()
    patches.put(module, "run", journal.wrapper("ours"))
    assert str(patches) == "library.run"
    assert module.run() == "ran"
    patches.take_off()
    assert module.run is before
    assert journal == ["ours"]
    assert str(patches) == ""


def test_twice_is_once(journal):
    Client = make_class()
    before = vars(Client)["ask"]
    patches = Patches()
    patches.put(Client, "ask", journal.wrapper("first"))
    patches.put(Client, "ask", journal.wrapper("second"))
    Client().ask("why")
    assert journal == ["first"]
    assert str(patches) == "Client.ask"
    patches.take_off()
    patches.take_off()
    assert vars(Client)["ask"] is before


def test_nothing_there_to_patch(journal):
    patches = Patches()
    with pytest.raises(AttributeError, match="Client has no attribute 'answer'"):
        patches.put(make_class(), "answer", journal.wrapper("ours"))
    assert str(patches) == ""


@pytest.mark.parametrize("patch", [by_wrapt, by_setattr])
def test_another_patch_on_top_stays_and_ours_falls_silent(patch, journal):
    Client = make_class()
    patches = Patches()
    patches.put(Client, "ask", journal.wrapper("ours"))
    patch(Client, journal)
    theirs = vars(Client)["ask"]
    Client().ask("why")
    assert journal == ["theirs", "ours"]
    patches.take_off()
    assert vars(Client)["ask"] is theirs
    Client().ask("why")
    assert journal == ["theirs", "ours", "theirs"]


@pytest.mark.parametrize("patch", [by_wrapt, by_setattr])
def test_on_again_below_another_patch_counts_once(patch, journal):
    Client = make_class()
    patches = Patches()
    patches.put(Client, "ask", journal.wrapper("ours"))
    patch(Client, journal)
    patches.take_off()
    patches.put(Client, "ask", journal.wrapper("ours"))
    Client().ask("why")
    assert sorted(journal) == ["ours", "theirs"]


@pytest.mark.parametrize("patch", [by_wrapt, by_setattr])
def test_another_patch_below_is_what_we_restore(patch, journal):
    Client = make_class()
    patch(Client, journal)
    theirs = vars(Client)["ask"]
    patches = Patches()
    patches.put(Client, "ask", journal.wrapper("ours"))
    Client().ask("why")
    assert journal == ["ours", "theirs"]
    patches.take_off()
    assert vars(Client)["ask"] is theirs


@pytest.mark.parametrize("make", [make_class, make_child])
def test_who_puts_the_original_back_takes_ours_off(make, journal):
    Client = make()
    stored = vars(Client).get("ask")
    patches = Patches()
    patches.put(Client, "ask", journal.wrapper("ours"))
    held = Client().ask
    if stored is None:
        del Client.ask
    else:
        Client.ask = stored
    patches.put(Client, "ask", journal.wrapper("again"))
    Client().ask("why")
    held("why")  # of the patch that is gone
    assert journal == ["again"]
    patches.take_off()
    assert vars(Client).get("ask") is stored


def test_many_threads_patch_once(journal):
    Client = make_class()
    before = vars(Client)["ask"]
    patches = Patches()
    barrier = threading.Barrier(8)

    def put():
        barrier.wait()
        patches.put(Client, "ask", journal.wrapper("ours"))

    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    Client().ask("why")
    assert journal == ["ours"]
    patches.take_off()
    assert vars(Client)["ask"] is before


# -- imports -----------------------------------------------------------------------------------------------------------


def test_a_module_s_function_stays_what_it_is(journal):
    async def later(question, *, loud=False):
        return question, loud

    def now(question, *, loud=False):
        return question, loud

    module = types.ModuleType("module")
    module.later, module.now = later, now
    patches = Patches()
    for name in ("later", "now"):
        patches.put(module, name, journal.wrapper(name))

    assert inspect.iscoroutinefunction(module.later)
    assert asyncio.run(module.later("why", loud=True)) == module.now("why", loud=True) == ("why", True)
    assert journal == ["later", "now"]
    assert inspect.signature(module.now) == inspect.signature(now)
    kept = module.now
    patches.take_off()
    assert (module.later, module.now) == (later, now)
    assert (kept("how"), journal) == (("how", False), ["later", "now"])


@pytest.fixture
def library(tmp_path, monkeypatch):
    (tmp_path / "library_to_come.py").write_text("answer = 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "library_to_come"
    sys.modules.pop("library_to_come", None)


def test_an_action_waits_for_the_import(library):
    seen = []
    when_imported(library, lambda module: seen.append(module.answer))
    assert seen == []
    importlib.import_module(library)
    assert seen == [42]


def test_an_action_runs_now_for_a_module_that_is_there(library):
    module = importlib.import_module(library)
    seen = []
    when_imported(library, seen.append)
    assert seen == [module]


def test_a_failing_action_does_not_fail_the_import(library):
    guard.strict = False

    def fail(module):
        raise LookupError("not there")

    when_imported(library, fail)
    assert importlib.import_module(library).answer == 42
    assert guard.counts["patching library_to_come"] == 1
