from __future__ import annotations

from callspan.reading.failures import own_message, read_events, take_error
from callspan.reading.otlp import read_request
from span_files import any_value, foreign

END = "1700000000250000000"


def event(time=END, name="exception", **attributes):
    pairs = [{"key": key.replace("_", "."), "value": any_value(value)} for key, value in attributes.items()]
    return {"name": name, "timeUnixNano": time, "attributes": pairs}


def error_of(*events, kind=None, outcome="error", message=None):
    (raw,) = read_request(foreign(events=list(events), status={"code": 2, "message": message}), print)
    assert raw is not None
    told = read_events(raw.events)
    error = take_error(raw, kind, outcome, told)
    return (error and (error.type, error.message, error.frames)), [one.name for one in told]


def test_our_own_event_is_taken_out():
    stack = "app.py:3 in main\nshop.py:9 in find"

    assert error_of(
        event(exception_type="KeyError", exception_message="'a'", exception_stacktrace=stack), kind="KeyError"
    ) == (("KeyError", "'a'", [("app.py", 3, "main"), ("shop.py", 9, "find")]), [])


def test_an_event_of_another_tool_stays():
    stack = 'Traceback (most recent call last):\n  File "app.py", line 3, in main\n    run()\nValueError: no'
    recorded = event(
        "1700000000240000000", exception_type="ValueError", exception_message="no", exception_stacktrace=stack
    )

    assert error_of(event(name="tick"), recorded) == (
        ("ValueError", "no", [("app.py", 3, "main")]),
        ["tick", "exception"],
    )


def test_an_exception_that_was_only_noted_is_no_error():
    recorded = event("1700000000240000000", exception_type="ValueError")

    assert error_of(recorded, outcome="ok") == (None, ["exception"])


def test_a_cancelled_call_keeps_what_ended_it():
    assert error_of(event(exception_type="CancelledError"), outcome="cancelled") == (("CancelledError", "", []), [])


def test_without_an_event_the_type_and_the_status_tell():
    assert error_of(kind="timeout", message="too slow") == (("timeout", "too slow", []), [])
    assert error_of(kind="_OTHER", message="too slow") == (None, [])
    assert error_of() == (None, [])
    assert error_of(event(), kind="timeout") == (("timeout", "", []), [])


def test_a_status_message_that_repeats_the_error_is_left_out():
    (raw,) = read_request(foreign(), print)
    assert raw is not None
    error = take_error(raw, "KeyError", "error", [])

    assert [own_message(text, error) for text in ("KeyError", "KeyError: ", "", "stock is empty")] == [
        None,
        None,
        None,
        "stock is empty",
    ]
    assert own_message("stock is empty", None) == "stock is empty"


def test_odd_events():
    (first,) = read_events(["text", {"name": 5, "time_unix_nano": 7}])

    assert (first.name, first.time_ns, first.attributes) == ("", 7, {})
