from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys

import pytest

from callspan.errors import CallspanError, ReadError
from callspan.reading import files
from callspan.reading.load import LoadReport, load
from span_files import foreign, write, write_requests
from spans import finished


def names(path, report=None):
    return [record.name for record in load(path, report=report)]


def test_one_span_a_line(tmp_path):
    path = write(tmp_path / "spans.jsonl", [finished("chain", "one"), finished("chain", "two")])
    report = LoadReport()

    assert names(path, report) == ["one", "two"]
    assert names(str(path)) == ["one", "two"]
    assert (report.read, report.bad, report.first_bad) == (2, {}, [])


def test_bad_lines_are_counted_and_the_rest_is_read(tmp_path):
    path = write(tmp_path / "spans.jsonl", [finished("chain", "good")])
    good = path.read_bytes()
    path.write_bytes(
        b"\n".join(
            [
                good.rstrip(),
                b"not json",
                b"",
                b"   ",
                b'{"resourceLogs": []}',
                b"[" * 200_000,
                b"\xff\xfe\x00",
                json.dumps(foreign(traceId="")).encode(),
                good[:-40],
            ]
        )
    )
    report = LoadReport()

    assert names(path, report) == ["good"]
    assert report.read == 1
    assert report.bad == {
        "not JSON": 2,
        "OTLP metrics or logs, no spans": 1,
        "nested too deeply": 1,
        "span without valid IDs": 1,
        "cut off in the middle": 1,
    }
    assert report.first_bad[0] == (str(path), 2, "not JSON")
    assert report.first_bad[-1] == (str(path), 9, "cut off in the middle")


def test_only_the_first_ten_bad_places_are_kept(tmp_path):
    path = tmp_path / "spans.jsonl"
    path.write_bytes(b"bad\n" * 30)
    report = LoadReport()

    assert names(path, report) == []
    assert report.bad == {"not JSON": 30}
    assert [line for _, line, _ in report.first_bad] == list(range(1, 11))


def test_a_folder_with_rotated_and_packed_files(tmp_path):
    for name in (
        "b.jsonl",
        "a.jsonl",
        "a.jsonl.1",
        "a.jsonl.2",
        "c.json",
        "notes.txt",
        "d.jsonl.bak",
        "f.csv.card.json",
    ):
        write(tmp_path / name, [finished("chain", name)])
    packed = write(tmp_path / "e", [finished("chain", "a.jsonl.3.gz")])
    (tmp_path / "a.jsonl.3.gz").write_bytes(gzip.compress(packed.read_bytes()))
    (tmp_path / "folder.jsonl").mkdir()

    assert names(tmp_path) == ["a.jsonl.3.gz", "a.jsonl.2", "a.jsonl.1", "a.jsonl", "b.jsonl", "c.json"]


def test_gzip_is_known_by_its_first_bytes(tmp_path):
    path = write(tmp_path / "spans.jsonl", [finished("chain", "one")])
    path.write_bytes(gzip.compress(path.read_bytes()))

    assert names(path) == ["one"]


def test_a_damaged_gzip_gives_what_it_can(tmp_path):
    path = write(
        tmp_path / "spans.jsonl.gz", [finished("chain", f"{n}", input=os.urandom(900).hex()) for n in range(300)]
    )
    path.write_bytes(gzip.compress(path.read_bytes())[:-2000])
    report = LoadReport()

    read = names(path, report)

    assert 100 < len(read) < 300
    assert report.bad == {"damaged gzip": 1}


def test_a_document_over_many_lines(tmp_path):
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    one.write_text(json.dumps(foreign(name="pretty"), indent=2), encoding="utf-8")
    two.write_text("\ufeff" + json.dumps([foreign(name="a"), foreign(name="b")], indent=2), encoding="utf-8")
    report = LoadReport()

    assert names(tmp_path, report) == ["pretty", "a", "b"]
    assert report.bad == {}


def test_a_byte_order_mark_is_no_fault(tmp_path):
    path = write_requests(tmp_path / "spans.jsonl", foreign(name="one"))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())

    assert names(path) == ["one"]


def test_a_line_too_long_for_memory_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_LINE_BYTES", 2000)
    path = write_requests(
        tmp_path / "spans.jsonl", foreign(name="x" * 9000), foreign(name="next"), foreign(name="y" * 9000)
    )
    path.write_bytes(path.read_bytes().rstrip())
    report = LoadReport()

    assert names(path, report) == ["next"]
    assert report.bad == {"line too long": 2}
    assert [line for _, line, _ in report.first_bad] == [1, 3]


def test_a_dataset_beside_spans_is_counted_once_and_named(tmp_path):
    write(tmp_path / "a.jsonl", [finished("chain", "good")])
    dataset = tmp_path / "train.jsonl"
    dataset.write_text('{"messages": []}\n' * 30)
    mixed = write_requests(tmp_path / "z.jsonl", foreign(name="one"))
    mixed.write_bytes(b'{"messages": []}\n' * 2 + mixed.read_bytes() + b"[]\n")
    report = LoadReport()

    assert names(tmp_path, report) == ["good", "one"]
    assert report.bad == {"not a file of spans": 1, "not an OTLP trace request": 3}
    assert [place[:2] for place in report.first_bad] == [
        (str(dataset), 1),
        (str(mixed), 1),
        (str(mixed), 2),
        (str(mixed), 4),
    ]


def test_a_file_with_other_faults_is_counted_by_its_lines(tmp_path):
    path = tmp_path / "odd.jsonl"
    path.write_text("{}\n{}\nbroken\n")
    report = LoadReport()

    assert names(path, report) == []
    assert report.bad == {"not an OTLP trace request": 2, "not JSON": 1}


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(ReadError, match=r"nowhere\.jsonl") as raised:
        load(tmp_path / "nowhere.jsonl")

    assert isinstance(raised.value, CallspanError)
    assert isinstance(raised.value, OSError)
    assert raised.value.strerror == "No such file or directory"
    assert raised.value.filename == str(tmp_path / "nowhere.jsonl")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_path_is_named(tmp_path):
    path = write(tmp_path / "spans.jsonl", [])
    path.chmod(0)

    with pytest.raises(ReadError, match="Permission denied"):
        load(path)


def test_a_file_of_a_folder_that_cannot_be_opened_is_counted(tmp_path, monkeypatch):
    bad, good = write(tmp_path / "a.jsonl", []), write(tmp_path / "b.jsonl", [finished("chain", "good")])
    opened = files.open_unpacked

    def open_or_fail(file):
        if file == bad:
            raise PermissionError(13, "Permission denied")
        return opened(file)

    monkeypatch.setattr(files, "open_unpacked", open_or_fail)
    report = LoadReport()

    assert names(good.parent, report) == ["good"]
    assert report.bad == {"unreadable file: Permission denied": 1}


def test_an_empty_folder_has_no_spans(tmp_path):
    assert names(tmp_path) == []


def test_reading_starts_at_the_first_span_asked_for(tmp_path):
    path = write(tmp_path / "spans.jsonl", [finished("chain", "one"), finished("chain", "two")])
    report = LoadReport()
    records = load(path, report=report)

    assert next(records).name == "one"
    assert report.read == 1


def test_it_works_without_orjson(tmp_path):
    path = write(tmp_path / "spans.jsonl", [finished("chain", "one")])
    code = (
        "import sys; sys.modules['orjson'] = None\n"
        "from callspan.reading.load import load\n"
        f"print([record.name for record in load({str(path)!r})])"
    )

    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "['one']\n"
    )


def test_a_glob_finds_files_with_rotated_ones_first(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "spans.jsonl", [finished("chain", f"{folder} new")])
    write(tmp_path / "a" / "spans.jsonl.1", [finished("chain", "a old")])

    assert names(tmp_path / "*" / "spans.jsonl*") == ["a old", "a new", "b new"]
    assert names(f"{tmp_path}/**/*.1") == ["a old"]
    assert names(tmp_path / "c" / "*.jsonl") == []


def test_a_file_whose_name_looks_like_a_glob_is_itself(tmp_path):
    assert names(write(tmp_path / "spans[1].jsonl", [finished("chain", "one")])) == ["one"]
