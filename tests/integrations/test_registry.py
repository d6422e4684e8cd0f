"""`instrument()` and `uninstrument()`: what is attached, what is skipped and why, and what is refused."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

import callspan
from callspan.errors import ConfigurationError
from callspan.guard import guard
from callspan.integrations import registry
from callspan.integrations.contract import Options, Versions
from callspan.integrations.registry import InstrumentHandle, Registry


class Fake:
    """An integration of a library that is always there: this test's own."""

    versions = Versions("pytest", oldest=(1,), newest=(999,))
    library = "pytest"

    def __init__(self, name="fake", **changes):
        self.name = name
        self.log = []
        for field, value in changes.items():
            setattr(self, field, value)

    def attach(self):
        self.log.append("attach")

    def detach(self):
        self.log.append("detach")

    def report(self):
        return "patched everything"


@pytest.fixture
def use(monkeypatch):
    def use(*integrations):
        made = Registry({one.name: lambda one=one: one for one in integrations})
        monkeypatch.setattr(registry, "REGISTRY", made)
        return made

    return use


def test_attach_and_undo(use):
    fake, other = Fake(), Fake("another")
    use(fake, other)
    handle = callspan.instrument("fake")
    assert isinstance(handle, InstrumentHandle)
    assert str(handle) == "fake  patched everything"
    assert (fake.log, other.log) == (["attach"], [])
    handle.undo()
    handle.undo()
    assert fake.log == ["attach", "detach"]
    assert str(handle) == "fake  taken back"


def test_no_names_mean_all_and_the_lines_stand_in_columns(use):
    use(Fake("a"), Fake("long-name", library="library_that_is_not_there"))
    handle = callspan.instrument()
    assert str(handle).splitlines() == [
        "a          patched everything",
        "long-name  skipped: library_that_is_not_there is not installed",
    ]
    assert [result.is_attached for result in handle.results] == [True, False]


def test_nothing_known(use):
    use()
    assert str(callspan.instrument()) == ""


def test_names_are_read_as_people_write_them(use):
    fake = Fake("llama-index")
    use(fake)
    callspan.instrument(" Llama_Index ")
    callspan.uninstrument("LLAMA-INDEX")
    assert fake.log == ["attach", "detach"]


def test_twice_is_once(use):
    fake = Fake()
    use(fake)
    first = callspan.instrument("fake", "fake")
    second = callspan.instrument()
    assert str(first) == "fake  patched everything"
    assert str(second) == "fake  already on: patched everything"
    second.undo()
    assert fake.log == ["attach"]
    callspan.uninstrument()
    callspan.uninstrument()
    first.undo()
    assert fake.log == ["attach", "detach"]


def test_many_threads_attach_once(use):
    fake = Fake()
    use(fake)
    barrier = threading.Barrier(8)

    def attach():
        barrier.wait()
        callspan.instrument()

    threads = [threading.Thread(target=attach) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fake.log == ["attach"]


def test_too_old_and_newer_than_tested(use):
    use(
        Fake("old", versions=Versions("pytest", oldest=(999,), newest=(999,))),
        Fake("new", versions=Versions("pytest", oldest=(1,), newest=(2,))),
        Fake("unknown", versions=Versions("distribution-that-is-not-there", oldest=(1,), newest=(2,))),
    )
    handle = callspan.instrument("old", "new", "unknown")
    old, new, unknown = str(handle).splitlines()
    assert old == f"old      skipped: pytest {pytest.__version__} is too old: 999 and later are supported"
    assert new == "new      patched everything (newer than tested)"
    assert unknown == "unknown  patched everything"


# -- options -----------------------------------------------------------------------------------------------------------


class Optional(Fake):
    """An integration with options, which notes what held whenever it was attached."""

    def __init__(self, name="fake", **values):
        super().__init__(name)
        self.options = Options(**(values or {"detail": ("usual", "full")}))

    def attach(self):
        self.log.append({option: self.options[option] for option in self.options.names})


def test_options_go_to_the_integrations_that_know_them(use):
    first, second, plain = Optional("a"), Optional("b", usage=("asked", "injected"), others=(False, True)), Fake("c")
    use(first, second, plain)
    handle = callspan.instrument(detail="full", others=True)
    assert first.log == [{"detail": "full"}]
    assert second.log == [{"usage": "asked", "others": True}]
    assert plain.log == ["attach"]
    handle.undo()
    callspan.instrument("a")
    assert first.log == [{"detail": "full"}, "detach", {"detail": "usual"}]


def test_an_option_of_what_is_on_already_holds_from_then_on(use):
    fake = Optional()
    use(fake)
    callspan.instrument("fake")
    assert str(callspan.instrument("fake", detail="full")) == "fake  already on: patched everything"
    callspan.instrument()
    assert fake.log == [{"detail": "usual"}, {"detail": "full"}]
    assert fake.options["detail"] == "full"


def test_an_option_that_does_not_exist(use):
    fake = Optional("a")
    use(fake, Optional("b", usage=("asked", "injected")), Fake("c"))
    with pytest.raises(
        ConfigurationError, match=r"there is no option 'detial'; the options are: detail \(a\), usage \(b\)"
    ):
        callspan.instrument(detail="full", detial="full")
    with pytest.raises(ConfigurationError, match="there is no option 'detail'; the options are: none here"):
        callspan.instrument("c", detail="full")
    assert fake.log == []


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"detail": "ful"}, r"instrument\(detail=...\): got str; give 'usual' or 'full'"),
        ({"others": 1}, r"instrument\(others=...\): got int; give False or True"),
        ({"others": None}, "got NoneType; give False or True"),
    ],
)
def test_a_value_that_an_option_cannot_have(use, options, complaint):
    fake = Optional("a", detail=("usual", "full"), others=(False, True))
    use(fake)
    with pytest.raises(ConfigurationError, match=complaint):
        callspan.instrument(**options)
    assert fake.log == []


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_an_unknown_name(use):
    use(Fake("a"), Fake("b"))
    with pytest.raises(ConfigurationError, match="there is no integration 'opnai'; use one of: a, b"):
        callspan.instrument("opnai")
    with pytest.raises(ConfigurationError, match="there is no integration 'c'"):
        callspan.uninstrument("c")


def test_a_name_that_is_no_text():
    with pytest.raises(ConfigurationError, match=r"instrument: got list; give names as texts"):
        callspan.instrument(["openai"])


def test_named_but_not_installed(use):
    there = Fake("there")
    use(there, Fake("llama-index", library="library_that_is_not_there"))
    with pytest.raises(ConfigurationError, match=r"pip install 'callspan\[llama-index\]'"):
        callspan.instrument("there", "llama-index")
    assert there.log == []  # all or nothing


@pytest.mark.parametrize("stands_for", [None, object()])
def test_a_library_that_somebody_has_put_away(use, monkeypatch, stands_for):
    monkeypatch.setitem(sys.modules, "put_away", stands_for)
    use(Fake(library="put_away"))
    expected = "patched everything" if stands_for else "skipped: put_away is not installed"
    assert str(callspan.instrument()) == f"fake  {expected}"


# -- faulty integrations -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"attach": None}, r"an integration needs a method attach\(\)"),
        ({"report": 5}, r"an integration needs a method report\(\)"),
        ({"library": None}, "its library must be a text"),
        ({"versions": (1, 2)}, "its versions must be a"),
    ],
)
def test_a_faulty_integration_is_named(use, changes, complaint):
    use(Fake(**changes))
    with pytest.raises(ConfigurationError, match=rf"integration 'fake' \(.*Fake\): got Fake; {complaint}"):
        callspan.instrument()


def test_an_integration_with_another_name(use):
    use().register("one", lambda: Fake("other"))
    with pytest.raises(ConfigurationError, match="its name must be 'one'"):
        callspan.instrument("one")


def test_an_integration_that_cannot_attach_is_skipped_and_says_why(use):
    guard.strict = False

    def fail():
        raise AttributeError("SyncAPIClient")

    fake = Fake(attach=fail)
    use(fake, Fake("fine"))
    assert str(callspan.instrument()).splitlines() == [
        "fake  skipped: AttributeError: SyncAPIClient",
        "fine  patched everything",
    ]
    assert guard.counts["attaching fake"] == 1


def test_an_integration_that_cannot_detach(use):
    guard.strict = False

    def fail():
        raise AttributeError("gone")

    use(Fake(detach=fail))
    handle = callspan.instrument()
    handle.undo()
    assert guard.counts["detaching fake"] == 1


# -- without openai ----------------------------------------------------------------------------------------------------


def test_without_openai():
    program = """
import sys
sys.modules["openai"] = None
import callspan
print(callspan.instrument())
try:
    callspan.instrument("openai")
except callspan.ConfigurationError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    lines = [" ".join(line.split()) for line in done.stdout.splitlines() if line.startswith(("openai", "instrument"))]
    assert lines == [
        "openai skipped: openai is not installed",
        "instrument: got str; openai is not installed; run: pip install 'callspan[openai]'",
    ]
