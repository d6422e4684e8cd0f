from __future__ import annotations

import time
from email.utils import formatdate

import httpx
import pytest

from callspan.exporters.outcomes import Answer, of_error, retry_after_s

NOON = "Sun, 23 Nov 2025 12:00:00 GMT"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("0", 0.0), ("7", 7.0), (" 120 ", 120.0), ("1.5", 1.5), ("31536000", 31536000.0)),
        # by the receiver's own clock, whatever ours says
        *(("Sun, 23 Nov 2025 12:00:30 GMT", 30.0), ("Sun, 23 Nov 2025 13:00:30 +0100", 30.0)),
        ("Mon, 23 Nov 2026 12:00:00 GMT", 31536000.0),
        ("Sun, 23 Nov 2025 12:00:30", 30.0),
        # what cannot be meant
        *(("Sun, 23 Nov 2025 11:59:59 GMT", None), (NOON, None), ("Thu, 01 Jan 1970 00:00:00 GMT", None)),
        *(("", None), ("-1", None), ("1e309", None), ("1e3", None), ("9" * 400, None), ("soon", None), ("1 2", None)),
        *(("nan", None), ("inf", None), ("0x10", None), ("٣", None), (".", None), ("1.2.3", None), ("12:00", None)),
        *(("Sun, 99 Nov 2025 12:00:00 GMT", None), ("Sun, 23 Nov 99999 12:00:00 GMT", None), (", , ,", None)),
    ],
)
def test_how_long_to_wait(text, seconds):
    assert retry_after_s(httpx.Headers([(b"retry-after", text.encode()), (b"date", NOON.encode())])) == seconds


def test_a_date_counts_from_our_clock_where_the_receiver_tells_no_time():
    until = formatdate(time.time() + 100, usegmt=True)
    found = retry_after_s(httpx.Headers({"retry-after": until, "date": "tomorrow"}))
    assert found is not None
    assert 98 <= found <= 100


def test_no_header_says_nothing():
    assert retry_after_s(httpx.Headers()) is None


def test_a_circle_of_causes_is_left():
    error, cause = httpx.ReadError("a"), httpx.ReadError("b")
    error.__context__, cause.__context__ = cause, error
    assert of_error(error) == Answer("retry", "connection broke off")


def test_a_proxy_that_refuses_may_take_it_later():
    assert of_error(httpx.ProxyError("407 for me:s3cret")) == Answer("retry", "refused by the proxy")
