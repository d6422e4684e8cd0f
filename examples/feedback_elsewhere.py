"""Writes the feedback of files to Phoenix as annotations, and to Langfuse as scores.

    python examples/feedback_elsewhere.py traces/ --phoenix http://localhost:6006
    python examples/feedback_elsewhere.py traces/ --langfuse https://cloud.langfuse.com

Keys are read from LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY, and from PHOENIX_API_KEY where there is one.
Sending the same file again changes nothing: each piece has an ID of its own there, too.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from typing import Any

import httpx

from callspan.reading import GivenFeedback, LoadReport
from callspan.reading.feedback import join
from callspan.reading.files import files_of
from callspan.reading.rows import load_rows

AT_ONCE = 100


def phoenix_annotation(one: GivenFeedback, span_id: str) -> dict[str, Any]:
    """Return the feedback as Phoenix has it: https://arize.com/docs/phoenix, span annotations."""
    kind = one.annotator.upper() if one.annotator in ("llm", "code") else "HUMAN"
    result = {"score": one.score, "label": one.label, "explanation": one.comment}
    return {
        "span_id": span_id,
        "name": one.name,
        "annotator_kind": kind,
        "identifier": one.id or one.span_id,
        "result": {key: value for key, value in result.items() if value is not None},
        "metadata": {"annotator": one.annotator},
    }


def langfuse_scores(one: GivenFeedback) -> list[dict[str, Any]]:
    """Return the feedback as Langfuse has it: a number and a word are two scores."""
    place: dict[str, Any] = {"sessionId": one.conversation_id}
    if one.about is not None:
        place = {"traceId": one.about[0], "observationId": one.about[1]}
    told = {"name": one.name, "comment": one.comment, "metadata": {"annotator": one.annotator}, **place}
    scores = []
    if one.score is not None:
        scores.append({**told, "id": one.span_id, "value": one.score, "dataType": "NUMERIC"})
    if one.label is not None:
        scores.append({**told, "id": f"{one.span_id}-label", "value": one.label, "dataType": "CATEGORICAL"})
    return scores


def to_phoenix(client: httpx.Client, url: str, given: Iterable[GivenFeedback]) -> int:
    """Send what is about a span; return how many."""
    annotations = [phoenix_annotation(one, one.about[1]) for one in given if one.about is not None]
    key = os.environ.get("PHOENIX_API_KEY")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    for start in range(0, len(annotations), AT_ONCE):
        body = {"data": annotations[start : start + AT_ONCE]}
        client.post(f"{url}/v1/span_annotations", json=body, headers=headers).raise_for_status()
    return len(annotations)


def to_langfuse(client: httpx.Client, url: str, given: Iterable[GivenFeedback]) -> int:
    """Send what is about a span or a conversation; return how many scores."""
    keys = (os.environ["LANGFUSE_PUBLIC_KEY"], os.environ["LANGFUSE_SECRET_KEY"])
    scores = [score for one in given if one.is_known for score in langfuse_scores(one)]
    for score in scores:
        client.post(f"{url}/api/public/scores", json=score, auth=keys).raise_for_status()
    return len(scores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", help="a file, folder or glob of spans")
    parser.add_argument("--phoenix", metavar="URL")
    parser.add_argument("--langfuse", metavar="URL")
    options = parser.parse_args()
    given = join(load_rows(files_of(options.path), LoadReport())).given
    with httpx.Client(timeout=30) as client:
        if options.phoenix:
            print(f"{to_phoenix(client, options.phoenix.rstrip('/'), given)} annotations to Phoenix")
        if options.langfuse:
            print(f"{to_langfuse(client, options.langfuse.rstrip('/'), given)} scores to Langfuse")


if __name__ == "__main__":
    main()
