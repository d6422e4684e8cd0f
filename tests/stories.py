"""What is sent to every backend: the quickstart as its reader runs it, and a story with one span of every kind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import callspan
import openai_server
from callspan.exporters import OTLPExporter
from programs import check_conserved, environment

T = TypeVar("T")
QUICKSTART = Path(openai_server.__file__).with_name("quickstart.py")


def run_quickstart(folder: Path, url: str, **variables: str) -> None:
    """Run the quickstart in a process of its own, told nothing but the address of the backend."""
    found = environment(OTEL_EXPORTER_OTLP_ENDPOINT=url, CALLSPAN_EXPORTERS="otlp,file", **variables)
    kept = {name: value for name, value in found.items() if not name.startswith("OPENAI_")}
    kept["PYTHONPATH"] = os.pathsep.join([kept["PYTHONPATH"], str(QUICKSTART.parent)])
    command = [sys.executable, str(QUICKSTART)]
    done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "were not delivered" not in done.stderr


def tell_story(exporter: OTLPExporter, project: str, conversation: str) -> dict[str, Any]:
    """Send a turn with a span of every kind, an error among them; return IDs by name."""
    callspan.configure(service_name="shop-bot", exporters=[exporter], resource={"openinference.project.name": project})
    made = {}

    def step(name: str, kind: str, output: Any, **given: Any) -> None:
        with callspan.span(name, kind=kind, **given) as span:
            span.set_output(output)
            made[name] = span

    naming = callspan.PromptTemplate("Name a company that makes {product}.", name="naming", version="3")
    with callspan.conversation(conversation, user_id="u-7"), callspan.span("turn", kind="agent", input="socks") as turn:
        made["turn"] = turn
        documents = [{"id": "n-7", "text": "Sockrates", "score": 0.91}, {"id": "n-8", "text": "Bigfoot", "score": 0.5}]
        step("search", "retriever", documents, input="socks")
        step("rank", "reranker", documents[:1], input="socks")
        step("embed", "embedding", None, input="socks")
        step("guard", "guardrail", True, input="socks")
        step("judge", "evaluator", 0.5, input="Sockrates")
        step("plan", "chain", ["ask"], input="socks")
        try:
            with callspan.span("lookup", kind="tool", input={"name": "Sockrates"}) as tool:
                made["lookup"] = tool
                raise ValueError("no such company")
        except ValueError:
            turn.add_event("given up", {"tries": 1})
        with callspan.using_prompt(naming.format(product="socks")):
            ask()
    assert callspan.flush(timeout_s=30), callspan.stats()
    stats = callspan.stats()
    check_conserved(stats)
    assert stats["otlp"]["delivered"] == 9
    callspan.shutdown()
    return {name: (f"{span.trace_id:032x}", f"{span.span_id:016x}") for name, span in made.items()}


@callspan.llm
def ask() -> str:
    """Answer as a model would."""
    return "Feetures"


def eventually(find: Callable[[], T], *, timeout_s: float = 30.0) -> T:
    """Ask until the answer is something, since backends take their time to show what they took."""
    deadline = time.monotonic() + timeout_s
    while not (found := find()):
        assert time.monotonic() < deadline, "nothing came of it in time"
        time.sleep(0.2)
    return found
