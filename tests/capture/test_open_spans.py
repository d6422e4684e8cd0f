"""What is open when the process ends is told as incomplete, once, by the process that opened it."""

from __future__ import annotations

from callspan.capture.open_spans import OpenSpans
from callspan.capture.switch import switch
from callspan.guard import guard
from callspan.model.span import NO_SPAN
from callspan.reading import load
from callspan.recording.otel import get_context
from callspan.recording.sites import Site
from callspan.testing import capture
from programs import run

SITE = Site("open", "chain")


def opened(name):
    span = switch.recorder.open(SITE, get_context())[0]
    span.name = name
    switch.recorder.start(span)
    return span


def test_what_is_open_ends_as_incomplete_the_latest_first():
    with capture() as spans:
        outer, inner, done = opened("outer"), opened("inner"), opened("done")
        done.end()
        found = OpenSpans()
        found.watch(lambda: [outer, NO_SPAN, inner, inner, done])
        found.end_all()
        found.end_all()
        assert [(span.name, span.outcome) for span in spans] == [
            ("done", "ok"),
            ("inner", "incomplete"),
            ("outer", "incomplete"),
        ]


def test_who_fails_to_tell_costs_no_other_its_end(monkeypatch):
    monkeypatch.setattr(guard, "strict", False)
    asked = []

    class Odd:
        def spans(self):
            asked.append("odd")
            raise RuntimeError

    odd, found = Odd(), OpenSpans()
    with capture() as spans:
        span = opened("outer")
        for source in (odd.spans, odd.spans, lambda: [span]):
            found.watch(source)
        found.end_all()
        assert spans.one("outer").outcome == "incomplete"
    assert asked == ["odd"]  # watched twice, asked once
    assert guard.counts.pop("looking for open spans") == 1


def test_a_child_leaves_alone_what_its_parent_has_open():
    with capture() as spans:
        found = OpenSpans()
        here = [opened("the parent's")]
        found.watch(lambda: here)
        found.after_fork()
        here.append(opened("the child's"))
        found.end_all()
        assert [span.name for span in spans] == ["the child's"]


def test_a_child_leaves_alone_the_streams_that_its_parent_has_open():
    class Stream:
        def end_unread(self):
            ended.append(self)

    ended, found, stream = [], OpenSpans(), Stream()
    found.streams.add(Stream())
    found.after_fork()
    found.streams.add(stream)
    found.end_all()
    assert ended == [stream]


def test_a_process_that_forks_and_exits_tells_each_open_span_once(tmp_path):
    run(
        """
        import os, sys
        import callspan
        from callspan.capture.open_spans import open_spans
        from callspan.capture.switch import switch
        from callspan.exporters import FileExporter
        from callspan.recording.otel import get_context
        from callspan.recording.sites import Site

        def opened(name):
            span = switch.recorder.open(Site(name, "chain"), get_context())[0]
            switch.recorder.start(span)
            found.append(span)

        found = []
        open_spans.watch(lambda: found)
        callspan.configure(exporters=[FileExporter("spans.jsonl")])
        opened("parent")
        child = os.fork()
        if not child:
            opened("child")
            sys.exit()
        assert os.waitpid(child, 0)[1] == 0
        """,
        tmp_path,
    )
    assert told(tmp_path) == [("child", "incomplete"), ("parent", "incomplete")]


def told(folder):
    """Return names and outcomes of what stands in the files of a folder."""
    return sorted((span.name, span.outcome) for path in folder.glob("*.jsonl") for span in load(path))
