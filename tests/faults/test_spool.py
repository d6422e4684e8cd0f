"""C3, C8, E1 to E6 and E9 to E14 for the spool: what kills, forks, disks and other processes do to it.

A program makes numbered spans; how many the spool has accepted, it tells itself. A second one with the same spool and a
receiver that is there must bring every one of these.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from callspan.encoding.stored import pack
from callspan.model.resource import Resource
from callspan.pipeline.spool.folders import Folder
from callspan.pipeline.spool.replay import Replay
from faults.test_files import with_mount
from odd_exporters import Keeping
from programs import FULL, Ended, check_conserved, finish, run, start, times
from receiver import Receiver, Reply
from spans import finished

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform == "win32", reason="signals, disks and permissions of POSIX"),
]

TRAFFIC = """
    import sys, time
    import callspan
    from callspan.exporters import OTLPExporter
    url, sync, size, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    callspan.configure(exporters=[OTLPExporter(url, timeout_s=1)], spool_dir="spool", spool_sync=sync)

    @callspan.tool
    def work(number, filler):
        pass

    for number in range(count):
        with callspan.span(str(number)):
            work(number, "x" * size)
        if number % 10 == 0:
            told = callspan.stats()["otlp"]
            print(told["delivered"] + told["spooled"], flush=True)  # two spans for each number
        time.sleep(0.0005)
"""

FINISH = """
    import sys
    from programs import report
    import callspan
    from callspan.exporters import OTLPExporter
    callspan.configure(exporters=[OTLPExporter(sys.argv[1])], spool_dir="spool")
    with callspan.span("last"):
        pass
    callspan.flush(30)
    report()
    callspan.shutdown()
"""


def accepted(ended: Ended) -> int:
    """Return how many spans the spool had accepted when it was last heard of."""
    told = [int(line) for line in ended.out.splitlines() if line.isdigit()]
    return max(told, default=0)


def last_run(folder: Path, url: str, **options: Any) -> dict[str, Any]:
    """Let the next process deliver everything; return its counts."""
    return run(FINISH, folder, url, timeout_s=90, **options).stats["otlp"]


def check_complete(up: Receiver, count: int) -> None:
    """Check that the first `count` spans arrived, and that what arrived twice has the same IDs."""
    spans = up.spans()
    ids = {(span.trace_id, span.span_id) for span in spans}
    assert "last" in {span.name for span in spans}
    numbered = {(span.name, span.trace_id, span.span_id) for span in spans if span.name.isdigit()}
    names = Counter(name for name, *_ in numbered)
    assert not [name for name, times_seen in names.items() if times_seen > 1], "an ID has changed"
    assert len(ids) - 1 >= count
    whole = count // 2  # a `work` and the span around it for each number
    assert {str(number) for number in range(whole)} <= set(names), "the spool had it, and it did not come"


def empty(folder: Path) -> bool:
    """Return whether the spool holds nothing any more."""
    return [path.name for path in (folder / "spool").iterdir()] == []


# -- C3: kill -9 -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sink", ["up", "down"])
def test_c3_a_kill_at_any_time_loses_nothing_that_was_accepted(tmp_path, sink):
    draw = random.Random(f"{sink} {time.time_ns()}")
    for attempt in range(times(2, 25)):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        with Receiver() as up, Receiver(Reply(503)) as down:
            began = time.monotonic()
            url = up.url if sink == "up" else down.url
            process = start(TRAFFIC, folder, url, "never", str(draw.choice([10, 20_000])), "100000000")
            process.stdout.readline()
            time.sleep(draw.uniform(0.0, 1.5))
            process.send_signal(signal.SIGKILL)
            ended = finish(process, code=-signal.SIGKILL, began=began)
            told = last_run(folder, up.url)
            check_complete(up, accepted(ended))
        assert told["adopted"] + 1 == told["delivered"] + sum(told["dropped"].values())
        assert set(told["dropped"]) <= {"spool damaged"}
        assert sum(told["dropped"].values()) <= 1  # the line that was just being written
        assert empty(folder)
        shutil.rmtree(folder)


def test_c3_processes_that_are_killed_one_after_the_other_pass_everything_on(tmp_path):
    with Receiver() as up, Receiver(Reply(503)) as down:
        for _ in range(times(3, 8)):
            began = time.monotonic()
            process = start(TRAFFIC, tmp_path, down.url, "never", "100", "100000000")
            process.stdout.readline()
            time.sleep(0.8)
            process.send_signal(signal.SIGKILL)
            total = accepted(finish(process, code=-signal.SIGKILL, began=began))  # what was adopted is among it
        told = last_run(tmp_path, up.url)
        ids = [(span.trace_id, span.span_id) for span in up.spans()]
    assert total > 0
    assert len(set(ids)) - 1 >= total
    assert told["adopted"] >= total
    assert empty(tmp_path)


STRACE = shutil.which("strace")


def injected(fault: str) -> list[str]:
    """Return the command below which a system call fails, or kills, as `fault` says."""
    if STRACE is None:
        pytest.skip("needs strace")
    command = [STRACE, "-f", "-qq", "-o", "/dev/null", "-e", f"inject={fault}"]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace may not be used here")
    return command


CALLS = [("mkdir", 1), ("mkdir", 2), ("flock", 1), ("ftruncate", 1)]
CALLS += [("write", number) for number in (1, 2, 3, 5, 8, 12)] + [("unlink", number) for number in (1, 2, 3, 4)]
CALLS += [("rmdir", 1), ("close", 400)]


@pytest.mark.parametrize(("call", "number"), CALLS if FULL else CALLS[::3])
def test_e10_a_kill_at_any_system_call_costs_duplicates_at_most(tmp_path, call, number):
    program = """
        import os, sys
        import callspan
        from callspan.exporters import OTLPExporter
        callspan.configure(exporters=[OTLPExporter(sys.argv[1])], spool_dir="spool")
        accepted = os.open("accepted", os.O_CREAT | os.O_WRONLY)
        for number in range(60):
            with callspan.span(str(number)):
                pass
            if number % 20 == 19:
                callspan.flush(10)
                told = callspan.stats()["otlp"]
                os.pwrite(accepted, b"%d" % (told["delivered"] + told["spooled"]), 0)
        callspan.shutdown()
    """
    with Receiver() as up:
        process = start(program, tmp_path, up.url, command=injected(f"{call}:signal=KILL:when={number}"))
        process.communicate(timeout=60)
        assert process.returncode in (0, -signal.SIGKILL, 128 + signal.SIGKILL)
        count = int((tmp_path / "accepted").read_bytes() or b"0") if (tmp_path / "accepted").exists() else 0
        told = last_run(tmp_path, up.url)
        names = {span.name for span in up.spans()}
        assert {str(number) for number in range(count)} <= names
        assert "last" in names
    assert sum(told["dropped"].values()) <= 1
    assert empty(tmp_path)


# -- C8: fork ----------------------------------------------------------------------------------------------------------


def test_c8_a_forked_child_has_a_part_of_its_own_and_leaves_the_parents_alone(tmp_path):
    program = """
        import os, sys
        from programs import report, wait_for_spool
        import callspan
        from callspan.exporters import OTLPExporter
        callspan.configure(exporters=[OTLPExporter(sys.argv[1])], spool_dir="spool")
        for number in range(300):
            with callspan.span(f"parent {number}"):
                pass
        wait_for_spool(300)
        for child in range(int(sys.argv[2])):
            if os.fork() == 0:
                for number in range(50):
                    with callspan.span(f"child {child} {number}"):
                        pass
                wait_for_spool(50)
                report()
                os._exit(0)
            with callspan.span(f"parent again {child}"):
                pass
        for child in range(int(sys.argv[2])):
            assert os.wait()[1] == 0
        wait_for_spool(300 + int(sys.argv[2]))
        report()
        os._exit(0)  # without a word, as a kill
    """
    children = times(3, 20)
    with Receiver(Reply(503)) as down:
        ended = run(program, tmp_path, down.url, str(children))
    told = [stats["otlp"] for stats in ended.reports]
    assert len(told) == children + 1
    assert sum(stats["ended"] for stats in told) == 300 + children * 51
    adopted = 0
    with Receiver() as up:
        while not empty(tmp_path):  # a process that ends soon does not take over what twenty have left
            after = last_run(tmp_path, up.url)["adopted"]
            assert after
            adopted += after
        names = Counter(span.name for span in up.spans())
    del names["last"]
    assert set(names.values()) == {1}
    assert len(names) == adopted == 300 + children * 51


def test_c9_a_program_that_closes_all_its_files_keeps_its_spool_and_its_own_files(tmp_path):
    program = """
        import os, sys
        from pathlib import Path
        from programs import report, wait_for_spool
        import callspan
        from callspan.exporters import OTLPExporter
        callspan.configure(exporters=[OTLPExporter(sys.argv[1])], spool_dir="spool")
        with callspan.span("before"):
            pass
        wait_for_spool(1)
        os.closerange(3, 256)
        mine = [os.open(f"mine{number}", os.O_RDWR | os.O_CREAT) for number in range(20)]
        for number in range(2000):
            with callspan.span(str(number)):
                pass
        wait_for_spool(2001)
        report()
        assert all(Path(f"mine{number}").read_bytes() == b"" for number in range(20))
        os._exit(0)
    """
    with Receiver(Reply(503)) as down:
        told = run(program, tmp_path, down.url).stats["otlp"]
    assert told["spooled"] == 2001
    with Receiver() as up:
        assert last_run(tmp_path, up.url)["adopted"] == 2001


# -- E1 and E2: the disk -----------------------------------------------------------------------------------------------

FULL_DISK = """
    import os, sys
    from pathlib import Path
    from programs import report, wait_for_spool
    import callspan
    from callspan.exporters import OTLPExporter
    down, up = sys.argv[2:]
    filler = Path("disk/filler")

    def make(first, count, size):
        for number in range(first, first + count):
            with callspan.span(str(number), input="x" * size):
                pass

    for pages in range(0, 256, int(sys.argv[1])):
        exporter = OTLPExporter(down)
        callspan.configure(exporters=[exporter], spool_dir="disk/spool", service_name=str(pages))
        filler.write_bytes(b"x" * 4096 * max(230 - pages, 0))
        make(0, 300, 1000 + 37 * pages)
        callspan.flush(0.3)
        report()
        told = callspan.stats()["otlp"]
        assert told["delivered"] == told["rejected"] == 0, told
        filler.unlink()
        make(300, 3, 10)
        callspan.flush(0.2)
        if pages < 229 and not callspan.stats()["otlp"]["dropped"]:  # else there is no room now, either
            wait_for_spool(told["spooled"] + 3)  # it is used again
        callspan.shutdown(0.1)
        callspan.configure(exporters=[OTLPExporter(up)], spool_dir="disk/spool")
        make(303, 1, 10)
        callspan.flush(30)
        report()
        told = callspan.stats()["otlp"]
        assert told["spooled"] == told["buffered"] == 0 and not told["dropped"], told
        callspan.shutdown()
        assert not list(Path("disk/spool").glob("*/*")), list(Path("disk/spool").glob("*/*"))
"""


def test_e1_a_full_disk_costs_durability_only_and_is_used_again(tmp_path):
    (tmp_path / "disk").mkdir()
    command = with_mount(tmp_path / "disk", "size=1m,mode=700")
    with Receiver() as up, Receiver(Reply(503)) as down:
        step = str(times(64, 4))
        ended = run(FULL_DISK, tmp_path, step, down.url, up.url, command=command, timeout_s=280)
    assert any(told["otlp"]["buffered"] for told in ended.reports), "the disk was never full"
    assert any(told["otlp"]["spooled"] for told in ended.reports)


def test_e1_a_full_disk_can_still_be_emptied(tmp_path):
    (tmp_path / "disk").mkdir()
    program = """
        import sys, time
        from pathlib import Path
        from programs import report
        import callspan
        from callspan.exporters import OTLPExporter
        callspan.configure(exporters=[OTLPExporter(sys.argv[1])], spool_dir="disk/spool")
        for number in range(2000):
            with callspan.span(str(number), input="x" * 2000):
                pass
        assert callspan.flush(30)
        time.sleep(1.2)  # the worker tidies up twice a second
        assert not list(Path("disk/spool").rglob("*.spool"))
        report()
    """
    command = with_mount(tmp_path / "disk", "size=1m,mode=700")
    with Receiver(Reply(503), Reply(503), Reply()) as up:
        told = run(program, tmp_path, up.url, command=command).stats["otlp"]
    assert told["delivered"] == 2000


@pytest.mark.parametrize("limit", [1, 4096, 99_991, 300_007])
def test_e1_a_limit_on_file_sizes_tears_no_line(tmp_path, limit):
    program = """
        import os, resource, sys
        from programs import report
        import callspan
        from callspan.exporters import OTLPExporter
        callspan.configure(exporters=[OTLPExporter(sys.argv[1])], spool_dir="spool")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), hard))
        for number in range(200):
            with callspan.span(str(number), input="x" * 3000):
                pass
        callspan.flush(1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        report()
        os._exit(0)
    """
    with Receiver(Reply(503)) as down:
        told = run(program, tmp_path, down.url, str(limit)).stats["otlp"]
    assert told["spooled"] + told["buffered"] == 200
    with Receiver() as up:
        after = last_run(tmp_path, up.url)
        assert after["adopted"] == told["spooled"]
        assert after["dropped"] == {}


FAULTS = ["write:error=EIO:when=1..3", "write:error=EIO:when=2+2", "write:retval=1:when=1", "ftruncate:error=EIO"]
FAULTS += ["fdatasync:error=EIO", "unlink:error=EIO", "rmdir:error=EIO", "mkdir:error=EIO:when=1", "flock:error=ENOLCK"]


@pytest.mark.parametrize("fault", FAULTS if FULL else FAULTS[::2])
def test_e2_a_broken_disk_costs_durability_only(tmp_path, fault):
    program = """
        import os, sys, tempfile
        import callspan
        from callspan.exporters import OTLPExporter
        from programs import check_conserved
        tempfile.tempdir = "."  # else what httpx loads may look for a folder by writing to it, and take the errors
        callspan.configure(exporters=[OTLPExporter(sys.argv[1])], spool_dir="spool", spool_sync="batch")
        for number in range(500):
            with callspan.span(str(number)):
                pass
            if number % 100 == 99:
                assert callspan.flush(10)
        check_conserved(callspan.stats())
        told = callspan.stats()["otlp"]
        assert told["delivered"] == 500 and told["retries"] == 0, told
        callspan.shutdown()
    """
    with Receiver() as up:
        run(program, tmp_path, up.url, command=injected(fault))
        assert len({span.span_id for span in up.spans()}) == 500
        told = last_run(tmp_path, up.url)
    assert told["dropped"] == {} or set(told["dropped"]) == {"spool damaged"}


# -- E3, E4 and E6: places and permissions -----------------------------------------------------------------------------


def test_e3_permissions_are_checked_when_configured_and_no_harm_when_they_change(open_folder):
    program = """
        import os, sys
        from pathlib import Path
        from programs import become_nobody, report
        import callspan
        from callspan.exporters import OTLPExporter
        from programs import Sink
        become_nobody()
        os.mkdir("closed", mode=0o500)
        os.mkdir("theirs", mode=0o777)
        os.chmod("theirs", 0o777)
        os.symlink("elsewhere", "link")
        os.mkfifo("pipe")
        for place in ("closed/spool", "theirs", "link", "pipe", "pipe/spool", "/proc/spool"):
            try:
                callspan.configure(exporters=[Sink("sink")], spool_dir=place)
            except callspan.ConfigurationError as error:
                assert "spool_dir" in str(error) and ("cannot be" in str(error) or "is no" in str(error)), error
            else:
                raise AssertionError(place)
        os.mkdir("spool", mode=0o700)
        callspan.configure(exporters=[Sink("sink")], spool_dir="spool")
        for mode in (0o700, 0o000, 0o500, 0o700):
            os.chmod("spool", mode)
            with callspan.span("one"):
                pass
            assert callspan.flush()
        os.chmod("spool", 0o700)
        report()
        callspan.shutdown()
        assert os.listdir("spool") == []
    """
    ended = run(program, open_folder)
    assert ended.stats["sink"]["delivered"] == 4


def test_e4_a_folder_that_becomes_a_link_is_not_followed(tmp_path):
    program = """
        import os
        from programs import Sink, report
        import callspan
        callspan.configure(exporters=[Sink("sink")], spool_dir="spool")
        os.symlink("victim", "spool")
        for _ in range(3):
            with callspan.span("one"):
                pass
            assert callspan.flush()
        report()
    """
    (tmp_path / "victim").mkdir()
    assert run(program, tmp_path).stats["sink"]["delivered"] == 3
    assert list((tmp_path / "victim").iterdir()) == []


def test_e4_links_inside_the_spool_are_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious\n")
    for name in ("0" * 16, "1" * 16, "2" * 16):
        (tmp_path / "spool" / name).mkdir(parents=True, mode=0o700)
    (tmp_path / "spool").chmod(0o700)
    (tmp_path / "spool" / ("0" * 16) / "00000001.spool").symlink_to(victim)
    (tmp_path / "spool" / ("1" * 16) / "lock").symlink_to(victim)
    (tmp_path / "spool" / ("2" * 16) / "00000001.spool").hardlink_to(victim)
    (tmp_path / "spool" / ("f" * 16)).symlink_to(tmp_path)
    with Receiver() as up:
        told = last_run(tmp_path, up.url)
    assert victim.read_bytes() == b"precious\n"
    assert told["delivered"] == 1
    assert told["dropped"] == {"spool damaged": 2}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_e6_the_spool_is_private_whatever_the_umask(open_folder, umask):
    program = """
        import os, sys
        from programs import become_nobody, report, wait_for_spool
        import callspan
        from callspan.exporters import ExportResult

        class Down:
            name, local = "down", False

            def export(self, batch):
                return ExportResult(retry=batch.spans, reason="down")

            def close(self):
                pass

        become_nobody()
        os.umask(int(sys.argv[1]))
        callspan.configure(exporters=[Down()], spool_dir="a/spool")
        with callspan.span("one"):
            pass
        wait_for_spool(1)
        report()
        os._exit(0)
    """
    assert run(program, open_folder, str(umask)).stats["down"]["spooled"] == 1
    paths = [path for path in (open_folder / "a").rglob("*") if path.name != ".gitignore"]
    assert len(paths) >= 4
    for path in paths:
        assert stat.S_IMODE(path.lstat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_p6_what_is_secret_does_not_reach_the_spool(tmp_path):
    program = """
        import os, sys
        import callspan
        from programs import wait_for_spool
        from callspan.exporters import OTLPExporter
        resource = {"db.password": "canary-1"}
        callspan.configure(exporters=[OTLPExporter(sys.argv[1])], spool_dir="spool", resource=resource)
        with callspan.span("one", input={"api_key": "canary-2"}) as span:
            span.set_attribute("authorization", "canary-3")
            span.add_event("sent", {"cookie": "canary-4"})
        wait_for_spool(1)
        assert callspan.stats()["otlp"]["spooled"] == 1
        os._exit(0)
    """
    with Receiver(Reply(503)) as down:
        run(program, tmp_path, down.url)
    written = b"".join(path.read_bytes() for path in (tmp_path / "spool").rglob("*") if path.is_file())
    assert b"canary" not in written
    assert written.count(b"[redacted]") == 4


# -- E9: what is found there -------------------------------------------------------------------------------------------


def test_e9_a_folder_of_very_many_things_is_begun_with_in_bounded_time(tmp_path):
    spool = tmp_path / "spool"
    spool.mkdir(mode=0o700)
    for number in range(times(3_000, 100_000)):
        if number % 2:
            (spool / f"{number:016x}").mkdir(mode=0o700)
        else:
            (spool / f"stray-{number}").touch()
    with Receiver() as up:
        began = time.monotonic()
        process = start(FINISH, tmp_path, up.url)
        while not up.requests:
            assert time.monotonic() - began < 15, "it does not begin"
            time.sleep(0.05)
        assert finish(process, began=began).stats["otlp"]["delivered"] == 1


def test_e9_whatever_was_done_to_the_files_the_rest_arrives_and_nothing_is_misread(tmp_path):
    for seed in range(times(40, 10_000)):
        spool = tmp_path / str(seed)
        whole = made_spool(spool, random.Random(seed))
        untouched = spoil(spool, random.Random(-seed))
        exporter = Keeping("wire", local=False)
        replay = Replay(spool, [exporter])
        assert replay.run(patience_s=10), seed
        replay.close()
        check_conserved(replay.stats())
        arrived = {span.span_id: (span.name, span.facts.input) for span in exporter.spans}
        assert arrived.items() <= whole.items(), seed  # what came is what was written
        assert untouched <= set(arrived), seed  # what nobody touched came
        left = [path for path in spool.rglob("*") if path.is_file() and path.parent.name != "quarantine"]
        assert not left, (seed, left)
        shutil.rmtree(spool)


def made_spool(spool: Path, draw: random.Random) -> dict[int, tuple[str, Any]]:
    """Leave a few parts of a few files; return name and input of every span by its ID."""
    whole = {}
    number = 0
    for _ in range(draw.randint(1, 3)):
        dead = Folder.make(spool)
        for _ in range(draw.randint(1, 4)):
            spans = []
            for _ in range(draw.randint(1, 20)):
                number += 1
                value = {"text": "x" * draw.choice([1, 50, 3000]), "number": number}
                spans.append(finished("tool", str(number), span_id=number, input=value))
                whole[number] = (str(number), value)
            dead.append([pack(span) for span in spans], Resource({"service.name": "dead"}), syncs=False)
            dead.seal()
        dead.let_go()
    return whole


def spoil(spool: Path, draw: random.Random) -> set[int]:
    """Spoil one or two files in one way of many; return the IDs in the files that were left alone."""
    files = sorted(spool.rglob("*.spool"))
    victims = draw.sample(files, min(len(files), draw.randint(1, 2)))
    untouched = {
        json.loads(line[9:])["input"]["number"]
        for path in files
        if path not in victims
        for line in path.read_bytes().splitlines()[1:]
    }
    for path in victims:
        data = bytearray(path.read_bytes())
        where = draw.randrange(len(data))
        length = draw.choice([1, 5, 500, 5000])
        way = draw.choice(
            ["flip", "cut", "zero", "insert", "remove", "repeat", "empty", "noise", "head", "swap", "time"]
        )
        if way == "flip":
            data[where] ^= 1 << draw.randrange(8)
        elif way == "cut":
            del data[where:]
        elif way == "zero":
            data[where : where + length] = bytes(len(data[where : where + length]))
        elif way == "insert":
            data[where:where] = draw.randbytes(length)
        elif way == "remove":
            del data[where : where + length]
        elif way == "repeat":
            data += data[where:]
        elif way == "empty":
            data.clear()
        elif way == "noise":
            data = bytearray(draw.randbytes(length))
        elif way == "head":
            data[: data.find(b"\n") + 1] = b"00000000 {}\n"
        elif way == "swap":
            data = bytearray(draw.choice(files).read_bytes())
        path.write_bytes(data)
        if way == "time":
            os.utime(path, (4_000_000_000, 4_000_000_000))
    return untouched


# -- E14: other versions -----------------------------------------------------------------------------------------------

# Written by version 0.1.0. It never changes: what it says must be understood for ever, or the format gets a new number.
FORMAT_1 = (
    b'42296b3a {"callspan_spool":1,"first":0,"resource":{"service.name":"shop-bot"}}\n'
    b'faa0713d {"trace_id":"5b8aa5a2d2c872e8321cf37308d69df2","span_id":"0000000000000001","name":"cha'
    b't gpt-4o","kind":"llm","start_time_unix_ns":1700000000000000000,"end_time_unix_ns":1700000001500'
    b'000000,"status":0,"outcome":"ok","parent_id":"5fb397be34d26b51","provider":"openai","system_inst'
    b'ructions":[{"type":"text","content":"Be brief."}],"input_messages":[{"role":"user","parts":[{"ty'
    b'pe":"text","content":"What is the weather in Ky\xc5\x8dto?"}]},{"role":"assistant","parts":[{"type":"'
    b'tool_call","id":"call_0","name":"where","arguments":{"city":"Ky\xc5\x8dto"}}]},{"role":"tool","parts"'
    b':[{"type":"tool_call_response","id":"call_0","response":"35.0,135.8"}]}],"output_messages":[{"ro'
    b'le":"assistant","parts":[{"type":"text","content":"Let me look."},{"type":"tool_call","id":"call'
    b'_1","name":"weather","arguments":{"at":[35.0,135.8]}}],"finish_reason":"tool_calls"}],"tool_defi'
    b'nitions":[{"type":"function","name":"weather","description":"Tell the weather.","parameters":{"t'
    b'ype":"object","properties":{"at":{"type":"array"}},"required":["at"]}}],"server_address":"api.op'
    b'enai.com","server_port":443,"retries":1,"time_to_first_chunk_s":0.25,"chunk_count":9,"conversati'
    b'on_id":"c-42","step":2,"user_id":"u-7","request":{"model":"gpt-4o","temperature":0.2,"top_p":1,"'
    b'max_tokens":256,"stop_sequences":["END"],"seed":7,"stream":true,"service_tier":"flex"},"extra":{'
    b'"logit_bias":{"50256":-100}},"response":{"id":"chatcmpl-1","model":"gpt-4o-2024-08-06","finish_r'
    b'easons":["tool_calls"],"service_tier":"default","system_fingerprint":"fp_1","request_id":"req_1"'
    b'},"tags":["beta","weather"],"metadata":{"tier":"gold"},"attributes":{"shop.basket":3,"shop.items'
    b'":[{"sku":"a"},null]},"truncated":{"input":70000},"redacted_count":2,"usage":{"input_tokens":40,'
    b'"output_tokens":12,"total_tokens":52,"cache_read_tokens":16,"cache_write_tokens":4,"reasoning_to'
    b'kens":3,"source":"reported"},"prompts":[{"template":"What is the weather in {city}?","variables"'
    b':{"city":"Ky\xc5\x8dto"},"name":"weather","version":"v3"}]}\n'
    b'f6baa095 {"trace_id":"5b8aa5a2d2c872e8321cf37308d69df2","span_id":"0000000000000002","name":"wea'
    b'ther","kind":"tool","start_time_unix_ns":1700000000000000000,"end_time_unix_ns":1700000001500000'
    b'000,"status":0,"outcome":"ok","input":{"at":[35.0,135.8]},"output":"sunny","tool":{"name":"weath'
    b'er","description":"Tell the weather.","parameters":{"type":"object","properties":{}},"call_id":"'
    b'call_1","type":"function"}}\n'
)
FORMAT_2 = b'92f48238 {"callspan_spool":2,"first":0,"resource":{}}\nced59cb8 {"span":"in a form of its own"}\n'


def test_e14_the_format_of_another_version_is_read_or_set_aside(tmp_path):
    for name, lines in {"a": FORMAT_1, "b": FORMAT_2}.items():
        part = tmp_path / "spool" / (name * 16)
        part.mkdir(parents=True, mode=0o700)
        (part / "00000001.spool").write_bytes(lines)
    (tmp_path / "spool").chmod(0o700)
    with Receiver() as up:
        told = last_run(tmp_path, up.url)
        spans = {span.name: span for span in up.spans()}
    assert (told["adopted"], told["delivered"], told["dropped"]) == (3, 3, {"spool damaged": 1})
    assert set(spans) == {"chat gpt-4o", "weather", "last"}
    attributes = {pair.key: pair.value for pair in spans["chat gpt-4o"].attributes}
    assert attributes["gen_ai.request.model"].string_value == "gpt-4o"
    assert attributes["gen_ai.usage.input_tokens"].int_value == 40
    assert "Ky\u014dto" in attributes["gen_ai.input.messages"].string_value
    assert spans["chat gpt-4o"].trace_id.hex() == "5b8aa5a2d2c872e8321cf37308d69df2"
    assert (tmp_path / "spool" / "quarantine" / f"{'b' * 16}-00000001.spool").read_bytes() == FORMAT_2


# -- E11: several processes --------------------------------------------------------------------------------------------


def test_e11_what_a_dead_process_left_is_adopted_by_one_of_several(tmp_path):
    with Receiver(Reply(503)) as down:
        began = time.monotonic()
        dead = [start(TRAFFIC, tmp_path, down.url, "never", "100", "150") for _ in range(3)]
        for process in dead:
            process.wait(60)  # they end by themselves, and leave everything
            finish(process, began=began)
    with Receiver() as up:
        began = time.monotonic()
        running = [start(FINISH, tmp_path, up.url) for _ in range(4)]
        told = [finish(process, began=began, timeout_s=90).stats["otlp"] for process in running]
        ids = Counter((span.trace_id, span.span_id) for span in up.spans())
    assert sum(stats["adopted"] for stats in told) == 3 * 300
    assert len(ids) == 3 * 300 + 4
    assert set(ids.values()) == {1}
    assert empty(tmp_path)


# -- E12: full for long ------------------------------------------------------------------------------------------------


def test_e12_a_receiver_that_is_away_for_days_costs_bounded_disk_and_memory(tmp_path):
    program = """
        import os, resource, sys, time
        from pathlib import Path
        from programs import report
        import callspan
        from callspan.exporters import OTLPExporter
        callspan.configure(exporters=[OTLPExporter(sys.argv[1])], spool_dir="spool", spool_max_bytes=4_000_000)
        rounds = int(sys.argv[2])

        def memory():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

        for number in range(rounds):
            for index in range(2000):
                with callspan.span(f"{number} {index}", input="x" * 1000):
                    pass
            callspan.flush(0.4)
            size = sum(path.stat().st_size for path in Path("spool").rglob("*") if path.is_file())
            assert size <= 4_010_000, size
            if number == 2:
                before = memory()
        assert memory() - before < 20, (before, memory())
        before = -1
        while before != (before := callspan.stats()):  # still being written
            time.sleep(0.5)
        told = callspan.stats()["otlp"]
        assert set(told["dropped"]) == {"spool full"}, told
        report()
        os._exit(0)
    """
    rounds = times(6, 60)
    with Receiver(Reply(503)) as down:
        told = run(program, tmp_path, down.url, str(rounds), timeout_s=200).stats["otlp"]
    with Receiver() as up:
        after = last_run(tmp_path, up.url)
        arrived = [span.name for span in up.spans() if span.name != "last"]
    assert after["adopted"] == told["spooled"]
    newest = [f"{number} {index}" for number in range(rounds) for index in range(2000)][-1000:]
    assert arrived[-1000:] == newest  # the oldest were dropped, not these


# -- E13 and the exit --------------------------------------------------------------------------------------------------


def test_e13_what_is_refused_for_ever_does_not_block_the_rest(tmp_path):
    with Receiver(Reply(503)) as down:
        run(TRAFFIC, tmp_path, down.url, "never", "100", "1000")
    with Receiver(Reply(400), Reply(422), Reply(200)) as up:
        told = last_run(tmp_path, up.url)
    assert told["rejected"] > 0
    assert told["rejected"] + told["delivered"] == 2001
    assert empty(tmp_path)


@pytest.mark.parametrize("reply", [Reply(503), Reply(delay_s=60)])
def test_p3_a_receiver_that_is_away_delays_the_exit_no_longer_than_without_a_spool(tmp_path, reply):
    program = """
        import sys, time
        import callspan
        from callspan.exporters import OTLPExporter
        callspan.configure(exporters=[OTLPExporter(sys.argv[1])], spool_dir="spool")
        for number in range(20_000):
            with callspan.span(str(number), input="x" * 100):
                pass
        callspan.flush(0)
        deadline = time.monotonic() + 30
        while callspan.stats()["otlp"]["spooled"] < 20_000 and time.monotonic() < deadline:
            time.sleep(0.02)
        print("ENDS", time.time())
    """
    with Receiver(reply) as down:
        ended = run(program, tmp_path, down.url)
        left = time.time() - float(ended.out.split()[-1])
    assert left < 4.5  # 2 seconds without progress, half a second to close, and a busy machine
    with Receiver() as up:
        told = last_run(tmp_path, up.url)
        assert told["adopted"] == 20_000
        assert told["delivered"] == 20_001
        assert len({span.name for span in up.spans()}) == 20_001
