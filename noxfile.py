"""Every check of the project, each in an environment of its own.

nox                      what every change must pass: lint, types, tests and coverage on this Python, the build
nox -s tests             all supported Pythons (those that are on the machine) x openai none, 1, 2, 3
nox -s tests-3.12 -- tests/model -k prompt
nox -s langchain         LangChain and LangGraph, oldest and newest core
nox -s llama_index       LlamaIndex, oldest and newest core
nox -s oldest            the oldest dependencies that are promised to work
nox -s faults -- 20      the fault cases, 20 times
nox -s backends          real backends, each in an environment of its own; backends_mlflow is another, slow one
nox -s neighbours        beside other people's instrumentations of openai
nox -s aimock            openai against a mock server that others wrote; needs Node
nox -s bench             the benchmarks: ratios to the floor and to OpenTelemetry
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PYPROJECT = nox.project.load_toml("pyproject.toml")
PROJECT = PYPROJECT["project"]
CLASSIFIED = [match[1] for line in PROJECT["classifiers"] if (match := re.search(r"Python :: (3\.\d+)$", line))]
RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = CLASSIFIED if RUNNING in CLASSIFIED else [*CLASSIFIED, RUNNING]
OPENAI = ["none", "1", "2", "3"]  # major versions; all are supported
LANGCHAIN = ["oldest", "newest"]
LLAMA_INDEX = ["oldest", "newest"]  # its package for OpenAI needs openai below 3: an environment of its own

AIMOCK = "@copilotkit/aimock"
TWO_AT_ONCE = ["-n", "2", "--dist", "loadfile"]

os.environ.setdefault("UV_PYTHON_DOWNLOADS", "never")
nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False  # even where CI is set: a Python that is not there is skipped
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = [
    "lint",
    "types",
    f"tests-{RUNNING}(openai='{OPENAI[-1]}')",
    f"langchain-{RUNNING}(core='{LANGCHAIN[-1]}')",
    f"llama_index-{RUNNING}(core='{LLAMA_INDEX[-1]}')",
    "coverage",
    "build",
]


def group(name: str) -> Iterator[str]:
    """Yield the requirements of a dependency group, those it includes too."""
    for item in PYPROJECT["dependency-groups"][name]:
        if isinstance(item, str):
            yield item
        else:
            yield from group(item["include-group"])


def lowest(requirement: str) -> str:
    """Return the requirement at its lower bound: `httpx>=0.25` becomes `httpx==0.25.*`."""
    name, bound = re.match(r"([\w.-]+)>=([\d.]+)", requirement).groups()
    return f"{name}=={bound}.*"


@nox.session
def lint(session: nox.Session) -> None:
    """Check the style and the format of everything."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types: all of the library by mypy, what users see of it by pyright too."""
    session.install("-e", ".", *group("types"))
    session.run("mypy")
    session.run("pyright", "--pythonpath", shutil.which("python", path=session.bin) or "python")


@nox.session(python=PYTHONS)
@nox.parametrize("openai", OPENAI)
def tests(session: nox.Session, openai: str) -> None:
    """Run the tests without openai, or with one of its major versions; with no arguments, measure coverage too."""
    chosen = ["-e", "."] if openai == "none" else ["-e", ".[openai]", f"openai=={openai}.*"]
    session.install(*chosen, *group("test"))
    if session.posargs:
        session.run("python", "-m", "pytest", *session.posargs)
        return
    data = ROOT / f".coverage.{session.python}-{openai}"
    for stale in ROOT.glob(f"{data.name}.*"):
        stale.unlink()
    session.env["COVERAGE_FILE"] = str(data)
    run_tests(session, "coverage", "run", "-m", "pytest", "--ignore=tests/faults", *TWO_AT_ONCE)
    # The fault cases measure time and memory: they run unwatched, and alone.
    run_tests(session, "python", "-m", "pytest", "tests/faults")


@nox.session(python=PYTHONS)
@nox.parametrize("core", LANGCHAIN)
def langchain(session: nox.Session, core: str) -> None:
    """Run the tests of LangChain and LangGraph with the oldest or newest langchain-core, and measure coverage."""
    session.install("-e", ".", pinned("langchain", core), *group("langchain"), *group("test"))
    run_framework(session, f"langchain-{core}", "tests/integrations/langchain", "tests/examples/test_langchain.py")


@nox.session(python=PYTHONS)
@nox.parametrize("core", LLAMA_INDEX)
def llama_index(session: nox.Session, core: str) -> None:
    """Run the tests of LlamaIndex with the oldest or newest version of its core, and measure coverage."""
    session.install("-e", ".", pinned("llama-index", core), *group("llama_index"), *group("test"))
    folders = ["tests/integrations/llama_index", "tests/examples/test_llama_index_rag.py"]
    run_framework(session, f"llama_index-{core}", *folders)


def pinned(extra: str, core: str) -> str:
    """Return what an extra asks for, at its lower bound where the oldest is wanted."""
    (requirement,) = PROJECT["optional-dependencies"][extra]
    if core == "newest":
        return requirement
    bound = requirement.replace(">=", "==")
    return bound if bound.count(".") == 2 else f"{bound}.0"


def run_framework(session: nox.Session, name: str, *folders: str) -> None:
    """Run the tests of a framework and measure coverage. Older versions warn of what they do themselves."""
    data = ROOT / f".coverage.{name}-{session.python}"
    for stale in ROOT.glob(f"{data.name}.*"):
        stale.unlink()
    session.env["COVERAGE_FILE"] = str(data)
    run_tests(session, "coverage", "run", "-m", "pytest", "-W", "ignore", *(session.posargs or folders))


def run_tests(session: nox.Session, *command: str) -> None:
    """Run tests, and those that failed once more.

    A machine that is busy for a moment breaks a deadline once, and not twice; `nox -s faults` forgives nothing.
    """
    own = "-o", f"cache_dir=.pytest_cache/{session.name}-{command[0]}"  # else failures elsewhere are looked for here
    session.run(*command, *own, success_codes=[0, 1])
    session.run(*command, *own, "--last-failed", "--last-failed-no-failures=none", success_codes=[0, 5])


@nox.session
def coverage(session: nox.Session) -> None:
    """Add up what the tests sessions measured; fail where too little was covered."""
    session.install(*(requirement for requirement in group("test") if requirement.startswith("coverage")))
    session.run("coverage", "combine")
    session.run("coverage", "report")


@nox.session(python=CLASSIFIED[0])
def oldest(session: nox.Session) -> None:
    """Run the tests with the oldest Python and the oldest dependencies that pyproject.toml admits."""
    core = [lowest(requirement) for requirement in PROJECT["dependencies"]]
    extra = [lowest(requirement) for requirement in PROJECT["optional-dependencies"]["openai"]]
    others = [
        lowest(requirement) if requirement.startswith("opentelemetry-") else requirement
        for requirement in group("test")
    ]
    session.install("-e", ".[openai]", *core, *extra, *others)
    session.run("python", "-m", "pytest", *(session.posargs or ["--ignore=tests/faults"]))


@nox.session
def faults(session: nox.Session) -> None:
    """Run the fault cases many times, 20 unless told otherwise: what is wrong once in ten is wrong.

    The first round is the full one: every thread, process, fork and second that the cases ask for.
    """
    count, *arguments = session.posargs or ["20"]
    session.install("-e", ".[openai]", *group("test"))
    for number in range(int(count)):
        session.log(f"round {number + 1} of {count}")
        full = {"CALLSPAN_FAULTS_FULL": "1", "CALLSPAN_SOAK_S": "60"} if number == 0 else {}
        session.run("python", "-m", "pytest", "tests/faults", "-q", *arguments, env=full)


def backend(session: nox.Session, requirement: str, command: str) -> str:
    """Install a backend into an environment of its own, since its requirements are its own; return its command."""
    environment = Path(session.virtualenv.location) / "backends" / re.split(r"[<>=]", requirement)[0]
    if not environment.exists():
        session.run("python", "-m", "venv", str(environment), silent=True)
    session.run(str(environment / "bin" / "python"), "-m", "pip", "install", "-q", requirement, external=True)
    found = [*environment.glob(command)]
    if not found:
        session.error(f"{requirement} has no {command}")
    return str(found[0])


@nox.session
def backends(session: nox.Session) -> None:
    """Start Arize Phoenix and rotel on 127.0.0.1, send the quickstart and read it back; it takes a gigabyte of disk."""
    session.install("-e", ".[openai]", *group("test"))
    session.env["CALLSPAN_BACKEND_ROTEL"] = backend(session, "rotel", "lib/python*/site-packages/rotel/rotel-agent")
    session.env["CALLSPAN_BACKEND_PHOENIX"] = backend(session, "arize-phoenix>=20", "bin/phoenix")
    session.run("python", "-m", "pytest", "tests/backends", *session.posargs)


@nox.session
def backends_mlflow(session: nox.Session) -> None:
    """Do the same with MLflow's tracking server, which takes minutes and two gigabytes of memory."""
    session.install("-e", ".[openai]", *group("test"))
    session.env["CALLSPAN_BACKEND_MLFLOW"] = backend(session, "mlflow>=3.6", "bin/mlflow")
    session.run("python", "-m", "pytest", "tests/backends", *session.posargs)


@nox.session
def neighbours(session: nox.Session) -> None:
    """Run beside OpenInference's and OpenTelemetry's instrumentations of openai, on and off in both orders."""
    session.install("-e", ".[openai]", *group("neighbours"), *group("test"))
    session.run("python", "-m", "pytest", "tests/neighbours", *session.posargs)


@nox.session
def aimock(session: nox.Session) -> None:
    """Run tests of openai against a mock server that others wrote, which is installed by npm."""
    session.install("-e", ".[openai]", *group("test"))
    folder = Path(session.create_tmp()).resolve()
    session.run("npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), AIMOCK, external=True)
    session.env["AIMOCK"] = str(folder / "node_modules" / AIMOCK / "dist" / "cli.js")
    session.run("python", "-m", "pytest", *(session.posargs or ["tests/integrations/openai/test_aimock.py"]))


@nox.session
def bench(session: nox.Session) -> None:
    """Measure what callspan costs; fails when a ratio that is promised is not reached."""
    session.install("-e", ".[openai]", *group("bench"))
    session.run("python", "-m", "benchmarks.run", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build both distributions, look into the wheel, install it, import it and run the quickstart with it."""
    session.install(*group("build"))
    folder = Path(session.create_tmp()).resolve() / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(folder), str(ROOT))
    (wheel,) = folder.glob("*.whl")
    complain_about(wheel, session)
    session.install("--force-reinstall", "--no-deps", str(wheel))  # a rebuilt wheel has the version of the last one
    session.install(f"callspan[demo] @ {wheel.as_uri()}")
    session.chdir(folder)
    session.run("python", "-c", "import callspan; print('callspan', callspan.__version__, 'from', callspan.__file__)")
    session.run("python", str(ROOT / "examples" / "quickstart.py"), env={"OPENAI_API_KEY": ""})


def complain_about(wheel: Path, session: nox.Session) -> None:
    """Fail unless the wheel holds every file of the package, its metadata, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    sources = (path for path in (ROOT / "src").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    expected = {path.relative_to(ROOT / "src").as_posix() for path in sources}
    if names != expected:
        session.error(f"the wheel lacks {sorted(expected - names)} and should not hold {sorted(names - expected)}")
