"""What a user gets by `pip install` and pays by `import callspan`."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from importlib import metadata
from importlib.resources import files
from pathlib import Path

import pytest

import callspan
from callspan.version import VERSION

HEAVY = {
    "asyncio",
    "email",
    "httpx",
    "langchain",
    "langchain_core",
    "llama_index",
    "llama_index_instrumentation",
    "openai",
    "orjson",
    "pydantic",
    "tiktoken",
    "wrapt",
}

# Runs before and after the import under test, in a process of its own; an audit hook sees what the interpreter does.
PROBE = """
import json, sys, threading
before = set(sys.modules)
events = []
def hook(event, args):
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        events.append(f"opened {args[0]} for writing")
    elif event.startswith(("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.", "os.mkdir")):
        events.append(event)
sys.dont_write_bytecode = True
sys.addaudithook(hook)
%s
threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
loaded = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
print(json.dumps({"loaded": loaded, "events": events, "threads": threads}))
"""


def run(code: str) -> str:
    """Run `code` in a fresh interpreter, without what measures this one."""
    quiet = {key: value for key, value in os.environ.items() if not key.startswith(("COV", "OTEL_", "CALLSPAN_"))}
    done = subprocess.run(
        [sys.executable, "-c", code], env=quiet, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(scope="module", params=["import callspan", "from callspan import observe, span"])
def imported(request):
    return json.loads(run(PROBE % request.param))


def test_import_loads_nothing_heavy(imported):
    assert "callspan" in imported["loaded"]
    assert HEAVY.intersection(imported["loaded"]) == set()


def test_import_starts_no_thread(imported):
    assert imported["threads"] == []


def test_import_writes_no_file_and_calls_nobody(imported):
    assert imported["events"] == []


def test_import_prints_nothing():
    assert run("import callspan") == ""


def test_decorating_without_configure_is_inert(tmp_path):
    program = f"import os; os.chdir({str(tmp_path)!r})\n" + PROBE % (
        "import callspan\n@callspan.observe\ndef add(a, b): return a + b\nassert add(1, 2) == 3"
    )
    told = json.loads(run(program))
    assert (told["events"], told["threads"]) == ([], [])
    assert list(tmp_path.iterdir()) == []


def test_every_exported_name_resolves():
    for name in callspan.__all__:
        assert getattr(callspan, name) is not None, name


def test_type_checkers_see_what_all_says():
    tree = ast.parse(Path(callspan.__file__).read_text("utf-8"))
    (only_for_checkers,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = [alias.asname or alias.name for node in only_for_checkers.body for alias in node.names]
    assert sorted(seen) == sorted(set(callspan.__all__) - {"__version__"})
    assert sorted(callspan.__all__) == sorted(set(callspan.__all__))


def test_all_holds_what_users_rely_on():
    promised = (
        "configure instrument uninstrument observe llm chain agent tool retriever embedding reranker guardrail "
        "evaluator span current_span conversation context PromptTemplate using_prompt suppress flush shutdown stats"
    )
    assert set(promised.split()) <= set(callspan.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="observed"):
        callspan.observed  # noqa: B018 - the look-up is the test


def test_type_information_is_shipped():
    assert files("callspan").joinpath("py.typed").is_file()


def test_versions_agree():
    assert callspan.__version__ == VERSION
    try:
        assert metadata.version("callspan") == VERSION
    except metadata.PackageNotFoundError:
        pytest.skip("not installed: there is no metadata to compare with")
