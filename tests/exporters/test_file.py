from __future__ import annotations

import errno
import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest

from callspan import environment
from callspan.errors import ConfigurationError
from callspan.exporters import FileExporter, file
from callspan.exporters.contract import Batch, ExportResult
from callspan.exporters.file import default_exporter
from callspan.guard import guard
from callspan.model.resource import describe
from spans import FIXED, finished


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    monkeypatch.setattr(environment, "_warned", set())


def batch(*spans: Any, resource: Any = None) -> Batch:
    return Batch(spans, resource or describe("shop"))


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def names(path: Path) -> list[str]:
    return [line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] for line in lines(path)]


# -- what stands in the file -------------------------------------------------------------------------------------------


def test_each_span_is_a_whole_request_on_a_line_of_its_own(tmp_path):
    exporter = FileExporter(tmp_path / "spans.jsonl")
    assert not exporter.path.exists()
    assert exporter.export(batch(*FIXED.values())) == ExportResult(delivered=9)
    exporter.close()
    first = lines(exporter.path)[0]["resourceSpans"][0]
    assert {"key": "service.name", "value": {"stringValue": "shop"}} in first["resource"]["attributes"]
    assert first["scopeSpans"][0]["spans"][0]["traceId"] == "5b8aa5a2d2c872e8321cf37308d69df2"
    assert len(names(exporter.path)) == 9


def test_the_resource_of_the_batch_is_the_one_that_is_written(tmp_path):
    exporter = FileExporter(tmp_path / "spans.jsonl")
    shop, bank = describe("shop"), describe("bank")
    for resource in (shop, shop, bank):
        exporter.export(batch(finished(), resource=resource))
    exporter.close()
    written = [
        line["resourceSpans"][0]["resource"]["attributes"][0]["value"]["stringValue"] for line in lines(exporter.path)
    ]
    assert written == ["shop", "shop", "bank"]


def test_dialects_are_chosen_by_name(tmp_path):
    exporter = FileExporter(tmp_path / "spans.jsonl", dialects="openinference")
    exporter.export(batch(FIXED["llm"]))
    exporter.close()
    assert '"llm.model_name"' in exporter.path.read_text()


def test_a_file_that_was_closed_is_opened_again(tmp_path):
    exporter = FileExporter(tmp_path / "spans.jsonl")
    exporter.close()
    for name in "ab":
        exporter.export(batch(finished(name=name)))
        exporter.close()
    assert names(exporter.path) == ["a", "b"]


def test_an_empty_batch_writes_nothing(tmp_path):
    exporter = FileExporter(tmp_path / "spans.jsonl")
    assert exporter.export(batch()) == ExportResult()
    assert not exporter.path.exists()


def test_large_batches_are_written_in_pieces_and_none_is_split(tmp_path, monkeypatch):
    sizes = []
    exporter = FileExporter(tmp_path / "spans.jsonl")
    append = exporter._file.append

    def measured(data: bytes) -> Any:
        sizes.append(len(data))
        return append(data)

    monkeypatch.setattr(exporter._file, "append", measured)
    spans = [finished(name=str(number), input="x" * 200_000) for number in range(12)]
    spans.insert(3, finished(name="large", input="y" * 3_000_000))
    assert exporter.export(batch(*spans)) == ExportResult(delivered=13)
    exporter.close()
    assert len(sizes) == 4
    assert sorted(sizes)[-2] <= 1_048_576
    assert names(exporter.path) == ["0", "1", "2", "large", *map(str, range(3, 12))]


def test_a_span_that_cannot_be_written_costs_no_other(tmp_path):
    guard.strict = False
    bad = finished(name="bad")
    bad.facts = object()
    exporter = FileExporter(tmp_path / "spans.jsonl")
    result = exporter.export(batch(finished(name="a"), bad, finished(name="b")))
    exporter.close()
    assert result == ExportResult(delivered=2, rejected=1, reason="a span cannot be written as JSON")
    assert names(exporter.path) == ["a", "b"]
    assert guard.counts["writing a span as JSON"] == 1


def test_rotation_keeps_every_span_in_some_file(tmp_path):
    exporter = FileExporter(tmp_path / "spans.jsonl", max_bytes=2000, backups=100)
    for number in range(30):
        exporter.export(batch(finished(name=str(number))))
    exporter.close()
    files = sorted(tmp_path.iterdir(), key=lambda path: -int(path.suffix[1:]) if path.suffix != ".jsonl" else 0)
    assert len(files) > 5
    assert [name for path in files for name in names(path)] == [str(number) for number in range(30)]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)


# -- what the disk does not take ---------------------------------------------------------------------------------------


def test_what_the_disk_does_not_take_is_not_delivered(tmp_path, monkeypatch):
    exporter = FileExporter(tmp_path / "spans.jsonl")
    spans = [finished(name=str(number)) for number in range(5)]
    line = len((exporter.export(batch(spans[0])), exporter.path.read_bytes())[1])

    def two_and_a_half(data: bytes) -> tuple[int, OSError]:
        return 2 * line, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(exporter._file, "append", two_and_a_half)
        assert exporter.export(batch(*spans)) == ExportResult(delivered=2, reason="No space left on device")
    assert exporter.export(batch(*spans)) == ExportResult(delivered=5)
    exporter.close()


def test_an_error_without_a_number_is_told_by_its_text(tmp_path, monkeypatch):
    exporter = FileExporter(tmp_path / "spans.jsonl")
    monkeypatch.setattr(exporter._file, "append", lambda _: (0, OSError("it keeps being moved away")))
    assert exporter.export(batch(finished())) == ExportResult(reason="it keeps being moved away")


def test_a_folder_in_its_place_is_told(tmp_path):
    exporter = FileExporter(tmp_path / "spans.jsonl")
    (tmp_path / "spans.jsonl").mkdir()
    assert exporter.export(batch(finished())) == ExportResult(reason="Is a directory")


# -- arguments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"path": 3}, "path: got int; give the path of a file"),
        ({"path": b"spans.jsonl"}, "path: got bytes; give the path of a file"),
        ({"path": ""}, "path: got str; give the path of a file"),
        ({"max_bytes": -1}, "max_bytes: got int; give a whole number from 0"),
        ({"max_bytes": "1"}, "max_bytes: got str; give a whole number from 0"),
        ({"max_bytes": 1.5}, "max_bytes: got float; give a whole number from 0"),
        ({"max_bytes": True}, "max_bytes: got bool; give a whole number from 0"),
        ({"backups": -1}, "backups: got int; give a whole number from 0 to 1000"),
        ({"backups": 10**9}, "backups: got int; give a whole number from 0 to 1000"),
        ({"backups": None}, "backups: got NoneType; give a whole number from 0 to 1000"),
        ({"name": ""}, "name: got str; give a string that is not empty"),
        ({"name": 7}, "name: got int; give a string that is not empty"),
        ({"dialects": "klingon"}, "dialects: got str; use one or several of: genai, genai-1.41, openinference"),
    ],
)
def test_bad_arguments_are_refused(tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError) as raised:
        FileExporter(**arguments)
    assert str(raised.value).startswith(told)
    assert not list(tmp_path.iterdir())


def test_an_unusable_path_object_is_refused():
    class Bytes(os.PathLike[bytes]):
        def __fspath__(self) -> bytes:
            return b"spans.jsonl"

    with pytest.raises(ConfigurationError, match="path: got Bytes; give the path of a file"):
        FileExporter(Bytes())


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ConfigurationError) as raised:
        FileExporter(tmp_path)
    assert str(tmp_path) in str(raised.value)


def test_where_processes_cannot_share_a_file_each_has_its_own(tmp_path, monkeypatch):
    """As on Windows."""
    monkeypatch.setattr(file, "IS_SHARED", False)
    exporter = FileExporter(tmp_path / "spans.jsonl")
    assert exporter.path == tmp_path / f"spans-{os.getpid()}.jsonl"


# -- the default -------------------------------------------------------------------------------------------------------


def test_the_default_file_is_below_the_working_directory_and_private(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exporter = default_exporter()
    assert list(tmp_path.iterdir()) == []
    exporter.export(batch(finished()))
    exporter.close()
    assert exporter.path == tmp_path / ".callspan" / "spans.jsonl"
    assert stat.S_IMODE((tmp_path / ".callspan").stat().st_mode) == 0o700
    assert stat.S_IMODE(exporter.path.stat().st_mode) == 0o600
    assert (tmp_path / ".callspan" / ".gitignore").read_text() == "*\n"
    assert capsys.readouterr().err == ""


@pytest.fixture
def unwritable(tmp_path, monkeypatch) -> Path:
    """A working directory where `.callspan` cannot be a folder, and a temporary folder of its own."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / ".callspan").write_text("not a folder")
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def test_without_a_writable_folder_it_goes_to_the_temporary_one_and_says_so_once(unwritable, capsys):
    exporters = [default_exporter(), default_exporter()]
    path = unwritable / f"callspan-{os.getuid()}" / "spans.jsonl"
    assert [exporter.path for exporter in exporters] == [path, path]
    told = f"callspan: {Path('.callspan') / 'spans.jsonl'} cannot be written here; spans go to {path}\n"
    assert capsys.readouterr().err == told
    exporters[0].export(batch(finished()))
    exporters[0].close()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_temporary_folder_that_somebody_prepared_is_not_used(unwritable):
    prepared = unwritable / f"callspan-{os.getuid()}"
    prepared.mkdir()
    prepared.chmod(0o777)
    exporter = default_exporter()
    assert exporter.path.parent != prepared
    assert exporter.path.parent.parent == unwritable
    assert stat.S_IMODE(exporter.path.parent.stat().st_mode) == 0o700


def test_where_there_are_no_users_the_folder_has_a_plain_name(unwritable, monkeypatch):
    monkeypatch.delattr(os, "getuid")
    assert default_exporter().path == unwritable / "callspan" / "spans.jsonl"


@pytest.mark.usefixtures("unwritable")
def test_without_any_folder_there_is_an_error(monkeypatch):
    def fail() -> str:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(tempfile, "gettempdir", fail)
    with pytest.raises(ConfigurationError, match=r"no folder can be written \(FileNotFoundError\)"):
        default_exporter()
