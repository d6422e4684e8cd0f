from __future__ import annotations

import base64
import hashlib

import pytest

from callspan.model.facts import PromptUse
from callspan.pipeline.media import replace_media, told
from callspan.pipeline.redaction.gate import Gate
from callspan.policy import Redaction
from spans import FIXED, finished

PIXELS = bytes(range(256)) * 4
DATA = base64.b64encode(PIXELS).decode()
DIGEST = hashlib.sha256(DATA.encode()).hexdigest()[:16]
IMAGE = f"<image/png, 1024 bytes, sha256 of base64 {DIGEST}>"


def test_what_is_told_of_media():
    assert told("image/png", DATA) == IMAGE
    assert told(None, "AAAA") == told("", "AAAA")
    assert told(None, "AAAA").startswith("<data, 3 bytes")


def test_media_in_messages_and_data_urls_anywhere_are_replaced():
    blob = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": DATA}
    span = finished(
        input={"page": f"<img src='data:image/png;base64,{DATA}'> and more"},
        input_messages=[{"role": "user", "parts": [{"type": "text", "content": "What is this?"}, blob]}],
        output=f"data:image/png;charset=utf-8;base64,{DATA}",
        metadata={"icon": [f"data:;base64,{DATA}"]},
    )
    replace_media(span)
    facts = span.facts
    assert facts.input == {"page": f"<img src='{IMAGE}'> and more"}
    assert facts.input_messages[0]["parts"][1] == {**blob, "content": IMAGE}
    assert facts.input_messages[0]["parts"][0]["content"] == "What is this?"
    assert facts.output == IMAGE
    assert facts.metadata == {"icon": [f"<data, 1024 bytes, sha256 of base64 {DIGEST}>"]}
    assert facts.truncated["input_messages"] == len(DATA)
    assert set(facts.truncated) == {"input", "input_messages", "output", "metadata"}


def test_of_media_that_were_cut_the_size_of_the_whole_is_told():
    kept = DATA[:1000]
    digest = hashlib.sha256(kept.encode()).hexdigest()[:16]
    image = f"<image/png, about 15000000 bytes, sha256 of the first 1000 characters of base64 {digest}>"
    blob = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": f"{kept}<19999000 more>"}
    span = finished(
        input=f"data:image/png;base64,{kept}<19999000 more>",
        input_messages=[{"role": "user", "parts": [blob]}],
    )
    replace_media(span)
    assert span.facts.input == image
    assert span.facts.input_messages[0]["parts"][0]["content"] == image
    assert span.facts.truncated == {"input": 20_000_022, "input_messages": 20_000_000}


def test_short_ones_and_other_texts_stay():
    for kind in FIXED:
        span = FIXED[kind]
        replace_media(span)
        assert repr(span.facts) == repr(FIXED[kind].facts)
    small = finished(input="data:image/gif;base64,R0lGODlhAQABAAAAACw=")
    replace_media(small)
    assert small.facts.input == "data:image/gif;base64,R0lGODlhAQABAAAAACw="


def test_media_are_kept_when_asked_for():
    url = f"data:image/png;base64,{DATA}"
    kept, replaced = finished(input=url), finished(input=url)
    Gate(keep_media=True).clean(kept)
    Gate().clean(replaced)
    assert kept.facts.input == url
    assert replaced.facts.input == IMAGE


@pytest.mark.parametrize(
    "part",
    [
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": DATA},
        {"type": "image", "source_type": "base64", "mime_type": "image/png", "data": DATA},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}},
        {"type": "image", "mime_type": "image/png", "base64": DATA},
        {"type": "text", "content": f"see data:image/png;base64,{DATA}"},
        {"type": "image", "data": DATA, "mimeType": "image/png"},
        {"inline_data": {"mime_type": "image/png", "data": DATA}},
        {
            "type": "tool_call_response",
            "response": {"format": "image/png", "data": base64.encodebytes(PIXELS).decode()},
        },
        {"b64_json": DATA, "mime_type": "image/png", "revised_prompt": "A sock."},
    ],
)
def test_the_gate_which_looks_at_the_whole_span_first_sees_each_form(part):
    span = finished(input_messages=[{"role": "user", "parts": [{"type": "text", "content": "What is this?"}, part]}])
    Gate(Redaction(credentials=False)).clean(span)
    assert DATA[100:140] not in repr(span.facts)
    assert "<image/png, 10" in repr(span.facts)


def test_media_in_prompts_queries_and_embedded_texts_are_replaced():
    url = f"data:image/png;base64,{DATA}"
    span = finished(
        query=url, prompts=[PromptUse("{image}", {"image": url})], embeddings=[{"text": url, "vector": [0.5]}]
    )
    Gate().clean(span)
    facts = span.facts
    assert (facts.query, facts.prompts[0].variables, facts.embeddings[0]["text"]) == (IMAGE, {"image": IMAGE}, IMAGE)
    assert set(facts.truncated) == {"query", "prompts", "embeddings"}


def test_data_that_is_no_base64_stays():
    table = {"format": "csv", "data": "size,price\n" * 100}
    span = finished(output=[table, {"data": DATA}])
    Gate().clean(span)
    assert span.facts.output == [table, {"data": DATA}]
