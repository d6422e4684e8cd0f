"""E1, E3, E4, E6, E7 and E8: what disks, permissions, links and other processes do to the file."""

from __future__ import annotations

import functools
import json
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from programs import finish, run, span_ids, span_names, start, times

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform == "win32", reason="disks, permissions and links of POSIX"),
]


@functools.cache
def namespace() -> list[str]:
    """Return the command that gives a program mounts of its own; empty where that is not allowed."""
    for command in (["unshare", "-m"], ["unshare", "-Urm"]):
        try:
            tried = subprocess.run(
                [*command, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, timeout=20, check=False
            )
        except OSError:
            continue
        if tried.returncode == 0:
            return command
    return []


def with_mount(folder: Path, options: str) -> list[str]:
    """Return the command below which `folder` is a file system of its own."""
    if not namespace():
        pytest.skip("mounts are not allowed here")
    mount = f'mount -t tmpfs -o {options} tmpfs "{folder}" && exec "$@"'
    return [*namespace(), "sh", "-c", mount, "sh"]


# -- E1: the disk is full ----------------------------------------------------------------------------------------------

FULL_DISK = """
    import json, os, sys
    from programs import report, span_names
    from pathlib import Path
    import callspan
    from callspan.exporters import FileExporter
    disk = Path("disk")
    filler, path = disk / "filler", disk / "spans.jsonl"

    def make(count, size):
        for number in range(count):
            with callspan.span(str(number), input="x" * size):
                pass
        callspan.flush(20)

    for pages in range(0, 256, int(sys.argv[1])):
        callspan.configure(exporters=[FileExporter(path)], service_name=str(pages))
        filler.write_bytes(b"x" * 4096 * (255 - pages))
        make(200, 1000 + 37 * pages)
        stats = callspan.stats()["file"]
        names = span_names(path) if path.exists() else []  # fails for a half line
        assert len(names) == stats["delivered"], (pages, len(names), stats)
        if stats["dropped"]:
            assert set(stats["dropped"]) == {"No space left on device"}, stats
            assert not callspan.flush() or True
        filler.unlink()
        before = stats["delivered"]
        make(3, 100)
        assert callspan.stats()["file"]["delivered"] == before + 3, "it does not go on when there is space again"
        report()
        callspan.shutdown()
        path.unlink()
"""


def test_e1_a_full_disk_takes_whole_lines_or_none_and_is_used_again(tmp_path):
    (tmp_path / "disk").mkdir()
    command = with_mount(tmp_path / "disk", "size=1m")
    ended = run(FULL_DISK, tmp_path, str(times(23, 1)), command=command, timeout_s=120)
    full = [stats for stats in ended.reports if stats["file"]["dropped"]]
    assert len(full) > len(ended.reports) // 4
    assert "spans dropped" not in ended.err


@pytest.mark.parametrize("limit", [1, 4096, 99_991, 300_007])
def test_e1_a_limit_on_file_sizes_cuts_no_line(tmp_path, limit):
    program = """
        import resource, sys
        from programs import report
        import callspan
        from callspan.exporters import FileExporter
        callspan.configure(exporters=[FileExporter("spans.jsonl")])
        with callspan.span("warm up"):
            pass
        assert callspan.flush()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), hard))
        for number in range(200):
            with callspan.span(str(number), input="x" * 3000):
                pass
        result = callspan.flush()
        assert not result and result.errors == ["file: File too large"], result
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        with callspan.span("again"):
            pass
        assert callspan.flush()
        report()
    """
    ended = run(program, tmp_path, str(limit))
    names = span_names(tmp_path / "spans.jsonl")
    stats = ended.stats["file"]
    assert stats["delivered"] == len(names)
    assert stats["dropped"] == {"File too large": 202 - len(names)}
    assert (names[0], names[-1]) == ("warm up", "again")


# -- E3: places where no file can be -----------------------------------------------------------------------------------


def test_e3_permissions_are_checked_when_configured_and_counted_when_they_change(open_folder):
    program = """
        import os, stat
        from pathlib import Path
        from programs import become_nobody, report
        import callspan
        from callspan.errors import ConfigurationError
        from callspan.exporters import FileExporter
        become_nobody()
        here = Path.cwd()
        (here / "closed").mkdir(mode=0o500)
        (here / "secret").touch(mode=0o000)
        (here / "readable").touch(mode=0o400)
        (here / "unreachable").mkdir(mode=0o000)
        expected = {
            "closed/spans.jsonl": "cannot be written; choose another folder or change its permissions",
            "closed/below/spans.jsonl": "cannot be written; choose another folder or change its permissions",
            "secret": "cannot be read and written; change its permissions",
            "readable": "cannot be read and written; change its permissions",
            "unreachable/spans.jsonl": "cannot be used (PermissionError)",
            "/proc/version": "cannot",
        }
        for path, fix in expected.items():
            try:
                FileExporter(path)
            except ConfigurationError as error:
                assert fix in str(error) or "belongs to another user" in str(error), (path, str(error))
                assert path.split("/")[0] in str(error) or path in str(error)
            else:
                raise AssertionError(path)

        (here / "changing").mkdir()
        callspan.configure(exporters=[FileExporter("changing/spans.jsonl")])
        (here / "changing").chmod(0o500)
        with callspan.span("lost"):
            pass
        result = callspan.flush()
        assert not result and result.errors == ["file: Permission denied"], result
        (here / "changing").chmod(0o700)
        with callspan.span("kept"):
            pass
        assert callspan.flush()
        report()
    """
    ended = run(program, open_folder)
    assert ended.stats["file"]["dropped"] == {"Permission denied": 1}
    assert span_names(open_folder / "changing" / "spans.jsonl") == ["kept"]


def test_e3_a_working_directory_that_cannot_be_written_is_no_obstacle(open_folder):
    program = """
        import os
        from programs import become_nobody, report
        import callspan
        become_nobody()
        os.mkdir("closed", mode=0o500)
        os.chdir("closed")
        for _ in range(2):
            callspan.configure()
            with callspan.span("one"):
                pass
            callspan.shutdown()
        report()
    """
    ended = run(program, open_folder, TMPDIR=str(open_folder))
    (path,) = open_folder.glob("callspan-*/spans.jsonl")
    assert span_names(path) == ["one", "one"]
    assert ended.err.count(str(path)) == 2  # where it goes, and, as always, where it is and how to look at it
    assert ended.err.count("cannot be written here; spans go to") == 1


def test_e3_a_file_system_that_is_read_only_is_named(tmp_path):
    (tmp_path / "disk").mkdir()
    program = """
        import callspan
        from callspan.exporters import FileExporter
        try:
            callspan.configure(exporters=[FileExporter("disk/spans.jsonl")])
        except callspan.ConfigurationError as error:
            print(error)
    """
    ended = run(program, tmp_path, command=with_mount(tmp_path / "disk", "ro"))
    assert f"{str(tmp_path / 'disk')!r} cannot be written" in ended.out


def test_e3_a_pipe_that_is_put_there_later_does_not_make_anybody_wait(tmp_path):
    program = """
        import os, time
        from programs import report
        import callspan
        from callspan.exporters import FileExporter
        callspan.configure(exporters=[FileExporter("spans.jsonl")])
        os.mkfifo("spans.jsonl")
        start = time.monotonic()
        with callspan.span("one"):
            pass
        result = callspan.flush()
        assert not result and time.monotonic() - start < 2
        report()
    """
    stats = run(program, tmp_path).stats["file"]
    assert stats["delivered"] == 0
    assert sum(stats["dropped"].values()) == 1


# -- E4: links ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["file", "folder"])
def test_e4_a_link_that_comes_and_goes_is_never_followed(tmp_path, what):
    program = """
        import sys, time
        from programs import report
        import callspan
        from callspan.exporters import FileExporter
        exporter = FileExporter("place/spans.jsonl")
        callspan.configure(exporters=[exporter])
        until = time.monotonic() + float(sys.argv[1])
        while time.monotonic() < until:
            with callspan.span("one"):
                pass
            callspan.flush()
            exporter.close()
        report()
    """
    victim, place = tmp_path / "victim", tmp_path / "place"
    victim.mkdir()
    place.mkdir()
    if what == "file":
        (victim / "spans.jsonl").write_bytes(b"precious\n")
    stop = threading.Event()

    def swap() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                if what == "file":
                    (place / "link").symlink_to(victim / "spans.jsonl")
                    (place / "link").replace(place / "spans.jsonl")
                    time.sleep(0.0005)
                    (place / "spans.jsonl").unlink()
                else:
                    place.rename(tmp_path / f"away.{number}")
                    place.symlink_to(victim)
                    time.sleep(0.0005)
                    place.unlink()
            except OSError:  # the program was faster
                pass
            time.sleep(0.0005)

    began = time.monotonic()
    process = start(program, tmp_path, str(times(1, 4)))
    while process.poll() is None and not (place / "spans.jsonl").exists() and time.monotonic() < began + 20:
        time.sleep(0.001)
    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        ended = finish(process, began=began)
    finally:
        stop.set()
        swapper.join()
    assert [(path.name, path.read_bytes()) for path in victim.iterdir()] == (
        [("spans.jsonl", b"precious\n")] if what == "file" else []
    )
    stats = ended.stats["file"]
    assert stats["delivered"] > 10
    assert stats["dropped"]  # it met the link


# -- E6: modes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277, 0o777])
def test_e6_files_and_folders_are_private_whatever_the_umask(open_folder, umask):
    program = """
        import os, sys
        from programs import become_nobody, report
        import callspan
        from callspan.exporters import FileExporter
        become_nobody()
        os.umask(int(sys.argv[1]))
        callspan.configure(exporters=["file", FileExporter("a/b/spans.jsonl", name="b", max_bytes=2000)])
        for _ in range(5):
            with callspan.span("one"):
                pass
            assert callspan.flush(), callspan.flush()
        report()
    """
    ended = run(program, open_folder, str(umask))
    assert ended.stats["file"]["delivered"] == ended.stats["b"]["delivered"] == 5
    assert (open_folder / ".callspan" / "spans.jsonl").exists()
    modes = {
        path.relative_to(open_folder).as_posix(): stat.S_IMODE(path.lstat().st_mode)
        for path in open_folder.rglob("*")
        if path.name not in ("program.py", ".gitignore")
    }
    assert len(modes) > 6
    for path, mode in modes.items():
        assert mode == (0o600 if ".jsonl" in path else 0o700), path


# -- E7 and E8: several processes, rotation, and others who touch the file ---------------------------------------------

WRITER = """
    import sys
    from programs import report
    import callspan
    from callspan.exporters import FileExporter
    number, count, max_bytes = map(int, sys.argv[1:])
    callspan.configure(exporters=[FileExporter("spans.jsonl", max_bytes=max_bytes, backups=1000)])
    for index in range(count):
        with callspan.span(f"{number} {index}") as span:
            if index % 1000 == 50:
                for part in range(4):  # a line of a megabyte
                    span.set_attribute(f"part.{part}", chr(97 + part) * 250_000)
            else:
                span.set_input("x" * (index * 7919 % 3000))
    assert callspan.flush(60)
    report()
"""


@pytest.mark.parametrize("max_bytes", [0, 3_000_000])
def test_e7_eight_processes_share_a_file_and_lose_no_line(tmp_path, max_bytes):
    processes, count = times(4, 8), times(300, 10_000)
    began = time.monotonic()
    running = [start(WRITER, tmp_path, str(number), str(count), str(max_bytes)) for number in range(processes)]
    for process in running:
        assert finish(process, began=began, timeout_s=60 + count / 20).stats["file"]["delivered"] == count
    paths = list(tmp_path.glob("spans.jsonl*"))
    assert (len(paths) > 1) == bool(max_bytes)
    names = span_names(*paths)
    assert len(names) == processes * count
    assert set(names) == {f"{number} {index}" for number in range(processes) for index in range(count)}
    assert max(len(line) for path in paths for line in path.read_bytes().splitlines()) > 1_000_000
    for path in paths[:3]:
        mine = [name.split() for name in span_names(path)]
        for number in range(processes):
            indexes = [int(index) for process, index in mine if int(process) == number]
            assert indexes == sorted(indexes)  # in order within a file


STEADY = """
    import sys, time
    from programs import report
    import callspan
    from callspan.exporters import FileExporter
    callspan.configure(exporters=[FileExporter("spans.jsonl")])
    until = time.monotonic() + float(sys.argv[1])
    while time.monotonic() < until:
        with callspan.span("one", input="x" * 2000):
            pass
        callspan.flush(10)
    report()
"""


def steady(tmp_path: Path, touch) -> dict:
    """Let one program write while `touch(number)` is called again and again; return its counts."""
    began = time.monotonic()
    process = start(STEADY, tmp_path, str(times(1, 4)))
    number = 0
    while process.poll() is None:
        if (tmp_path / "spans.jsonl").exists():
            number += 1
            touch(number)
        time.sleep(0.01)
    return finish(process, began=began).stats["file"]


def test_e8_a_file_that_is_moved_away_loses_no_line(tmp_path):
    stats = steady(tmp_path, lambda number: (tmp_path / "spans.jsonl").rename(tmp_path / f"spans.jsonl.{number}"))
    paths = list(tmp_path.glob("spans.jsonl*"))
    assert len(paths) > 10
    ids = span_ids(*paths)
    assert len(ids) == len(set(ids)) == stats["delivered"]
    assert stats["dropped"] == {}


def test_e8_a_file_that_is_deleted_is_made_again(tmp_path):
    stats = steady(tmp_path, lambda _: (tmp_path / "spans.jsonl").unlink())
    assert stats["dropped"] == {}
    if (tmp_path / "spans.jsonl").exists():
        span_names(tmp_path / "spans.jsonl")


def test_e8_a_file_that_is_copied_and_truncated_holds_whole_lines_only(tmp_path):
    def copy_and_truncate(number: int) -> None:
        path = tmp_path / "spans.jsonl"
        (tmp_path / f"copy.{number}").write_bytes(path.read_bytes())
        os.truncate(path, 0)

    stats = steady(tmp_path, copy_and_truncate)
    assert stats["dropped"] == {}
    assert b"\0" not in (tmp_path / "spans.jsonl").read_bytes()
    span_names(tmp_path / "spans.jsonl")


def test_e8_several_processes_rotate_one_file_that_others_move_away_and_lose_no_line(tmp_path):
    processes, count = times(3, 8), times(200, 2_000)
    began = time.monotonic()
    program = WRITER.replace("        with callspan", "        callspan.flush(0.1)\n        with callspan")
    size = str(times(30_000, 100_000))
    running = [start(program, tmp_path, str(number), str(count), size) for number in range(processes)]
    moved = 0
    while any(process.poll() is None for process in running):
        try:  # as logrotate does, in the middle of our own rotation
            (tmp_path / "spans.jsonl").rename(tmp_path / f"moved-{moved}.jsonl")
            moved += 1
        except FileNotFoundError:
            pass
        time.sleep(0.2)
    for process in running:
        assert finish(process, began=began, timeout_s=60).stats["file"]["delivered"] == count
    ours, theirs = list(tmp_path.glob("spans.jsonl*")), list(tmp_path.glob("moved-*"))
    assert len(ours) > 3
    assert len(theirs) == moved > 0
    assert sorted(span_names(*ours, *theirs)) == sorted(
        f"{number} {index}" for number in range(processes) for index in range(count)
    )


def test_e8_a_file_that_several_processes_rotate_keeps_as_many_old_ones_as_it_should(tmp_path):
    program = WRITER.replace("backups=1000", "backups=2")
    began = time.monotonic()
    running = [start(program, tmp_path, str(number), "300", "100000") for number in range(3)]
    for process in running:
        assert finish(process, began=began).stats["file"]["delivered"] == 300
    paths = sorted(path.name for path in tmp_path.glob("spans.jsonl*"))
    assert paths == ["spans.jsonl", "spans.jsonl.1", "spans.jsonl.2"]
    names = span_names(*(tmp_path / name for name in paths))
    assert len(names) == len(set(names))  # whole lines, none twice


def test_e8_a_process_that_is_stopped_while_it_holds_the_lock_is_waited_for(tmp_path):
    import fcntl

    path = tmp_path / "spans.jsonl"
    path.touch(mode=0o600)
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        threading.Timer(1.0, fcntl.flock, (held, fcntl.LOCK_UN)).start()
        program = """
            import time
            from programs import report
            import callspan
            from callspan.exporters import FileExporter
            callspan.configure(exporters=[FileExporter("spans.jsonl")])
            start = time.monotonic()
            with callspan.span("one"):
                pass
            took = time.monotonic() - start
            assert took < 0.5, took  # the program itself does not wait
            assert callspan.flush(8)
            report()
        """
        ended = run(program, tmp_path)
    assert ended.stats["file"]["delivered"] == 1
    assert json.loads(path.read_bytes())
