"""MLflow: its tracking server takes OTLP as protobuf and as JSON, and adds tokens and sessions up itself."""

from __future__ import annotations

import json

import httpx
import pytest

from callspan.exporters import OTLPExporter
from stories import eventually, run_quickstart, tell_story

EXPERIMENT = {"x-mlflow-experiment-id": "0"}


def traces_of(url, wanted):
    """Return the traces, newest first, that `wanted` holds for; spans are read one trace at a time."""
    body = {
        "locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}],
        "max_results": 100,
    }

    def find():
        answer = httpx.post(f"{url}/api/3.0/mlflow/traces/search", json=body, timeout=60, trust_env=False)
        answer.raise_for_status()
        return [trace for trace in answer.json().get("traces", []) if wanted(trace)]

    return eventually(find, timeout_s=60)


def spans_of(url, trace):
    answer = httpx.get(
        f"{url}/api/3.0/mlflow/traces/get", params={"trace_id": trace["trace_id"]}, timeout=60, trust_env=False
    )
    answer.raise_for_status()
    return answer.json()["trace"]["spans"]


def attributes_of(span):
    """Return attributes by name; MLflow keeps each as a JSON text in an OTLP value."""
    found = {}
    for pair in span["attributes"]:
        (value,) = pair["value"].values()
        try:
            found[pair["key"]] = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            found[pair["key"]] = value
    return found


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
@pytest.mark.parametrize("dialects", [["genai"], ["openinference"], ["genai", "openinference"]], ids="+".join)
def test_every_kind_in_every_dialect(mlflow, protocol, dialects):
    exporter = OTLPExporter(mlflow, headers=EXPERIMENT, protocol=protocol, dialects=dialects, timeout_s=60)
    made = tell_story(exporter, "story", "c-1")
    trace_id = made["turn"][0]
    (trace,) = traces_of(mlflow, lambda trace: trace["trace_id"] == f"tr-{trace_id}")
    spans = {span["name"]: span for span in spans_of(mlflow, trace)}
    assert set(spans) == {"turn", "search", "rank", "embed", "guard", "judge", "plan", "lookup", "ask"}
    ids = {name: span["span_id"] for name, span in spans.items()}
    assert all(span.get("parent_span_id") == ids["turn"] for name, span in spans.items() if name != "turn")
    lookup = spans["lookup"]
    assert "ERROR" in str(lookup["status"]["code"])
    assert "no such company" in json.dumps(lookup["events"])
    told = attributes_of(spans["ask"])
    assert told["llm.prompt_template.template"] == "Name a company that makes {product}."
    found = attributes_of(spans["search"])
    assert found["retrieval.documents.0.document.content"] == "Sockrates"


def test_the_quickstart(mlflow, tmp_path):
    run_quickstart(
        tmp_path, mlflow, OTEL_EXPORTER_OTLP_HEADERS="x-mlflow-experiment-id=0", OTEL_EXPORTER_OTLP_TIMEOUT="60000"
    )
    traces = traces_of(mlflow, lambda trace: "reader" in json.dumps(trace))
    assert len(traces) == 2
