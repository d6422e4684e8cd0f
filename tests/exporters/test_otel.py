"""Spans through OpenTelemetry's SDK: its real exporters and processors, and the provider that is set up."""

from __future__ import annotations

import subprocess
import sys

import pytest
from opentelemetry.sdk.resources import Resource as SdkResource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import callspan
from callspan.errors import ConfigurationError
from callspan.exporters import OtelExporter
from callspan.exporters.contract import Batch
from callspan.exporters.registry import make
from callspan.model.resource import Resource
from callspan.model.span import STATUS_ERROR, ErrorFacts, Event, Link
from callspan.version import VERSION
from spans import END_NS, PARENT_ID, SPAN_ID, START_NS, TRACE_ID, finished

RESOURCE = Resource({"service.name": "shop", "host.name": "h"})


def exported(*spans, **options):
    memory = InMemorySpanExporter()
    result = OtelExporter(memory, **options).export(Batch(spans, RESOURCE))
    assert (result.delivered, result.rejected) == (len(spans), 0)
    return memory.get_finished_spans()


def test_a_span_is_told_whole():
    span = finished(
        "llm",
        "chat gpt-4o",
        parent_id=PARENT_ID,
        operation="chat",
        request={"model": "gpt-4o", "temperature": 0.2, "stop_sequences": ["END"]},
        status=STATUS_ERROR,
        outcome="error",
        error=ErrorFacts("ValueError", "no", [("app.py", 3, "ask")]),
        events=[Event("picked", START_NS + 5, {"n": 1})],
        links=[Link(7, 8, {"why": "retry"})],
    )
    (told,) = exported(span)

    assert (told.name, told.kind, told.start_time, told.end_time) == ("chat gpt-4o", SpanKind.CLIENT, START_NS, END_NS)
    assert (told.context.trace_id, told.context.span_id, told.context.trace_flags) == (TRACE_ID, SPAN_ID, 1)
    assert (told.parent.trace_id, told.parent.span_id) == (TRACE_ID, PARENT_ID)
    assert dict(told.resource.attributes) == {"service.name": "shop", "host.name": "h"}
    assert (told.instrumentation_scope.name, told.instrumentation_scope.version) == ("callspan", VERSION)
    assert (told.status.status_code, told.status.description) == (StatusCode.ERROR, "ValueError: no")
    assert [(event.name, event.timestamp, dict(event.attributes)) for event in told.events] == [
        ("picked", START_NS + 5, {"n": 1}),
        (
            "exception",
            END_NS,
            {
                "exception.type": "ValueError",
                "exception.message": "no",
                "exception.stacktrace": "app.py:3 in ask",
            },
        ),
    ]
    assert [(link.context.trace_id, link.context.span_id, dict(link.attributes)) for link in told.links] == [
        (7, 8, {"why": "retry"})
    ]
    assert dict(told.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.stop_sequences": ("END",),
        "openinference.span.kind": "LLM",
        "callspan.outcome": "error",
        "error.type": "ValueError",
    }


def test_a_root_has_no_parent_and_a_chain_is_internal():
    (told,) = exported(finished("chain", "plan"))
    assert told.parent is None
    assert told.kind == SpanKind.INTERNAL
    assert told.status.status_code == StatusCode.UNSET


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, None]}, '{"a":[1,null]}'),
        ([1, "two"], '[1,"two"]'),
        ([1, 2], (1, 2)),
        ([1, True], "[1,true]"),
        ([2**70], ("1180591620717411303424",)),
        (2**70, "1180591620717411303424"),
        (-0.5, -0.5),
        ([], ()),
        ("\ud800", "\ufffd"),
    ],
)
def test_attributes_become_what_the_sdk_allows(value, expected):
    (told,) = exported(finished("tool", "t", attributes={"mine": value}))
    assert told.attributes["mine"] == expected
    assert type(told.attributes["mine"]) is type(expected)


def test_dialects_are_chosen_and_their_schema_told():
    (told,) = exported(finished("llm", "chat", request={"model": "m"}), dialects="openinference")
    assert told.attributes["llm.model_name"] == "m"
    assert "gen_ai.request.model" not in told.attributes

    (told,) = exported(finished("llm", "chat"), dialects="genai-1.41")
    assert told.instrumentation_scope.schema_url == "https://opentelemetry.io/schemas/1.41.0"


class Failing(SpanExporter):
    def export(self, spans):
        return SpanExportResult.FAILURE


def test_what_an_exporter_fails_to_send_is_counted():
    result = OtelExporter(Failing()).export(Batch([finished(), finished()], RESOURCE))
    assert (result.delivered, result.rejected, result.reason) == (0, 2, "the OpenTelemetry exporter failed")


@pytest.mark.parametrize("processor", [BatchSpanProcessor, SimpleSpanProcessor])
def test_a_processor_gets_each_span_and_has_sent_them_after_a_flush(processor):
    memory = InMemorySpanExporter()
    callspan.configure(service_name="shop", exporters=[processor(memory)])
    with callspan.span("outer"), callspan.span("inner"):
        pass
    assert callspan.flush(5)

    inner, outer = memory.get_finished_spans()
    assert (inner.name, outer.name, inner.parent.span_id) == ("inner", "outer", outer.context.span_id)
    assert callspan.stats()["otel"]["delivered"] == 2


def test_an_exporter_of_the_sdk_can_be_given_as_it_is_and_is_shut_down_with_ours():
    memory = InMemorySpanExporter()
    callspan.configure(service_name="shop", exporters=[memory])
    with callspan.span("one"):
        pass
    assert callspan.flush(5)
    assert [span.name for span in memory.get_finished_spans()] == ["one"]

    callspan.shutdown(5)
    assert memory._stopped


def test_the_same_exporter_of_the_sdk_outlives_a_new_configuration():
    memory = InMemorySpanExporter()
    callspan.configure(service_name="one", exporters=[memory])
    with callspan.span("before"):
        pass
    callspan.configure(service_name="two", exporters=[memory])
    with callspan.span("after"):
        pass
    assert callspan.flush(5)

    told = memory.get_finished_spans()
    assert [(span.name, span.resource.attributes["service.name"]) for span in told] == [
        ("before", "one"),
        ("after", "two"),
    ]


def test_a_provider_keeps_its_own_resource_and_is_never_shut_down():
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=SdkResource({"service.name": "theirs", "k": "v"}))
    provider.add_span_processor(BatchSpanProcessor(memory))
    exporter = OtelExporter(provider)
    assert exporter.export(Batch([finished()], RESOURCE)).delivered == 1
    exporter.close()

    (told,) = memory.get_finished_spans()
    assert dict(told.resource.attributes) == {"service.name": "theirs", "host.name": "h", "k": "v"}
    with provider.get_tracer("t").start_as_current_span("still works"):
        pass
    provider.force_flush()
    assert len(memory.get_finished_spans()) == 2


def test_a_provider_without_a_name_of_its_own_gets_ours():
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=SdkResource({"service.name": "unknown_service"}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    OtelExporter(provider).export(Batch([finished()], RESOURCE))
    (told,) = memory.get_finished_spans()
    assert told.resource.attributes["service.name"] == "shop"


PROGRAM = """
import callspan
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

callspan.configure(service_name="shop", exporters=["otel"])
with callspan.span("too early"):
    pass
flushed = callspan.flush(5)
print(flushed.ok, flushed.errors)
memory = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(memory))
trace.set_tracer_provider(provider)
with trace.get_tracer("theirs").start_as_current_span("outer"):
    with callspan.span("middle"):
        with trace.get_tracer("theirs").start_as_current_span("inner"):
            pass
print(callspan.flush(5).ok)
provider.force_flush()
spans = {span.name: span for span in memory.get_finished_spans()}
print(sorted(spans))
print(spans["middle"].parent.span_id == spans["outer"].context.span_id)
print(spans["inner"].parent.span_id == spans["middle"].context.span_id)
print(spans["middle"].resource.attributes["service.name"])
stats = callspan.stats()["otel"]
print(stats["delivered"], stats["rejected"], stats["dropped"])
"""


def test_the_provider_that_is_set_up_is_found_even_when_that_happens_later(tmp_path):
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.splitlines() == [
        "False ['otel: no OpenTelemetry provider is set up']",
        "True",
        "['inner', 'middle', 'outer']",
        "True",
        "True",
        "shop",
        "1 1 {}",
    ]
    assert done.stderr.count("set_tracer_provider") == 1


def test_without_the_sdk_the_setting_is_refused_and_nothing_else_is(tmp_path):
    program = (
        "import sys\n"
        "sys.modules['opentelemetry.sdk'] = None\n"
        "import callspan\n"
        "try:\n"
        "    callspan.configure(exporters=['otel'])\n"
        "except callspan.ConfigurationError as error:\n"
        "    print(error)\n"
        "callspan.configure(exporters=['memory'])\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk.')])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True)
    refusal, loaded = done.stdout.splitlines()
    assert "install opentelemetry-sdk" in refusal
    assert loaded == "[]"


@pytest.mark.parametrize("target", [3, object(), InMemorySpanExporter, "otlp"])
def test_what_is_no_target_is_refused(target):
    with pytest.raises(ConfigurationError, match="target"):
        OtelExporter(target)


def test_the_name_otel_is_known():
    assert isinstance(make("otel"), OtelExporter)
    with pytest.raises(ConfigurationError, match="name"):
        OtelExporter(name="")


@pytest.mark.parametrize(("level", "query"), [(False, None), ("metadata", "<str of 12>")])
def test_content_is_left_out_where_that_is_asked_for_and_nowhere_else(level, query):
    lean, whole = InMemorySpanExporter(), InMemorySpanExporter()
    callspan.configure(exporters=[OtelExporter(lean, capture_content=level, name="lean"), OtelExporter(whole)])

    @callspan.retriever
    def search(query: str) -> list[str]:
        return ["a private text"]

    search("who is Jane?")
    assert callspan.flush(5)

    (told,) = lean.get_finished_spans()
    assert told.attributes.get("gen_ai.retrieval.query.text") == query
    assert "private" not in told.to_json()
    (told,) = whole.get_finished_spans()
    assert told.attributes["gen_ai.retrieval.query.text"] == "who is Jane?"
    assert "a private text" in told.to_json()


def test_a_level_of_content_that_does_not_exist_is_refused():
    with pytest.raises(ConfigurationError, match="capture_content"):
        OtelExporter(InMemorySpanExporter(), capture_content="some")
