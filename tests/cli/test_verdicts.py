from pathlib import Path

import pytest

import callspan
from callspan.cli.verdicts import Part, Places, Recording, start_recording, stop_recording
from callspan.errors import CallspanError
from callspan.evaluation.running import Result
from callspan.evaluation.scores import Score
from callspan.exporters import MemoryExporter
from judged_records import chat


def test_places(tmp_path):
    file, folder = tmp_path / "traces.jsonl", tmp_path / "traces"
    file.touch()
    folder.mkdir()
    assert Places.beside(file, None) == Places(
        tmp_path / "traces.evaluations.jsonl", tmp_path / "judges" / "traces.jsonl"
    )
    assert Places.beside(folder, None) == Places(folder / "evaluations.jsonl", folder / "judges" / "spans.jsonl")
    out = tmp_path / "out" / "v.jsonl"
    assert Places.beside(folder, out) == Places(out, tmp_path / "out" / "judges" / "spans.jsonl")
    with pytest.raises(CallspanError, match="say where verdicts go with --output FILE"):
        Places.beside(Path("traces/*.jsonl"), None)


def test_parts_of_the_spans_go_to_each_exporter_and_all_are_counted():
    tools, others = MemoryExporter(name="tools"), MemoryExporter(name="others")
    start_recording(
        None,
        [Part(tools, lambda span: span.kind == "tool"), Part(others, lambda span: span.kind != "tool")],
    )
    with callspan.span("a", kind="tool"), callspan.span("b", kind="chain"):
        pass
    assert stop_recording() == []
    assert ([one.name for one in tools.spans], [one.name for one in others.spans]) == (["a"], ["b"])
    assert [told["delivered"] for told in callspan.stats().values()] == [2, 2]


def test_what_is_not_delivered_is_said():
    class Refusing:
        name, local = "refusing", True

        def export(self, batch):
            raise OSError("the disk is full")

        def close(self):
            """Nothing to close."""

    start_recording(None, [Refusing()])
    Recording((), ()).take(Result(chat("q", "a"), Score("good", 1.0)))
    assert stop_recording() == ["refusing: 1 not delivered"]


def test_switched_off_nothing_can_be_recorded(monkeypatch):
    monkeypatch.setenv("CALLSPAN_DISABLED", "true")
    with pytest.raises(CallspanError, match="CALLSPAN_DISABLED"):
        start_recording(None, ["memory"])
