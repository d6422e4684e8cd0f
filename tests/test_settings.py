from __future__ import annotations

import sys
from typing import Any

import pytest

from callspan import environment
from callspan.environment import say_once
from callspan.errors import ConfigurationError
from callspan.exporters import MemoryExporter
from callspan.guard import guard
from callspan.settings import Settings, is_disabled, read, seconds

MEMORY = MemoryExporter()


@pytest.fixture(autouse=True)
def nothing_warned(monkeypatch):
    monkeypatch.setattr(environment, "_warned", set())
    guard.forget()
    yield
    guard.forget()


def from_environment(**variables: str) -> Settings:
    return read(environ=variables)


# -- the environment ---------------------------------------------------------------------------------------------------

GOOD = [
    ("CALLSPAN_SERVICE_NAME", "shop", "service_name", "shop"),
    ("CALLSPAN_SERVICE_NAME", "  shop bot  ", "service_name", "shop bot"),
    ("CALLSPAN_SERVICE_NAME", "läden", "service_name", "läden"),
    ("OTEL_SERVICE_NAME", "shop", "service_name", "shop"),
    ("CALLSPAN_EXPORTERS", "memory", "exporters", ("memory",)),
    ("CALLSPAN_EXPORTERS", " File , MEMORY,,file ", "exporters", ("file", "memory")),
    ("CALLSPAN_SAMPLE_RATE", "0", "sample_rate", 0.0),
    ("CALLSPAN_SAMPLE_RATE", " 0.25 ", "sample_rate", 0.25),
    ("CALLSPAN_SAMPLE_RATE", "1", "sample_rate", 1.0),
    ("CALLSPAN_SAMPLE_RATE", "1e-3", "sample_rate", 0.001),
    ("CALLSPAN_CAPTURE_CONTENT", "false", "capture_content", False),
    ("CALLSPAN_CAPTURE_CONTENT", "0", "capture_content", False),
    ("CALLSPAN_CAPTURE_CONTENT", "No", "capture_content", False),
    ("CALLSPAN_CAPTURE_CONTENT", "OFF", "capture_content", False),
    ("CALLSPAN_CAPTURE_CONTENT", "true", "capture_content", True),
    ("CALLSPAN_CAPTURE_CONTENT", "Yes", "capture_content", True),
    ("CALLSPAN_CAPTURE_CONTENT", "on", "capture_content", True),
    ("CALLSPAN_CAPTURE_CONTENT", "1", "capture_content", True),
    ("CALLSPAN_CAPTURE_CONTENT", "metadata", "capture_content", "metadata"),
    ("CALLSPAN_CAPTURE_CONTENT", "None", "capture_content", "none"),
    ("CALLSPAN_CAPTURE_CONTENT", "full", "capture_content", "full"),
    ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "false", "capture_content", False),
    ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "NO_CONTENT", "capture_content", False),
    ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "EVENT_ONLY", "capture_content", False),
    ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_AND_EVENT", "capture_content", True),
    ("OTEL_RESOURCE_ATTRIBUTES", "a=1,b=two%20words, c = d=e ,", "resource", {"a": "1", "b": "two words", "c": "d=e"}),
    ("OTEL_RESOURCE_ATTRIBUTES", "a=1,a=2", "resource", {"a": "2"}),
    ("OTEL_RESOURCE_ATTRIBUTES", "a=", "resource", {"a": ""}),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318", "exporters", ("otlp",)),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "HTTPS://collector/v1/traces", "exporters", ("otlp",)),
    ("CALLSPAN_FLUSH_ON_SIGTERM", "yes", "flush_on_sigterm", True),
    ("CALLSPAN_PROPAGATE_CONVERSATION", "1", "propagate_conversation", True),
    ("CALLSPAN_FLUSH_ON", "root", "flush_on", "root"),
    ("CALLSPAN_FLUSH_ON", " Never ", "flush_on", "never"),
    ("AWS_LAMBDA_FUNCTION_NAME", "shop", "flush_on", "root"),
    ("K_SERVICE", "shop", "flush_on", "root"),
]


@pytest.mark.parametrize(("variable", "value", "field", "expected"), GOOD)
def test_a_variable_is_read(variable, value, field, expected, caplog):
    assert getattr(from_environment(**{variable: value}), field) == expected
    assert caplog.messages == []


TEXT = "printable text of a sensible length"
BAD = [
    *((name, "hush\nhush", TEXT) for name in ("CALLSPAN_SERVICE_NAME", "OTEL_SERVICE_NAME", "CALLSPAN_EXPORTERS")),
    ("CALLSPAN_SAMPLE_RATE", "hush\x00", TEXT),
    ("OTEL_RESOURCE_ATTRIBUTES", "a=hush\x1b[31m", TEXT),
    ("CALLSPAN_SERVICE_NAME", "hush\udcff", TEXT),  # bytes that are no UTF-8
    ("CALLSPAN_SERVICE_NAME", "hush" * 20_000, TEXT),
    ("CALLSPAN_EXPORTERS", ",,", "names separated by commas"),
    ("CALLSPAN_SAMPLE_RATE", "hush", "a number from 0 to 1"),
    ("CALLSPAN_SAMPLE_RATE", "-0.1", "a number from 0 to 1"),
    ("CALLSPAN_SAMPLE_RATE", "1.1", "a number from 0 to 1"),
    ("CALLSPAN_SAMPLE_RATE", "1e309", "a number from 0 to 1"),
    ("CALLSPAN_SAMPLE_RATE", "nan", "a number from 0 to 1"),
    ("CALLSPAN_SAMPLE_RATE", "50%", "a number from 0 to 1"),
    ("CALLSPAN_SAMPLE_RATE", "9" * 5000, "a number from 0 to 1"),
    ("OTEL_RESOURCE_ATTRIBUTES", "hush", "key=value pairs separated by commas"),
    ("OTEL_RESOURCE_ATTRIBUTES", "a=1,=hush", "key=value pairs separated by commas"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "hush:4318", "a URL that starts with http:// or https://"),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "file:///hush", "a URL that starts with http:// or https://"),
    ("CALLSPAN_FLUSH_ON", "hush", "root or never"),
    ("CALLSPAN_DISABLED", "hush", "true or false"),
    ("OTEL_SDK_DISABLED", "hush", "true or false"),
]


@pytest.mark.parametrize(("variable", "value", "expected"), BAD)
def test_a_wrong_variable_warns_once_and_counts_as_not_set(variable, value, expected, caplog):
    for _ in range(3):
        assert read(environ={variable: value}) == Settings(is_default_exporter=True)
        assert not is_disabled({variable: value})
    assert caplog.messages == [f"environment variable {variable} is ignored: it needs {expected}"]
    assert "hush" not in caplog.text


@pytest.mark.parametrize("value", ["hush", "2", "-1", "hush\x00"])
@pytest.mark.parametrize("ours", [True, False])
def test_of_content_nothing_is_recorded_where_nobody_knows_how_much_was_meant(value, ours, caplog):
    theirs = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
    variables = {"CALLSPAN_CAPTURE_CONTENT": value, theirs: "true"} if ours else {theirs: value}
    for _ in range(3):
        assert from_environment(**variables).capture_content is False
    assert read(environ=variables, capture_content=True).capture_content is True
    (message,) = caplog.messages
    assert message.startswith(f"environment variable {next(iter(variables))} is ignored: it needs ")
    assert "hush" not in message


@pytest.mark.parametrize("value", ["", "   ", "\t"])
@pytest.mark.parametrize("variable", sorted({variable for variable, *_ in BAD}))
def test_an_empty_variable_is_not_set(variable, value, caplog):
    assert read(environ={variable: value}) == Settings(is_default_exporter=True)
    assert not is_disabled({variable: value})
    assert caplog.messages == []


def test_an_unknown_variable_is_nobodys(caplog):
    assert from_environment(CALLSPAN_SAMPEL_RATE="0.5") == Settings(is_default_exporter=True)
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"CALLSPAN_DISABLED": "true"}, True),
        ({"OTEL_SDK_DISABLED": "TRUE"}, True),
        ({"OTEL_SDK_DISABLED": "false"}, False),
        ({"CALLSPAN_DISABLED": "false", "OTEL_SDK_DISABLED": "true"}, False),
        ({"CALLSPAN_DISABLED": "true", "OTEL_SDK_DISABLED": "false"}, True),
        ({"CALLSPAN_DISABLED": "perhaps", "OTEL_SDK_DISABLED": "true"}, True),
    ],
)
def test_the_environment_may_switch_all_of_it_off(variables, expected):
    assert is_disabled(variables) is expected


# -- precedence --------------------------------------------------------------------------------------------------------

EVERYTHING = {
    "CALLSPAN_SERVICE_NAME": "callspan",
    "OTEL_SERVICE_NAME": "otel",
    "OTEL_RESOURCE_ATTRIBUTES": "service.name=attribute,team=otel,zone=a",
    "CALLSPAN_EXPORTERS": "memory",
    "CALLSPAN_SAMPLE_RATE": "0.5",
    "CALLSPAN_CAPTURE_CONTENT": "false",
}


def test_arguments_win():
    found = read("argument", ["file"], 0.0, True, {"team": "argument"}, EVERYTHING)
    assert found == Settings(
        service_name="argument",
        exporters=("file",),
        sample_rate=0.0,
        capture_content=True,
        resource={"service.name": "attribute", "team": "argument", "zone": "a"},
    )


def test_our_variables_win_over_those_of_opentelemetry():
    assert read(environ=EVERYTHING) == Settings(
        service_name="callspan",
        exporters=("memory",),
        sample_rate=0.5,
        capture_content=False,
        resource={"service.name": "attribute", "team": "otel", "zone": "a"},
    )
    del EVERYTHING["CALLSPAN_SERVICE_NAME"]
    assert read(environ=EVERYTHING).service_name == "otel"


def test_an_endpoint_chooses_the_exporter_only_where_nobody_else_does():
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
    assert not read(environ=endpoint).is_default_exporter
    assert read(exporters=["file"], environ=endpoint).exporters == ("file",)
    assert read(environ={**endpoint, "CALLSPAN_EXPORTERS": "memory"}).exporters == ("memory",)


@pytest.mark.parametrize(
    ("wanted", "exporters"),
    [
        ("none", ("file",)),
        ("zipkin, Console", ("file",)),
        ("OTLP", ("otlp",)),
        ("console,otlp_proto_http", ("otlp",)),
        ("", ("otlp",)),
        (",", ("otlp",)),
    ],
)
def test_an_endpoint_that_is_not_for_traces_chooses_nothing(wanted, exporters):
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": wanted}
    told = read(environ=environ)
    assert (told.exporters, told.is_default_exporter) == (exporters, exporters == ("file",))
    assert read(exporters=["otlp"], environ=environ).exporters == ("otlp",)
    assert read(environ={"OTEL_TRACES_EXPORTER": "otlp"}).exporters == ("file",)


def test_where_processes_are_frozen_roots_flush_unless_somebody_says_no():
    frozen = {"AWS_LAMBDA_FUNCTION_NAME": "shop"}
    assert read(flush_on="never", environ=frozen).flush_on == "never"
    assert read(environ={**frozen, "CALLSPAN_FLUSH_ON": "never"}).flush_on == "never"
    assert read(flush_on="root", environ={"CALLSPAN_FLUSH_ON": "never"}).flush_on == "root"
    assert not read(environ=frozen).is_same_as(read(environ={}))


def test_a_service_name_in_the_resource_argument_is_an_argument():
    assert read(resource={"service.name": "argument"}, environ=EVERYTHING).service_name == "argument"
    assert read("first", resource={"service.name": "second"}).service_name == "first"


def test_a_wrong_variable_of_ours_leaves_the_one_of_opentelemetry():
    assert from_environment(CALLSPAN_SERVICE_NAME="a\nb", OTEL_SERVICE_NAME="otel").service_name == "otel"


def test_nothing_set_is_the_default():
    assert from_environment() == Settings(
        service_name=None,
        exporters=("file",),
        sample_rate=1.0,
        capture_content=True,
        resource={},
        is_default_exporter=True,
    )


def test_a_file_that_somebody_named_is_not_the_default():
    assert not from_environment(CALLSPAN_EXPORTERS="file").is_default_exporter
    assert not read(exporters=["file"]).is_default_exporter


# -- arguments ---------------------------------------------------------------------------------------------------------

NO_TEXT = "give a string that is not empty"
NO_PRINT = "give printable text of at most 65536 characters"
NO_LIST = 'give a list, as in exporters=["file"]'
EMPTY = 'it is empty; name one, as in exporters=["file"], or leave configure() out to record nothing'


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"service_name": 3}, f"service_name: got int; {NO_TEXT}"),
        ({"service_name": b"shop"}, f"service_name: got bytes; {NO_TEXT}"),
        ({"service_name": ""}, f"service_name: got str; {NO_TEXT}"),
        ({"service_name": "  "}, f"service_name: got str; {NO_TEXT}"),
        ({"service_name": "hush\nhush"}, f"service_name: got str; {NO_PRINT}"),
        ({"service_name": "hush\ud800"}, f"service_name: got str; {NO_PRINT}"),
        ({"service_name": "hush" * 20_000}, f"service_name: got str; {NO_PRINT}"),
        ({"exporters": []}, f"exporters: got list; {EMPTY}"),
        ({"exporters": ""}, f"exporters: got str; {EMPTY}"),
        ({"exporters": b"file"}, f"exporters: got bytes; {NO_LIST}"),
        ({"exporters": 3}, f"exporters: got int; {NO_LIST}"),
        ({"exporters": {"file"}}, f"exporters: got set; {NO_LIST}"),
        ({"exporters": {"file": 1}}, f"exporters: got dict; {NO_LIST}"),
        ({"exporters": MEMORY}, f"exporters: got MemoryExporter; {NO_LIST}"),
        ({"sample_rate": "0.5"}, "sample_rate: got str; give a number from 0 to 1"),
        ({"sample_rate": True}, "sample_rate: got bool; give a number from 0 to 1"),
        ({"sample_rate": -0.1}, "sample_rate: got float; give a number from 0 to 1"),
        ({"sample_rate": 2}, "sample_rate: got int; give a number from 0 to 1"),
        ({"sample_rate": 10**400}, "sample_rate: got int; give a number from 0 to 1"),
        ({"sample_rate": float("nan")}, "sample_rate: got float; give a number from 0 to 1"),
        ({"sample_rate": float("inf")}, "sample_rate: got float; give a number from 0 to 1"),
        ({"sample_rate": [1]}, "sample_rate: got list; give a number from 0 to 1"),
        ({"capture_content": "no"}, 'capture_content: got str; give True, False or "metadata"'),
        ({"flush_on_sigterm": 1}, "flush_on_sigterm: got int; give True or False"),
        ({"propagate_conversation": "yes"}, "propagate_conversation: got str; give True or False"),
        ({"capture_content": 0}, 'capture_content: got int; give True, False or "metadata"'),
        ({"flush_on": "exit"}, 'flush_on: got str; give "root" or "never"'),
        ({"flush_on": True}, 'flush_on: got bool; give "root" or "never"'),
        ({"resource": "a=1"}, 'resource: got str; give a dictionary, as in {"deployment.environment.name": "prod"}'),
        (
            {"resource": [("a", 1)]},
            'resource: got list; give a dictionary, as in {"deployment.environment.name": "prod"}',
        ),
        ({"resource": {1: "a"}}, "resource: got int; use attribute names that are printable strings"),
        ({"resource": {"": "a"}}, "resource: got str; use attribute names that are printable strings"),
        ({"resource": {"a\ud800": "a"}}, "resource: got str; use attribute names that are printable strings"),
        ({"resource": {"a": None}}, "resource['a']: got NoneType; give a string, a number or a bool"),
        ({"resource": {"a": ["hush"]}}, "resource['a']: got list; give a string, a number or a bool"),
        ({"resource": {"service.name": 3}}, f'resource["service.name"]: got int; {NO_TEXT}'),
    ],
)
def test_a_wrong_argument_is_named_with_its_class_and_the_fix(arguments, told):
    with pytest.raises(ConfigurationError) as raised:
        read(**arguments)
    assert str(raised.value) == told
    assert raised.value.field == told.split(":")[0]
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("file", ("file",)),
        ("File, memory", ("file", "memory")),
        (["file", " FILE ", "memory"], ("file", "memory")),
        (("file",), ("file",)),
        ([MEMORY, "file", MEMORY], (MEMORY, "file")),
        ([None, 3], (None, 3)),  # refused where exporters are made
    ],
)
def test_exporters_are_named_or_given_once_each(given, expected):
    assert read(exporters=given, environ={}).exporters == expected


def test_good_arguments():
    found = read(" shop ", sample_rate=1, resource={"a": 1, "b": True, "c": 0.5, "d": "x"}, environ={})
    assert (found.service_name, found.sample_rate) == ("shop", 1.0)
    assert found.resource == {"a": 1, "b": True, "c": 0.5, "d": "x"}
    assert type(found.sample_rate) is float


# -- being the same ----------------------------------------------------------------------------------------------------


class Equal(MemoryExporter):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Failing(MemoryExporter):
    def __eq__(self, other: object) -> bool:
        raise ValueError

    __hash__ = None  # type: ignore[assignment]


def test_settings_are_the_same_by_value_and_exporters_by_identity():
    first = read("shop", ["file", MEMORY], resource={"a": 1}, environ={})
    assert first.is_same_as(read("shop", ["FILE".lower(), MEMORY], resource={"a": 1}, environ={}))
    assert not first.is_same_as(None)
    assert not first.is_same_as(read("bank", ["file", MEMORY], resource={"a": 1}, environ={}))
    assert not first.is_same_as(read("shop", ["file"], resource={"a": 1}, environ={}))
    assert not first.is_same_as(read("shop", [MEMORY, "file"], resource={"a": 1}, environ={}))
    assert not first.is_same_as(read("shop", ["file", MemoryExporter()], resource={"a": 1}, environ={}))


@pytest.mark.parametrize("kind", [Equal, Failing])
def test_exporters_are_not_asked_whether_they_are_equal(kind: Any):
    one, other = kind(), kind()
    assert read(exporters=[one], environ={}).is_same_as(read(exporters=[one], environ={}))
    assert not read(exporters=[one], environ={}).is_same_as(read(exporters=[other], environ={}))
    assert len(read(exporters=[one, other], environ={}).exporters) == 2


# -- times and messages ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [(0, 0.0), (5, 5.0), (0.25, 0.25), (-3, 0.0), (float("inf"), 2_592_000.0), (10**400, 2_592_000.0)],
)
def test_seconds(given, expected):
    assert seconds("timeout_s", given) == expected


@pytest.mark.parametrize("given", [None, "5", True, float("nan"), [1], 1j])
def test_what_are_no_seconds(given):
    with pytest.raises(ConfigurationError, match=rf"^timeout_s: got {type(given).__name__}; give a number of seconds$"):
        seconds("timeout_s", given)


def test_a_message_is_said_once(capsys):
    for _ in range(3):
        say_once("writing here")
    say_once("writing there")
    assert capsys.readouterr().err == "writing here\nwriting there\n"


@pytest.mark.parametrize("error", [OSError, ValueError, AttributeError])
def test_a_closed_stderr_is_no_reason_to_fail(error, monkeypatch):
    class Closed:
        def write(self, _: str) -> int:
            raise error

    monkeypatch.setattr(sys, "stderr", Closed())
    say_once("writing here")


def test_no_stderr_at_all_is_none_either(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    say_once("writing here")
