from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import resource
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from callspan.exporters import appending, paths
from callspan.exporters.appending import AppendedFile

LINE = b'{"n":1}\n'


def make(path: Path, max_bytes: int = 0, backups: int = 3) -> AppendedFile:
    return AppendedFile(path / "spans.jsonl", max_bytes, backups)


def text(folder: Path, name: str = "spans.jsonl") -> bytes:
    return (folder / name).read_bytes()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(appending, "_WAIT_S", 0.05)


@contextmanager
def small_files():
    """Let no file of this process grow beyond 100 bytes; no longer than needed, since pytest's output may be one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_lines_are_appended_and_the_file_opened_with_the_first(tmp_path):
    file = make(tmp_path)
    assert not list(tmp_path.iterdir())
    assert file.append(LINE) == (8, None)
    assert file.append(LINE * 2) == (16, None)
    assert text(tmp_path) == LINE * 3
    file.close()
    file.close()
    assert file.append(LINE) == (8, None)
    assert text(tmp_path) == LINE * 4
    file.close()


# -- a disk that does not take everything ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", range(85, 108))
def test_a_short_write_is_taken_back_to_the_end_of_a_line(tmp_path, size):
    file = make(tmp_path)
    with small_files():
        file.append(b"x" * (size - 1 - 16) + b"\n")
        taken, error = file.append(LINE * 5)
    whole = max(100 - (size - 16), 0) // 8 * 8
    assert taken == min(whole, 40)
    assert (error is None) == (taken == 40)
    if error is not None:
        assert error.errno == errno.EFBIG
    assert text(tmp_path) == b"x" * (size - 1 - 16) + b"\n" + LINE * (taken // 8)
    file.close()


def test_a_disk_that_is_full_at_once_leaves_nothing_behind(tmp_path):
    file = make(tmp_path)
    with small_files():
        taken, error = file.append(b"x" * 200 + b"\n")
    assert (taken, error.errno) == (0, errno.EFBIG)
    assert text(tmp_path) == b""
    assert file.append(LINE) == (8, None)
    file.close()


def test_what_somebody_else_truncated_meanwhile_is_not_filled_up_with_zeros(tmp_path, monkeypatch):
    file = make(tmp_path)
    file.append(LINE * 3)
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        if len(data) == len(LINE):
            os.truncate(tmp_path / "spans.jsonl", 0)
            return real(descriptor, data[:3])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", write)
    taken, error = file.append(LINE)
    assert (taken, error.errno) == (0, errno.ENOSPC)
    assert text(tmp_path) == LINE[:3]
    monkeypatch.undo()
    file.append(LINE)
    assert text(tmp_path) == LINE[:3] + b"\n" + LINE
    file.close()


def test_a_write_of_nothing_is_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "write", lambda *_: 0)
    file = make(tmp_path)
    taken, error = file.append(LINE)
    assert (taken, error.errno) == (0, errno.ENOSPC)
    file.close()


def test_a_half_line_of_somebody_who_was_killed_spoils_no_other(tmp_path):
    (tmp_path / "spans.jsonl").write_bytes(LINE + b'{"n":')
    file = make(tmp_path)
    assert file.append(LINE) == (8, None)
    assert text(tmp_path) == LINE + b'{"n":\n' + LINE
    file.close()


def test_a_half_line_before_a_full_disk(tmp_path):
    (tmp_path / "spans.jsonl").write_bytes(b"x" * 90)
    file = make(tmp_path)
    with small_files():
        taken, error = file.append(LINE * 2)
    assert (taken, error.errno) == (8, errno.EFBIG)
    assert text(tmp_path) == b"x" * 90 + b"\n" + LINE
    file.close()


def test_an_error_while_opening_is_told_and_forgotten(tmp_path, monkeypatch):
    file = make(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EMFILE, "Too many open files")))
        taken, error = file.append(LINE)
    assert (taken, error.errno) == (0, errno.EMFILE)
    assert file.append(LINE) == (8, None)
    file.close()


# -- others who touch the file -----------------------------------------------------------------------------------------


def test_a_file_that_was_moved_or_deleted_is_left(tmp_path):
    file = make(tmp_path)
    file.append(LINE)
    (tmp_path / "spans.jsonl").rename(tmp_path / "moved")
    file.append(LINE * 2)
    (tmp_path / "spans.jsonl").unlink()
    file.append(LINE * 3)
    assert text(tmp_path, "moved") == LINE
    assert text(tmp_path) == LINE * 3
    file.close()


def test_a_file_that_was_copied_and_truncated_is_written_from_its_start(tmp_path):
    file = make(tmp_path)
    file.append(LINE * 3)
    os.truncate(tmp_path / "spans.jsonl", 0)
    file.append(LINE)
    assert text(tmp_path) == LINE
    file.close()


def test_a_folder_that_was_deleted_is_made_again(tmp_path):
    file = AppendedFile(tmp_path / "a" / "spans.jsonl", 0, 3)
    file.append(LINE)
    (tmp_path / "a" / "spans.jsonl").unlink()
    (tmp_path / "a").rmdir()
    assert file.append(LINE) == (8, None)
    assert text(tmp_path / "a") == LINE
    file.close()


def test_a_link_in_its_place_is_not_followed(tmp_path):
    (tmp_path / "victim").write_bytes(b"precious\n")
    file = make(tmp_path)
    file.append(LINE)
    (tmp_path / "spans.jsonl").unlink()
    (tmp_path / "spans.jsonl").symlink_to(tmp_path / "victim")
    taken, error = file.append(LINE)
    assert (taken, error.errno) == (0, errno.ELOOP)
    assert text(tmp_path, "victim") == b"precious\n"
    file.close()


def test_a_program_that_closed_all_files_keeps_those_it_opened_since(tmp_path):
    """As one that becomes a daemon does: our number may mean another file by now."""
    file = make(tmp_path)
    file.append(LINE)
    number = file._descriptor
    opened = os.open(tmp_path / "theirs", os.O_RDWR | os.O_CREAT)
    theirs = os.dup2(opened, number)
    os.close(opened)
    fcntl.flock(theirs, fcntl.LOCK_EX)
    file.append(LINE)
    file.close()
    os.write(theirs, b"still open")
    assert text(tmp_path, "theirs") == b"still open"
    other = os.open(tmp_path / "theirs", os.O_RDWR)
    with pytest.raises(BlockingIOError):  # and still locked
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)
    os.close(theirs)
    assert text(tmp_path) == LINE * 2


def test_a_file_that_was_only_closed_is_opened_again(tmp_path):
    file = make(tmp_path)
    file.append(LINE)
    os.close(file._descriptor)
    assert file.append(LINE) == (8, None)
    os.close(file._descriptor)
    file.close()
    assert text(tmp_path) == LINE * 2


# -- locks -------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("impatient")
def test_a_process_that_keeps_the_lock_is_waited_for_but_not_for_ever(tmp_path):
    file = make(tmp_path)
    file.append(LINE)
    other = os.open(tmp_path / "spans.jsonl", os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
    taken, error = file.append(LINE)
    assert (taken, error.errno, error.strerror) == (0, errno.EBUSY, "another process keeps it locked")
    os.close(other)
    assert file.append(LINE) == (8, None)
    file.close()


def test_a_lock_that_is_let_go_in_time_is_enough(tmp_path):
    file = make(tmp_path)
    file.append(LINE)
    other = os.open(tmp_path / "spans.jsonl", os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
    threading.Timer(0.05, os.close, (other,)).start()
    assert file.append(LINE) == (8, None)
    file.close()


@pytest.mark.usefixtures("impatient")
def test_a_thread_that_keeps_it_busy_is_not_waited_for_for_ever(tmp_path):
    file = make(tmp_path)
    with file._turn:
        taken, error = file.append(LINE)
        file.close()
    assert (taken, error.errno, error.strerror) == (0, errno.EBUSY, "another thread keeps it busy")
    assert file.append(LINE) == (8, None)
    file.close()


def test_a_file_system_without_locks_is_written_all_the_same(tmp_path, monkeypatch):
    def fail(*_) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    file = make(tmp_path)
    assert file.append(LINE) == (8, None)
    file.close()


def test_two_threads_share_it(tmp_path):
    file = make(tmp_path)
    threads = [threading.Thread(target=lambda: [file.append(LINE) for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    file.close()  # as an old pipeline does, while a new one writes
    for thread in threads:
        thread.join()
    file.close()
    assert text(tmp_path) == LINE * 800


def test_a_child_does_not_share_its_parents_lock(tmp_path):
    file = make(tmp_path)
    file.append(LINE)
    with file._turn:
        fcntl.flock(file._descriptor, fcntl.LOCK_EX)
        process_id = os.fork()
        if not process_id:
            signal.alarm(5)
            appending._WAIT_S = 0.05
            _, error = file.append(LINE)
            os._exit(0 if error is not None and error.errno == errno.EBUSY else 1)
        assert os.waitpid(process_id, 0)[1] == 0
        fcntl.flock(file._descriptor, fcntl.LOCK_UN)
    file.close()


# -- rotation ----------------------------------------------------------------------------------------------------------


def test_a_full_file_is_rotated_before_a_line_is_split(tmp_path):
    file = make(tmp_path, max_bytes=20, backups=2)
    for _ in range(7):
        assert file.append(LINE) == (8, None)
    file.close()
    names = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert names == {"spans.jsonl": 8, "spans.jsonl.1": 16, "spans.jsonl.2": 16}


def test_a_line_longer_than_the_limit_gets_a_file_of_its_own(tmp_path):
    file = make(tmp_path, max_bytes=20)
    for data in (b"x" * 50 + b"\n", LINE, b"y" * 50 + b"\n"):
        file.append(data)
    file.close()
    assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == {
        "spans.jsonl": 51,
        "spans.jsonl.1": 8,
        "spans.jsonl.2": 51,
    }


def test_a_rotation_that_fails_is_told(tmp_path):
    (tmp_path / "spans.jsonl.1").mkdir()
    file = make(tmp_path, max_bytes=10, backups=1)
    file.append(LINE)
    taken, error = file.append(LINE)
    assert (taken, error.errno) == (0, errno.EISDIR)
    other = os.open(tmp_path / "spans.jsonl", os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the lock was let go
    os.close(other)
    file.close()


def test_a_file_that_keeps_being_moved_away_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(appending, "is_at", lambda *_: False)
    monkeypatch.setattr(appending, "_ATTEMPTS", 5)
    taken, error = make(tmp_path).append(LINE)
    assert (taken, str(error)) == (0, "the file keeps being moved away")


def test_where_processes_cannot_share_it_is_closed_before_it_is_renamed(tmp_path, monkeypatch):
    """As on Windows."""
    monkeypatch.setattr(appending, "fcntl", None)
    monkeypatch.setattr(appending, "IS_SHARED", False)
    monkeypatch.delattr(os, "pread")
    file = make(tmp_path, max_bytes=10, backups=1)
    real = appending.rotate
    open_when_renamed = []

    def rotate(path: Path, backups: int) -> None:
        open_when_renamed.append(file._descriptor is not None)
        real(path, backups)

    monkeypatch.setattr(appending, "rotate", rotate)
    for _ in range(3):
        assert file.append(LINE) == (8, None)
    file.close()
    assert open_when_renamed == [False, False]
    assert (text(tmp_path), text(tmp_path, "spans.jsonl.1")) == (LINE, LINE)


def _append_many(folder: str, number: int, count: int, max_bytes: int) -> None:
    file = AppendedFile(Path(folder) / "spans.jsonl", max_bytes, 1000)
    for index in range(count):
        size = 10 + (index * 7919) % 3000
        taken, error = file.append(f"{number} {index} {'x' * size}\n".encode())
        assert error is None, error
        assert taken
    file.close()


@pytest.mark.parametrize("max_bytes", [0, 20_000])
def test_several_processes_lose_no_line(tmp_path, max_bytes):
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=_append_many, args=(str(tmp_path), number, 100, max_bytes)) for number in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    lines = [line.split() for path in tmp_path.iterdir() for line in path.read_text().splitlines()]
    assert sorted((int(number), int(index)) for number, index, _ in lines) == [
        (n, i) for n in range(3) for i in range(100)
    ]
    assert all(len(filler) == 10 + (int(index) * 7919) % 3000 for _, index, filler in lines)
    assert (len(list(tmp_path.iterdir())) > 10) == bool(max_bytes)


def test_a_fork_while_another_thread_writes(tmp_path):
    file = make(tmp_path)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            file.append(LINE)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(20):
            process_id = os.fork()
            if not process_id:
                signal.alarm(10)
                _, error = file.append(b"child\n")
                os._exit(1 if error is not None else 0)
            assert os.waitpid(process_id, 0)[1] == 0
            time.sleep(0.002)
    finally:
        stop.set()
        thread.join()
    file.close()
    lines = text(tmp_path).splitlines()
    assert lines.count(b"child") == 20
    assert set(lines) == {b"child", LINE.strip()}


def test_paths_are_opened_with_flags_that_this_system_has():
    assert paths._FLAGS & os.O_APPEND
    assert paths._FLAGS & os.O_NOFOLLOW
