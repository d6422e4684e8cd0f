"""Real backends on 127.0.0.1, each started by the command in its variable; `nox -s backends` installs them and sets it.

CALLSPAN_BACKEND_PHOENIX, CALLSPAN_BACKEND_ROTEL, CALLSPAN_BACKEND_MLFLOW: the path of the program. Without any of them,
nothing in this folder is collected.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from receiver import closed_port

VARIABLES = {name: f"CALLSPAN_BACKEND_{name.upper()}" for name in ("phoenix", "rotel", "mlflow")}

collect_ignore_glob = [f"test_{name}.py" for name, variable in VARIABLES.items() if not os.environ.get(variable)]


@contextmanager
def started(
    name: str,
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    is_ready: Callable[[], bool],
    timeout_s: float,
) -> Iterator[Path]:
    """Start a backend, wait until it is ready, and end it with all its children; give the file it prints to."""
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [os.environ[VARIABLES[name]], *arguments],
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + timeout_s
        while not is_ready():
            assert process.poll() is None, log.read_text(errors="replace")[-4000:]
            assert time.monotonic() < deadline, f"{name} is not ready; it printed {log.read_text(errors='replace')!r}"
            time.sleep(0.2)
        yield log
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def answers(url: str) -> bool:
    """Return whether a URL is answered with a success."""
    try:
        return httpx.get(url, timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def phoenix(tmp_path_factory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("phoenix"), closed_port()
    environment = {
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(closed_port()),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
        "PHOENIX_SQL_DATABASE_URL": "sqlite:///:memory:",
    }
    url = f"http://127.0.0.1:{port}"
    with started("phoenix", ["serve"], folder, environment, lambda: answers(f"{url}/healthz"), timeout_s=180):
        yield url


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("mlflow"), closed_port()
    arguments = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    arguments += ["--backend-store-uri", "sqlite:///m.db"]
    url = f"http://127.0.0.1:{port}"
    environment = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
    with started("mlflow", arguments, folder, environment, lambda: answers(f"{url}/health"), timeout_s=300):
        yield url


@pytest.fixture(scope="session")
def rotel(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    folder, port = tmp_path_factory.mktemp("rotel"), closed_port()
    arguments = ["start", "--otlp-http-endpoint", f"127.0.0.1:{port}", "--exporter", "blackhole"]
    arguments += ["--otlp-grpc-endpoint", f"127.0.0.1:{closed_port()}"]
    arguments += ["--debug-log", "traces", "--debug-log-verbosity", "detailed"]

    def is_ready() -> bool:
        try:
            httpx.get(f"http://127.0.0.1:{port}/", timeout=5, trust_env=False)
        except httpx.TransportError:
            return False
        return True

    with started("rotel", arguments, folder, {}, is_ready, timeout_s=30) as log:
        yield f"http://127.0.0.1:{port}", log
