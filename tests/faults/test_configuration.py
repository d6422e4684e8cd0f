"""F1, F2, F11, F13, F14 and G14: settings, IDs, what costs nothing, and what an import does."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest

from programs import ROOT, environment, run, span_ids, span_names, times

pytestmark = pytest.mark.faults

WORK = """
    import callspan
    from programs import report

    @callspan.tool
    def work(text):
        return text

    {configure}
    work("canary-text")
    callspan.flush()
    report()
"""


# -- F1, F2: settings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CALLSPAN_SAMPLE_RATE", "hush"),
        ("CALLSPAN_SAMPLE_RATE", "-1"),
        ("CALLSPAN_SAMPLE_RATE", "1e309"),
        ("CALLSPAN_SAMPLE_RATE", "9" * 100_000),
        ("CALLSPAN_CAPTURE_CONTENT", "hush"),
        ("CALLSPAN_DISABLED", "hush"),
        ("OTEL_SDK_DISABLED", "hush"),
        ("CALLSPAN_SERVICE_NAME", "hush\nhush"),
        ("OTEL_SERVICE_NAME", "\udcff\udcfe hush"),
        ("OTEL_RESOURCE_ATTRIBUTES", "hush"),
        ("CALLSPAN_EXPORTERS", ","),
    ],
)
def test_f1_a_wrong_variable_warns_once_and_stops_nobody(tmp_path, variable, value):
    program = WORK.format(configure="callspan.configure(); callspan.configure(resource={'a': 1})")
    ended = run(program, tmp_path, **{variable: value})
    assert ended.err.count(f"environment variable {variable} is ignored: it needs ") == 1
    assert "hush" not in ended.err
    assert ended.stats["file"]["delivered"] == 1
    assert span_names(tmp_path / ".callspan" / "spans.jsonl") == ["work"]


@pytest.mark.parametrize("value", ["hush", "hush,file", "https://user:hush@host/"])
def test_f1_an_unknown_exporter_in_the_environment_leaves_it_off(tmp_path, value):
    ended = run(WORK.format(configure=""), tmp_path, CALLSPAN_EXPORTERS=value)
    assert (
        ended.err.count("callspan stays off: exporters[0]: got str; no exporter has that name; use one of: file, ") == 1
    )
    assert "hush" not in ended.err
    assert ended.stats == {}
    assert not (tmp_path / ".callspan").exists()


@pytest.mark.parametrize("value", ["file", " FILE ,, file", "file,memory"])
def test_f1_exporters_in_the_environment_switch_on_at_import(tmp_path, value):
    ended = run(WORK.format(configure=""), tmp_path, CALLSPAN_EXPORTERS=value)
    assert ended.err == ""
    assert ended.stats["file"]["delivered"] == 1
    assert span_names(tmp_path / ".callspan" / "spans.jsonl") == ["work"]


def test_f1_nothing_set_and_nothing_configured_makes_no_file(tmp_path):
    ended = run(WORK.format(configure=""), tmp_path)
    assert (ended.err, ended.stats) == ("", {})
    assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == ["program.py"]


def test_f1_content_can_be_switched_off_from_outside(tmp_path):
    configure = """
    callspan.configure()
    with callspan.conversation("c-1"):
        try:
            with callspan.span("canary-is-a-name", input="canary-text") as span:
                span.set_output({"a": ["canary-text"]})
                raise ValueError("canary-text")
        except ValueError:
            pass
    """
    ended = run(WORK.format(configure=configure.strip()), tmp_path, CALLSPAN_CAPTURE_CONTENT="off")
    assert ended.stats["file"]["delivered"] == 2
    written = b"".join(path.read_bytes() for path in (tmp_path / ".callspan").iterdir())
    assert b"canary-text" not in written
    assert b"canary-is-a-name" in written
    assert b"ValueError" in written


@pytest.mark.parametrize(
    "arguments",
    ["sample_rate='hush'", "exporters=['hush']", "service_name='hush\\n'", "capture_content='hush'", "resource='hush'"],
)
def test_f2_a_wrong_argument_is_an_error_that_names_it_and_nothing_else(tmp_path, arguments):
    program = f"""
        import callspan
        try:
            callspan.configure({arguments})
        except callspan.ConfigurationError as error:
            print(error.field, "|", error)
    """
    ended = run(program, tmp_path)
    field = arguments.split("=")[0]
    assert ended.out.startswith(field)
    assert "got str; " in ended.out
    assert "hush" not in ended.out
    assert not (tmp_path / ".callspan").exists()


# -- F11: plug-ins -----------------------------------------------------------------------------------------------------


def test_f11_a_plug_in_that_fails_is_named_and_the_others_load(tmp_path):
    (tmp_path / "shipped.py").write_text("class Good:\n    def export(self, batch): pass\n    def close(self): pass\n")
    (tmp_path / "shipped_badly.py").write_text("import nothing_of_that_name\n")
    metadata = tmp_path / "shipped-1.5.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: shipped\nVersion: 1.5\n")
    (metadata / "entry_points.txt").write_text("[callspan.exporters]\ngood = shipped:Good\nbad = shipped_badly:Bad\n")
    program = """
        import callspan
        try:
            callspan.configure(exporters=["bad"])
        except callspan.ConfigurationError as error:
            print(error)
        callspan.configure(exporters=["good"])
        print(list(callspan.stats()))
    """
    ended = run(program, tmp_path)
    complaint, names = ended.out.splitlines()
    assert complaint == (
        "exporter 'bad': got ModuleNotFoundError; shipped_badly:Bad of shipped 1.5 failed with ModuleNotFoundError; "
        "update or remove that package"
    )
    assert names == "['Good']"


# -- F13: IDs ----------------------------------------------------------------------------------------------------------


def test_f13_ids_are_unique_whatever_the_application_seeds(tmp_path):
    program = """
        import os, random, sys
        from programs import report
        import callspan
        from callspan.exporters import FileExporter
        callspan.configure(exporters=[FileExporter("spans.jsonl")])

        def make():
            random.seed(0)
            for _ in range(50):
                with callspan.span("one"):
                    pass
            assert callspan.flush(10)

        make()
        for _ in range(5 if hasattr(os, "fork") else 0):
            process_id = os.fork()
            if not process_id:
                make()
                os._exit(0)
            assert os.waitpid(process_id, 0)[1] == 0
        make()
        report()
    """
    for _ in range(2):
        run(program, tmp_path, PYTHONWARNINGS="ignore::DeprecationWarning")
    ids = span_ids(tmp_path / "spans.jsonl")
    assert len(ids) == 2 * 7 * 50
    assert len({one[:32] for one in ids}) == len({one[32:] for one in ids}) == len(ids)


def test_f13_many_ids_from_many_threads_are_unique(tmp_path):
    program = """
        import random, sys, threading
        from callspan.recording.ids import IdSource
        random.seed(0)
        source, found = IdSource(), []

        def make(count):
            found.append([source.span_id() for _ in range(count)])

        threads = [threading.Thread(target=make, args=(int(sys.argv[1]) // 4,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        flat = [one for several in found for one in several]
        assert len(set(flat)) == len(flat), "an ID came twice"
        assert 0 not in flat
        print(len(flat))
    """
    count = times(200_000, 10_000_000)
    assert int(run(program, tmp_path, str(count), timeout_s=180).out) == count


# -- F14: what is not recorded costs next to nothing and keeps nothing alive -------------------------------------------


def test_f14_what_is_not_recorded_keeps_nothing_alive_and_is_cheap(tmp_path):
    program = """
        import gc, time, tracemalloc, weakref
        from programs import report
        import callspan
        from callspan.exporters import MemoryExporter

        class Value:
            pass

        @callspan.tool
        def work(value):
            return value

        def plain(value):
            return value

        def check(name, run):
            value = Value()
            reference = weakref.ref(value)
            run(value)
            del value
            assert reference() is None, f"{name} keeps a value alive"
            text = "x"
            for _ in range(1000):
                run(text)
            gc.collect()
            tracemalloc.start()
            for _ in range(2000):
                run(text)
            gc.collect()
            grown, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert grown < 20_000, f"{name} grows by {grown} bytes"
            best = min(timed(run, text) for _ in range(50))
            print(name, round((best - min(timed(plain, text) for _ in range(50))) * 1e6, 3))

        def timed(run, value, count=500):  # short, so that one of many is not interrupted
            start = time.perf_counter()
            for _ in range(count):
                run(value)
            return (time.perf_counter() - start) / count

        check("off", work)
        memory = MemoryExporter()
        callspan.configure(exporters=[memory])
        with callspan.suppress():
            check("suppressed", work)
        callspan.configure(exporters=[memory], sample_rate=0.0)
        with callspan.span("root"):
            check("below an unsampled root", work)
        check("an unsampled root", work)
        callspan.flush()
        assert memory.spans == []
        report()
    """
    ended = run(program, tmp_path, timeout_s=120)
    cost = {name: float(us) for name, us in re.findall(r"^([a-z ]+) (-?[\d.]+)$", ended.out, re.MULTILINE)}
    assert set(cost) == {"off", "suppressed", "below an unsampled root", "an unsampled root"}
    # Promised are 0.2 and 1 µs; benchmarks/ measures them with care, this only notices when they are far off.
    assert cost["off"] < 1
    assert cost["suppressed"] < 2
    assert cost["below an unsampled root"] < 2
    assert cost["an unsampled root"] < 6
    stats = ended.stats["memory"]
    assert stats["dropped"] == {"sampled": stats["ended"]}


# -- G14: what an import does ------------------------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace on this machine")
def test_g14_an_import_starts_no_thread_opens_no_connection_and_writes_no_file(tmp_path):
    """As seen by the kernel. With decorators and `configure()`, too: nothing happens before the first span."""
    program = tmp_path / "program.py"
    program.write_text(
        "import callspan\n"
        "from callspan.exporters import FileExporter\n"
        "@callspan.llm\n"
        "def ask(question): return 'answer'\n"
        "ask('off')\n"
        "callspan.configure(exporters=[FileExporter('spans.jsonl')])\n"
    )
    calls = "openat,open,creat,mkdir,mkdirat,socket,connect,bind,clone,clone3,fork,vfork,execve,unlink,rename"
    log = tmp_path / "calls.txt"
    ended = subprocess.run(
        ["strace", "-f", "-o", str(log), "-e", f"trace={calls}", sys.executable, "-B", str(program)],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if ended.returncode and "ptrace" in ended.stderr:
        pytest.skip("tracing is not allowed here")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = log.read_text().splitlines()
    assert len(lines) > 50
    assert sum("execve(" in line and "= 0" in line for line in lines) == 1
    # By the name of the call, since paths may hold any of these words.
    forbidden = re.compile(r"\d+ +(socket|connect|bind|clone3?|v?fork|mkdir(at)?|creat|unlink|rename)\(")
    assert [line for line in lines if forbidden.match(line)] == []
    written = [line for line in lines if re.search(r"O_(WRONLY|RDWR|CREAT)", line) and "/dev/" not in line]
    assert written == []


def test_g14_the_library_reads_no_code_out_of_data(tmp_path):
    """G13, too: no pickle, no eval, no import by a name that came from outside, apart from entry points."""
    wrong = []
    for path in (ROOT / "src" / "callspan").rglob("*.py"):
        text = path.read_text("utf-8")
        for name in ("pickle", "shelve", "yaml", "dill"):
            if re.search(rf"^\s*(import|from) {name}\b", text, re.MULTILINE):
                wrong.append(f"{path}: {name}")
        if re.search(r"(?<![\w.])(eval|exec)\(", text):
            wrong.append(f"{path}: eval or exec")
    assert wrong == []
