from __future__ import annotations

import os
import stat
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callspan.encoding.stored import head, pack
from callspan.model.resource import Resource
from callspan.pipeline.spool.folders import Folder
from callspan.pipeline.spool.locks import is_folder
from callspan.pipeline.spool.segments import find_line, read_lines
from spans import finished

RESOURCE = Resource({"service.name": "test"})
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="locks and modes of POSIX")


def lines(*names: str) -> list[bytes]:
    return [pack(finished("tool", name)) for name in names]


def append(to: Folder, *names: str) -> None:
    assert to.append(lines(*names), RESOURCE, syncs=False) == (len(names), None)


def numbers(of: Folder) -> list[tuple[str, int, int]]:
    return [(segment.path.name, segment.first, segment.count) for segment in of.segments]


def again(folder: Folder) -> Folder:
    """Take a folder over, as the next process does."""
    folder.let_go()
    taken = Folder.take_over(folder.path)
    assert taken is not None
    assert list(taken.survey()) == []
    return taken


def test_new_folders_are_made_whatever_takes_them_for_those_of_the_dead(tmp_path):
    is_over = threading.Event()
    told: list[OSError] = []

    def adopt() -> None:
        while not is_over.is_set():
            for path in tmp_path.iterdir():
                try:
                    taken = Folder.take_over(path)
                except OSError as error:
                    told.append(error)
                else:
                    if taken is not None:
                        taken.remove()

    adopters = [threading.Thread(target=adopt) for _ in range(3)]
    for adopter in adopters:
        adopter.start()
    try:
        made = [Folder.make(tmp_path) for _ in range(300)]
    finally:
        is_over.set()
        for adopter in adopters:
            adopter.join()
    assert told == []
    assert len({folder.path for folder in made}) == 300
    for folder in made:
        append(folder, "one")
        folder.let_go()


def test_spans_are_numbered_through_all_files(tmp_path):
    made = Folder.make(tmp_path)
    append(made, "a", "b")
    made.seal()
    append(made, "c")
    append(made, "d")
    assert numbers(made) == [("00000001.spool", 0, 2), ("00000002.spool", 2, 2)]
    assert made.next == 4
    assert [made.left(start, 4) for start in range(6)] == [4, 3, 2, 1, 0, 0]
    assert [made.left(1, end) for end in range(6)] == [0, 0, 1, 2, 3, 3]
    assert [segment and segment.number for segment in map(made.at, range(5))] == [1, 1, 2, 2, None]
    assert numbers(again(made)) == [("00000001.spool", 0, 2), ("00000002.spool", 2, 2)]


def test_lines_are_found_and_read_from_anywhere(tmp_path):
    made = Folder.make(tmp_path)
    append(made, "a", "b", "c")
    (segment,) = made.segments
    whole = [line.rstrip(b"\n") for line in lines("a", "b", "c")]
    for number in range(3):
        start = find_line(segment, number)
        assert read_lines(segment, start, 1_000_000) == whole[number:]
        assert read_lines(segment, start, 1)[0] == whole[number]
    assert read_lines(segment, find_line(segment, 3), 1_000_000) == []


def test_files_that_go_take_their_numbers_along(tmp_path):
    made = Folder.make(tmp_path)
    append(made, "a", "b")
    made.drop(made.segments[0])
    append(made, "c")
    assert numbers(made) == [("00000001.spool", 2, 1)]
    assert made.left(0, 9) == 1
    assert made.at(0) is made.segments[0]


def test_a_file_that_somebody_wrote_to_is_left_for_a_new_one(tmp_path):
    made = Folder.make(tmp_path)
    append(made, "a")
    with made.segments[0].path.open("ab") as file:
        file.write(b"graffiti\n")
    taken, error = made.append(lines("b"), RESOURCE, syncs=False)
    assert (taken, error.strerror) == (0, "somebody else has written to a file of the spool")
    append(made, "b")
    assert numbers(made) == [("00000001.spool", 0, 1), ("00000002.spool", 1, 1)]


def test_a_file_that_was_made_longer_moves_the_others_on(tmp_path):
    made = Folder.make(tmp_path)
    append(made, "a")
    made.seal()
    append(made, "b")
    with made.segments[0].path.open("ab") as file:
        file.write(lines("x")[0] * 2)
    assert numbers(again(made)) == [("00000001.spool", 0, 3), ("00000002.spool", 3, 1)]


def test_what_cannot_be_read_is_named_with_its_lines(tmp_path):
    made = Folder.make(tmp_path)
    append(made, "a")
    made.let_go()
    (made.path / "00000002.spool").write_bytes(b"\0" * 3_000_000)
    (made.path / "00000003.spool").write_bytes(b"1\n2\n3\n")
    (made.path / "00000004.spool").touch()
    (made.path / "00000005.spool").mkdir()
    (made.path / "00000006.spool").write_bytes(head(RESOURCE, 5))
    (made.path / "first.spool").write_bytes(head(RESOURCE, 5) + lines("a")[0])
    taken = Folder.take_over(made.path)
    assert taken is not None
    odd = {path.name: count for path, count in taken.survey()}
    assert odd == {"00000002.spool": 1, "00000003.spool": 2, "00000005.spool": 1, "first.spool": 1}
    assert numbers(taken) == [("00000001.spool", 0, 1)]


# -- who owns it -------------------------------------------------------------------------------------------------------


def test_a_folder_has_one_owner_at_a_time(tmp_path):
    made = Folder.make(tmp_path)
    assert Folder.take_over(made.path) is None
    made.let_go()
    second = Folder.take_over(made.path)
    assert second is not None
    assert Folder.take_over(made.path) is None
    second.remove()
    assert not made.path.exists()
    assert Folder.take_over(made.path) is None


def test_a_folder_that_holds_something_else_is_not_deleted(tmp_path):
    made = Folder.make(tmp_path)
    (made.path / "notes.txt").write_text("mine")
    made.remove()
    assert (made.path / "notes.txt").read_text() == "mine"


def test_a_folder_that_still_has_spans_is_not_deleted(tmp_path):
    made = Folder.make(tmp_path)
    append(made, "a")
    made.remove()
    assert (made.path / "00000001.spool").exists()


def test_everything_is_private(tmp_path):
    before = os.umask(0)
    try:
        made = Folder.make(tmp_path / "spool")
        append(made, "a")
        made.acknowledge("otlp", 1)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in made.path.iterdir()}
    assert modes == {"00000001.spool": 0o600, "lock": 0o600, "otlp.done": 0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (made.path, made.path.parent)} == {0o700}


@pytest.mark.parametrize(
    "name", ["spool", "0123456789ABCDEF", "0123456789abcde", "quarantine", "..", "0123456789abcdefg"]
)
def test_only_folders_with_names_like_ours_are_looked_at(tmp_path, name):
    (tmp_path / name).mkdir(exist_ok=True)
    (tmp_path / "0123456789abcdef").mkdir()
    (tmp_path / "fedcba9876543210").symlink_to(tmp_path)
    (tmp_path / "1123456789abcdef").touch()
    with os.scandir(tmp_path) as entries:
        assert [entry.name for entry in entries if is_folder(entry)] == ["0123456789abcdef"]


# -- positions ---------------------------------------------------------------------------------------------------------


def test_positions_are_kept_by_exporter(tmp_path):
    made = Folder.make(tmp_path)
    made.acknowledge("otlp", 7)
    made.acknowledge("http", 123_456_789)
    made.acknowledge("otlp", 8)
    assert [made.acknowledged(name) for name in ("otlp", "http", "other")] == [8, 123_456_789, 0]
    made.let_go()
    made.acknowledge("otlp", 9)  # too late: the folder may be somebody else's
    assert made.acknowledged("otlp") == 8


@pytest.mark.parametrize(
    "content", [b"", b"00000000000000000007", b"00000000000000000007 00000000\n", b"\0" * 30, b"x" * 99]
)
def test_a_position_that_cannot_be_read_is_the_beginning(tmp_path, content):
    made = Folder.make(tmp_path)
    made.acknowledge("otlp", 7)
    (made.path / "otlp.done").write_bytes(content)
    assert made.acknowledged("otlp") == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(
    names=st.lists(
        st.text(max_size=300) | st.sampled_from(["../x", "a/b", "~", "\0", "n\nn", "é", "otlp", "otlp-2"]),
        unique=True,
        max_size=4,
    )
)
def test_e5_whatever_an_exporter_is_called_its_position_stays_in_the_folder(tmp_path, names):
    made = Folder.make(tmp_path / "spool")
    try:
        for number, name in enumerate(names):
            made.acknowledge(name, number + 1)
        assert [made.acknowledged(name) for name in names] == list(range(1, len(names) + 1))
        assert {path.parent for path in tmp_path.rglob("*.done")} <= {made.path}
        assert sorted(path.name for path in tmp_path.iterdir()) == ["spool"]
        assert all(len(path.name) < 100 for path in Path(made.path).iterdir())
    finally:
        made.remove()
