"""The one gate that every span passes before any exporter, log or file sees it; fails closed.

Credentials are recognised by the names of keys, anywhere in a tree, and by their shape or the name in front of them,
anywhere in a text. Values are replaced, so that one sees that something was there, and counted on the span. Trees are
changed in place: they are our own. A second pass finds nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Final, cast

from callspan.guard import guard
from callspan.model.feedback import Feedback
from callspan.model.resource import Resource
from callspan.model.span import Span
from callspan.pipeline.redaction import (
    element_secrets,
    flag_secrets,
    named_secrets,
    paired_secrets,
    personal,
    secret_shapes,
)
from callspan.pipeline.redaction.places import Places
from callspan.pipeline.redaction.secret_names import NameRules, is_credential, is_schema, is_secret_name
from callspan.pipeline.redaction.suspicion import CHECKED, contents_of, may_hold_credentials, values_of
from callspan.pipeline.redaction.texts import Find, Scan
from callspan.policy import MARK, Redaction

__all__ = ["REDACTED", "Redactor", "is_secret_name", "redact", "redact_resource"]

REDACTED: Final = MARK
_SCHEMAS: Final = ("tool", "tool_definitions")
_SCHEMA_VALUES: Final = ("default", "example", "examples", "const", "enum")
_SHORTEST: Final = 6  # no text below it can hold a secret, unless a pattern of the user's says so
_LONG_KEY: Final = 16
_FLOATS: Final = frozenset([float])


class Redactor:
    """Applies one set of rules."""

    def __init__(self, rules: Redaction | None = None) -> None:
        """Prepare the rules; the default ones where none are given."""
        rules = rules or Redaction()
        self._mark = rules.mark
        self._removes = rules.by == "removal"
        names = NameRules(rules.keys, rules.keep_keys, use_default=rules.credentials)
        self._verdict = names.verdict
        finders: list[Find] = [secret_shapes.find] if rules.credentials else []
        if rules.credentials or names.more is not None:
            finders.append(partial(named_secrets.find, judge=names.verdict, more=names.more))
            finders.append(partial(paired_secrets.find, judge=names.verdict))
            finders.append(partial(flag_secrets.find, judge=names.verdict))
            finders.append(partial(element_secrets.find, judge=names.verdict))
        chosen, patterns = cast("tuple[str, ...]", rules.personal), cast("tuple[re.Pattern[str], ...]", rules.patterns)
        personal_finders = [personal.FINDERS[name] for name in chosen]
        self._has_cards = "card" in chosen
        self._finders = (*finders, *personal_finders)
        self._patterns = patterns
        self._shortest = 1 if patterns or chosen else _SHORTEST
        has_places = rules.paths or rules.allow is not None or rules.function is not None
        self._places = Places(rules) if has_places else None
        self._is_idle = not (self._finders or patterns or has_places)
        self._is_quick = names.more is None and not (personal_finders or patterns or has_places)

    def redact(self, span: Span, contents: bytes | None = None) -> None:
        """Pass a span with its facts through the gate; what cannot be checked is replaced as a whole.

        `contents` are those of the span as `suspicion` writes them, where somebody has done so already.
        """
        facts = span.facts
        assert facts is not None
        if self._is_idle:
            return
        if self._is_quick and not may_hold_credentials(facts, contents or contents_of(span, facts)):
            return
        conversation_id, said = facts.conversation_id, facts.feedback
        names = None if said is None else (said.id, said.key)
        if self._places is not None:
            facts.redacted_count += self._places.keep(span, facts)
        scan = self._scan()
        for field, value in zip(CHECKED, values_of(facts), strict=True):
            if value:
                self._collect(facts, field, value, scan, has_schemas=field in _SCHEMAS)
        for told in (*(span.events or ()), *(span.links or ())):
            if told.attributes:
                self._collect(told, "attributes", told.attributes, scan)
        for holder, field in _texts_of(span):
            scan.add(holder, field, getattr(holder, field))
        scan.flush()
        facts.redacted_count += scan.count
        if self._places is not None:
            facts.redacted_count += self._places.ask(span, facts)
        if facts.conversation_id != conversation_id:
            facts.conversation_id = facts.step = None  # those of others look the same now
        if said is not None and names is not None:
            _forget_names(said, names)

    def redact_texts(self, holders: Iterable[dict[str, Any]], key: str) -> int | None:
        """Clean the text that each holder has under `key`, all at once; return how many values were replaced.

        None, and nothing is done, where the rules ask for the place of a text.
        """
        if self._places is not None:
            return None
        scan = self._scan()
        for holder in holders:
            scan.add(holder, key, holder[key])
        scan.flush()
        return scan.count

    def redact_resource(self, resource: Resource) -> Resource:
        """Return the resource as it may be sent."""
        attributes = {**resource.attributes}
        scan = self._scan()
        self._walk(attributes, scan, has_schemas=False)
        scan.flush()
        return Resource(attributes)

    def _scan(self) -> Scan:
        return Scan(self._finders, self._patterns, "" if self._removes else self._mark, _put)

    def _collect(self, holder: Any, field: str, value: Any, scan: Scan, *, has_schemas: bool = False) -> None:
        try:
            if type(value) is str:
                scan.add(holder, field, value)
            else:
                self._walk(value, scan, has_schemas=has_schemas)
        except Exception as error:  # noqa: BLE001 - fail closed: the value goes, the span stays
            setattr(holder, field, replacement(value, self._mark))
            scan.count += 1
            guard.note("the redaction gate", error)

    def _walk(self, tree: Any, scan: Scan, *, has_schemas: bool) -> None:
        """Replace what is secret by its name, and collect all texts."""
        kind = type(tree)
        if kind is dict:
            self._walk_mapping(tree, scan, has_schemas=has_schemas)
        elif kind is list:
            if tree and type(tree[0]) is float and _FLOATS.issuperset(map(type, tree)):
                return
            if self._has_cards:
                self._hide_cards(tree, scan)
            for index, item in enumerate(tree):
                inner = type(item)
                if inner is str:
                    if index and self._is_after_flag(tree[index - 1], item):
                        self._hide_item(tree, index, scan)
                    elif len(item) >= self._shortest:
                        scan.add(tree, index, item)
                elif inner is list and len(item) == 2 and type(item[0]) is str and self._is_secret_pair(item):
                    self._hide_item(item, 1, scan)
                elif inner is not float and inner is not int:
                    self._walk(item, scan, has_schemas=has_schemas)
        else:
            for slot in getattr(kind, "__slots__", ()):  # prompts and tools are small dataclasses of ours
                value = getattr(tree, slot)
                if type(value) is str:
                    scan.add(tree, slot, value)
                else:
                    self._walk(value, scan, has_schemas=has_schemas)

    def _is_secret_pair(self, pair: list[Any]) -> bool:
        """Return whether this is the name and the value of a secret: headers are often given so."""
        value = pair[1]
        return type(value) is str and value not in ("", self._mark) and self._verdict(pair[0]) == "secret"

    def _is_after_flag(self, before: Any, item: str) -> bool:
        """Return whether this is what a flag before it, among the arguments of a command, says to be a secret."""
        name = flag_secrets.flag_of(before) if type(before) is str else None
        verdict = "" if name is None or item == self._mark else self._verdict(name)
        if not verdict or not flag_secrets.is_value(item.encode("utf-8", "surrogatepass")):
            return False
        return verdict == "secret" or is_credential(item)

    def _hide_cards(self, items: list[Any], scan: Scan) -> None:
        """Replace payment cards that are numbers."""
        for index, item in enumerate(items):
            if type(item) is int and personal.is_card(item):
                self._hide_item(items, index, scan)

    def _hide_item(self, items: list[Any], index: int, scan: Scan) -> None:
        items[index] = "" if self._removes else self._mark
        scan.count += 1

    def _walk_mapping(self, tree: dict[str, Any], scan: Scan, *, has_schemas: bool) -> None:
        judge = self._verdict
        secret: list[str] = []
        for key, value in tree.items():
            kind = type(value)
            verdict = judge(key)
            if verdict and (
                (
                    verdict == "secret"
                    and kind is not bool
                    and (value or kind is int or kind is float)
                    and not (kind is dict and is_schema(value))
                )
                or (verdict == "token" and kind is str and is_credential(value, tree))
            ):
                secret.append(key)
            elif kind is str:
                if len(value) >= self._shortest:
                    scan.add(tree, key, value)
            elif kind is int:
                if self._has_cards and personal.is_card(value):
                    secret.append(key)
            elif kind is dict or kind is list:
                if has_schemas and key == "properties" and kind is dict:
                    self._walk_parameters(value, scan)
                else:
                    self._walk(value, scan, has_schemas=has_schemas)
            if len(key) >= _LONG_KEY:
                scan.add_key(tree, key)
        for key in secret:
            self._hide(tree, key, scan)

    def _hide(self, tree: dict[str, Any], key: str, scan: Scan) -> None:
        if self._removes:
            del tree[key]
        elif tree[key] == self._mark:
            return
        else:
            tree[key] = self._mark
        scan.count += 1

    def _walk_parameters(self, properties: dict[str, Any], scan: Scan) -> None:
        """Clean the properties of a JSON schema: a parameter named `password` is none, its default may be one."""
        for name, schema in list(properties.items()):
            if len(name) >= _LONG_KEY:
                scan.add_key(properties, name)
            if type(schema) is not dict:
                alone = {name: schema}
                self._walk_mapping(alone, scan, has_schemas=False)
                if name in alone:
                    properties[name] = alone[name]
                else:
                    del properties[name]
                continue
            if self._verdict(name) == "secret":
                for key in _SCHEMA_VALUES:
                    if key in schema:
                        self._hide(schema, key, scan)
            self._walk_mapping(schema, scan, has_schemas=True)


def _forget_names(said: Feedback, before: tuple[str | None, str | None]) -> None:
    """Take away the keys by which feedback is joined where something in them was replaced: others now look the same."""
    if said.id != before[0]:
        said.id = None
    if said.key != before[1]:
        said.key = None


def _texts_of(span: Span) -> Iterator[tuple[Any, str]]:
    """Name the texts of a span that are not among its facts."""
    yield span, "name"
    if span.status_message:
        yield span, "status_message"
    if span.error is not None:
        yield span.error, "message"
    for event in span.events or ():
        yield event, "name"


def _put(place: Any, key: Any, text: str) -> None:
    if type(place) is dict or type(place) is list:
        place[key] = text
    else:
        setattr(place, key, text)


def replacement(value: Any, mark: str = MARK) -> Any:
    """Return what stands for a field that could not be checked, of a type that its readers expect."""
    if isinstance(value, dict):
        return {"value": mark}
    return [] if isinstance(value, list) else mark if isinstance(value, str) else None


_DEFAULT: Final = Redactor()
redact: Final = _DEFAULT.redact
redact_resource: Final = _DEFAULT.redact_resource
