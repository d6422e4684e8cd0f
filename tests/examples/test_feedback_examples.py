"""The examples about feedback: the route for browsers, and what is sent to Phoenix and Langfuse."""

from __future__ import annotations

import asyncio
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

import feedback_elsewhere
from callspan.model.feedback import COMPONENT, Feedback
from callspan.testing import capture
from feedback_route import app
from span_files import write
from spans import START_NS, finished

TRACEPARENT = "00-5b8aa5a2d2c872e8321cf37308d69df2-051581bf3cb55c13-01"


def ask(body, method="POST", path="/feedback"):
    """Send a request in two pieces, as servers may."""
    pieces = [{"body": body[:5], "more_body": True}, {"body": body[5:]}]
    sent = []

    async def receive():
        return pieces.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(app({"type": "http", "method": method, "path": path}, receive, send))
    return sent[0]["status"], sent[1]["body"].decode()


def test_a_browser_gives_feedback():
    with capture() as spans:
        body = {"traceparent": TRACEPARENT, "name": "helpful", "score": 1, "comment": "Ja, klar.", "annotator": "admin"}
        assert ask(json.dumps(body).encode()) == (202, "thank you")
    (given,) = spans
    assert given.parent_id == "051581bf3cb55c13"
    assert (given.feedback.score, given.feedback.comment, given.feedback.annotator) == (1.0, "Ja, klar.", "human")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"not json", 400, "Expecting value"),
        (b"[1, 2, 3]", 400, "'list' object"),
        (b'{"traceparent": "nonsense", "name": "a", "score": 1}', 400, "traceparent: got str"),
        (b'{"traceparent": "x"}', 400, "missing 1 required keyword-only argument: 'name'"),
        (b"x" * 20_000, 413, "at most 16384 bytes"),
    ],
)
def test_what_cannot_be_meant_is_refused(body, status, words):
    with capture() as spans:
        told = ask(body)
    assert told[0] == status
    assert words in told[1]
    assert spans == []


def test_other_paths_are_not_there():
    assert ask(b"{}", "GET")[0] == 404


@pytest.fixture
def backend():
    taken = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            taken.append((self.path, self.headers.get("authorization"), json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", taken
    server.shutdown()
    thread.join()
    server.server_close()


def test_feedback_is_written_elsewhere(backend, tmp_path, monkeypatch, capsys):
    url, taken = backend
    late = {"component": COMPONENT, "start_ns": START_NS + 9, "end_ns": START_NS + 9}
    told = Feedback("helpful", "span", 1.0, "up", "Yes.", "ann", "f-1")
    path = write(
        tmp_path / "spans.jsonl",
        [
            finished("chain", "answer", trace_id=1, span_id=1, conversation_id="c-1"),
            finished("evaluator", "feedback", trace_id=1, span_id=2, parent_id=1, feedback=told, **late),
            finished(
                "evaluator",
                "feedback",
                trace_id=3,
                span_id=3,
                conversation_id="c-1",
                feedback=Feedback("solved", "conversation", 0.5),
                **late,
            ),
            finished(
                "evaluator",
                "feedback",
                trace_id=4,
                span_id=4,
                parent_id=9,
                feedback=Feedback("lost", "span", 1),
                **late,
            ),
        ],
    )
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk")
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk")
    monkeypatch.delenv("PHOENIX_API_KEY", raising=False)
    monkeypatch.setattr("sys.argv", ["feedback_elsewhere", str(path), "--phoenix", url, "--langfuse", f"{url}/"])
    feedback_elsewhere.main()
    assert capsys.readouterr().out == "1 annotations to Phoenix\n3 scores to Langfuse\n"
    assert taken[0] == (
        "/v1/span_annotations",
        None,
        {
            "data": [
                {
                    "span_id": f"{1:016x}",
                    "name": "helpful",
                    "annotator_kind": "HUMAN",
                    "identifier": "f-1",
                    "result": {"score": 1.0, "label": "up", "explanation": "Yes."},
                    "metadata": {"annotator": "ann"},
                }
            ]
        },
    )
    assert {path for path, _, _ in taken[1:]} == {"/api/public/scores"}
    assert {key for _, key, _ in taken[1:]} == {"Basic cGs6c2s="}
    scores = {body["id"]: body for _, _, body in taken[1:]}
    assert scores[f"{2:016x}"]["value"] == 1.0
    assert scores[f"{2:016x}"]["observationId"] == f"{1:016x}"
    assert (scores[f"{2:016x}-label"]["value"], scores[f"{2:016x}-label"]["dataType"]) == ("up", "CATEGORICAL")
    assert scores[f"{3:016x}"]["sessionId"] == "c-1"
