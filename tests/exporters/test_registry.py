from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from callspan.errors import ConfigurationError
from callspan.exporters import FileExporter, HTTPExporter, MemoryExporter, OTLPExporter
from callspan.exporters.registry import make

PLUGIN = """
class Good:
    name = "good"
    def export(self, batch): return None
    def close(self): pass

class Half:
    def export(self, batch): return None

class Broken:
    def __init__(self): raise KeyError("hush")

class Leaving:
    def __init__(self): raise SystemExit(3)
"""
ENTRY_POINTS = """
[callspan.exporters]
Good-One = shipped_exporters:Good
half = shipped_exporters:Half
broken = shipped_exporters:Broken
leaving = shipped_exporters:Leaving
missing = shipped_exporters:Nothing
absent = module_that_is_not_there:Exporter
file = shipped_exporters:Good
"""


@pytest.fixture
def shipped(tmp_path, monkeypatch) -> Path:
    """A distribution that brings exporters, good and bad."""
    (tmp_path / "shipped_exporters.py").write_text(PLUGIN)
    metadata = tmp_path / "shipped-1.5.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: shipped\nVersion: 1.5\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("shipped_exporters", None)


def complaint(given: Any) -> str:
    with pytest.raises(ConfigurationError) as raised:
        make(given, "exporters[1]")
    return str(raised.value)


@pytest.mark.parametrize(("name", "kind"), [("otlp", OTLPExporter), ("http", HTTPExporter)])
def test_exporters_that_the_environment_tells_where_to(name, kind, monkeypatch):
    monkeypatch.setenv("CALLSPAN_HTTP_URL", "https://receiver.test/in")
    exporter = make(name)
    assert isinstance(exporter, kind)
    assert exporter.name == name


@pytest.mark.parametrize("name", ["memory", "Memory", " memory "])
def test_our_own_exporters_by_name(name):
    assert isinstance(make(name), MemoryExporter)


def test_the_default_file_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exporter = make("file")
    assert isinstance(exporter, FileExporter)
    assert exporter.path == tmp_path / ".callspan" / "spans.jsonl"


def test_an_object_is_taken_as_it_is_and_left_as_it_is():
    class Theirs:
        __slots__ = ()

        def export(self, batch: Any) -> Any: ...
        def close(self) -> None: ...

    theirs = Theirs()
    assert make(theirs) is theirs
    memory = MemoryExporter()
    assert make(memory) is memory


def test_another_distribution_may_bring_exporters(shipped):
    assert type(make("good-one")).__name__ == "Good"
    assert isinstance(make("file"), FileExporter)  # ours win


def test_a_name_that_nobody_has_is_not_repeated(shipped):
    known = "file, memory, otlp, http, console, otel, good-one, half, broken, leaving, missing, absent"
    told = f"exporters[1]: got str; no exporter has that name; use one of: {known}; or an exporter object"
    assert complaint("sk-hush") == told


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "half",
            "exporter 'half' of shipped 1.5: got Half; an exporter needs a method close(); see callspan.exporters",
        ),
        ("broken", "exporter 'broken': got KeyError; shipped_exporters:Broken of shipped 1.5 failed with KeyError; "),
        (
            "leaving",
            "exporter 'leaving': got SystemExit; shipped_exporters:Leaving of shipped 1.5 failed with SystemExit; ",
        ),
        ("missing", "exporter 'missing': got AttributeError; shipped_exporters:Nothing of shipped 1.5 failed with "),
        (
            "absent",
            "exporter 'absent': got ModuleNotFoundError; module_that_is_not_there:Exporter of shipped 1.5 failed ",
        ),
    ],
)
def test_a_bad_plug_in_is_named_with_its_distribution(shipped, name, told):
    assert complaint(name).startswith(told)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (None, "exporters[1]: got NoneType; an exporter needs a method export(); see callspan.exporters"),
        (42, "exporters[1]: got int; an exporter needs a method export(); see callspan.exporters"),
        (MemoryExporter, "exporters[1]: got type; make an instance of it: MemoryExporter(...)"),
    ],
)
def test_what_is_no_exporter_is_refused(given, told):
    assert complaint(given) == told


def test_an_entry_point_without_a_distribution(monkeypatch):
    from importlib.metadata import EntryPoint

    from callspan.exporters import registry

    entry = EntryPoint("lost", "callspan.nowhere:Exporter", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry])
    assert "of an unknown distribution failed with ModuleNotFoundError" in complaint("lost")
