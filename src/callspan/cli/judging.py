"""Models as judges on the command line: their verdicts as spans, and rubrics in files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args

import callspan
from callspan.cli.cleaning import cleaned
from callspan.errors import CallspanError, ReadError
from callspan.evaluation.judges import Judge, JudgeError
from callspan.evaluation.rubrics import Rubric
from callspan.evaluation.scores import Level, Score
from callspan.evaluation.subjects import Subject, subject_of
from callspan.model.prompt import PromptTemplate
from callspan.model.record import SpanRecord
from callspan.prompts.parsing import parse

_VARIABLES: Final = ("question", "answer", "context", "expected", "dialogue")


class TracedJudge(Judge):
    """A judge whose verdicts are spans: an evaluator, with the model call below it. One that is none is an error.

    What it is shown has passed the gate.
    """

    def request(self, subject: Subject) -> dict[str, Any] | Score:
        """Return the request as ever, but for secrets."""
        request = super().request(subject)
        if isinstance(request, Score):
            return request
        texts = cleaned([message["content"] for message in request["messages"]])
        messages = [{**message, "content": text} for message, text in zip(request["messages"], texts, strict=True)]
        return {**request, "messages": messages}

    async def evaluate(self, record: SpanRecord | Subject) -> Score:
        """Judge as ever; raises what the client raises."""
        subject = subject_of(record)
        request = self.request(subject)
        if isinstance(request, Score):  # there is nothing to ask
            return request
        judged = {"judged_trace_id": subject.record.trace_id, "judged_span_id": subject.record.span_id}
        score = Score(self.name)
        try:
            with callspan.span(f"judge {self.name}", kind="evaluator", metadata=judged) as span:
                score = await super().evaluate(subject)
                if score.error is not None:
                    raise JudgeError(score.error)  # noqa: TRY301 - that is how a span is told
                span.set_output({"score": score.score, "label": score.label, "explanation": score.explanation})
        except JudgeError:
            pass
        return score


def read_rubric(path: Path) -> Rubric:
    """Read a rubric of the user's: a prompt file with the facts `name`, `labels` and, if not span, `level`.

    Labels have scores, from 0 (bad) to 1 (good): `labels: polite=1, curt=0.5, rude=0`. Raises `CallspanError` that
    says what is wrong where.
    """
    try:
        told = parse(path, path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReadError(error.errno, error.strerror or type(error).__name__, str(path)) from None
    except UnicodeDecodeError as error:
        raise CallspanError(f"{path}: this is no UTF-8: {error}") from None
    if told.sections:
        raise CallspanError(f"{path}: a rubric is one text, without messages such as [system]")
    name, level = told.facts.get("name") or path.name.partition(".")[0], told.facts.get("level") or "span"
    if level not in get_args(Level):
        raise CallspanError(f"{path}: level is {level!r}; choose one of {', '.join(get_args(Level))}")
    template = PromptTemplate(told.text, name=f"judge.{name}", version=told.version)
    unknown = [variable for variable in template.variable_names if variable not in _VARIABLES]
    if unknown or not template.variable_names:
        wrong = f"{{{unknown[0]}}} is not known" if unknown else "nothing of a record is in it"
        raise CallspanError(f"{path}: {wrong}; a rubric may use {', '.join(f'{{{one}}}' for one in _VARIABLES)}")
    return Rubric(name, template, _labels(path, told.facts), level)  # type: ignore[arg-type]


def _labels(path: Path, facts: Mapping[str, str]) -> dict[str, float]:
    labels: dict[str, float] = {}
    for part in facts.get("labels", "").split(","):
        label, _, score = part.rpartition("=")
        try:
            labels[label.strip()] = float(score)
        except ValueError:
            break
    if len(labels) < 2 or "" in labels or len(labels) != len(facts["labels"].split(",")):
        raise CallspanError(f"{path}: write two labels or more with their scores, as in `labels: polite=1, rude=0`")
    return labels
