"""rotel, a collector in Rust: its decoder reads protobuf and JSON, and prints what it read."""

from __future__ import annotations

import re

import pytest

from callspan.exporters import OTLPExporter
from stories import eventually, run_quickstart, tell_story


def printed(log, count, beyond=0):
    """Return the spans it printed after the first `beyond` bytes, as dictionaries of their lines."""

    def find():
        text = log.read_text(errors="replace")[beyond:]
        blocks = re.split(r"^Span #\d+$", text, flags=re.MULTILINE)[1:]
        return blocks if len(blocks) >= count and blocks[-1].rstrip().count("callspan.outcome") else None

    spans = []
    for block in eventually(find):
        head = dict(re.findall(r"^ +(Trace ID|Parent ID|ID|Name|Kind|Status code) +: ?(.*)$", block, re.MULTILINE))
        attributes = re.findall(r"^     -> ([\w.]+): (\w+)\((.*)\)$", block, re.MULTILINE)
        spans.append((head, {name: (kind, value) for name, kind, value in attributes}, block))
    return spans


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("dialects", [["genai"], ["openinference"], ["genai", "openinference"]], ids="+".join)
def test_every_kind_in_every_dialect(rotel, protocol, compression, dialects):
    url, log = rotel
    beyond = len(log.read_text(errors="replace"))
    exporter = OTLPExporter(url, protocol=protocol, compression=compression, dialects=dialects)
    made = tell_story(exporter, "story", "c-1")
    spans = {head["Name"]: (head, attributes, block) for head, attributes, block in printed(log, 9, beyond)}
    assert set(spans) == {"turn", "search", "rank", "embed", "guard", "judge", "plan", "lookup", "ask"}
    for name, (trace_id, span_id) in made.items():
        head, attributes, _ = spans[name]
        assert (head["Trace ID"], head["ID"]) == (trace_id, span_id)
        assert head["Parent ID"] == ("" if name == "turn" else made["turn"][1])
        assert attributes["callspan.conversation.step"] == ("Int", "1")
    lookup = spans["lookup"]
    assert lookup[0]["Status code"] == "STATUS_CODE_ERROR"
    assert "exception.message: Str(no such company)" in lookup[2]
    assert "-> Name: given up" in spans["turn"][2]
    assert "tries: Int(1)" in spans["turn"][2]
    assert spans["search"][1]["retrieval.documents.0.document.score"] == ("Double", "0.91")
    template = spans["ask"][1]["llm.prompt_template.template"]
    assert template == ("Str", "Name a company that makes {product}.")
    conversation = "gen_ai.conversation.id" if "genai" in dialects else "session.id"
    assert spans["ask"][1][conversation] == ("Str", "c-1")


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_the_quickstart(rotel, tmp_path, protocol):
    url, log = rotel
    beyond = len(log.read_text(errors="replace"))
    run_quickstart(tmp_path, url, OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
    spans = printed(log, 11, beyond)
    names = sorted(head["Name"] for head, _, _ in spans)
    assert names.count("chat gpt-4o-mini") == 3
    assert names.count("embeddings text-embedding-3-small") == 3
    used = [int(attributes["gen_ai.usage.input_tokens"][1]) for head, attributes, _ in spans if "chat" in head["Name"]]
    assert len(used) == 3
    assert all(used)
