"""The total copier: every kind of value becomes a plain tree, and nothing of the value's runs."""

from __future__ import annotations

import array
import collections
import datetime as dt
import decimal
import enum
import fractions
import functools
import io
import pathlib
import sys
import threading
import types
import uuid
import zoneinfo
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import attrs
import numpy as np
import pydantic
import pytest

from callspan.model.prompt import PromptTemplate
from callspan.recording.opening import value_of
from callspan.recording.plain import plain
from callspan.recording.snapshot import freeze
from callspan.recording.thawing import thaw


def shown(value: Any, **options: Any) -> Any:
    """Return what the worker sees of a value."""
    return plain(thaw(freeze([value], None, **options))[0])


def name(kind: type) -> str:
    return f"<{kind.__module__}.{kind.__qualname__}>"


# -- data objects ------------------------------------------------------------------------------------------------------


@dataclass
class Point:
    x: int
    inner: Any = None
    secret: str = field(default="hidden", repr=False)

    @property
    def broken(self):
        raise ArithmeticError

    def __repr__(self):
        raise ArithmeticError


@dataclass(slots=True)
class Slotted:
    x: int
    y: list[int] = field(default_factory=list)


@attrs.define
class Attrs:
    x: int
    secret: str = attrs.field(default="hidden", repr=False)


@attrs.define(slots=False)
class AttrsDict:
    x: int


class Model(pydantic.BaseModel):
    x: int
    key: pydantic.SecretStr = pydantic.SecretStr("hidden")
    tags: list[str] = []
    hidden: str = pydantic.Field(default="hidden", repr=False)
    _private: int = 5

    @pydantic.computed_field
    def computed(self) -> int:
        raise ArithmeticError

    @pydantic.model_serializer
    def serialize(self):
        raise ArithmeticError


class Loose(pydantic.BaseModel, extra="allow"):
    x: int


class Frozen(pydantic.BaseModel, frozen=True):
    inner: Model


class Root(pydantic.RootModel[list[int]]):
    pass


class Pair(NamedTuple):
    left: int
    right: Any


class Colour(enum.Enum):
    RED = "red"
    MIXED = ("a", 1)


class Level(enum.IntEnum):
    HIGH = 3


class Word(str, enum.Enum):
    HI = "hi"


class Flags(enum.Flag):
    A = 1
    B = 2


SECRET = name(pydantic.SecretStr)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Point(1, Pair(2, 3)), {"x": 1, "inner": {"left": 2, "right": 3}, "secret": "<hidden: repr=False>"}),
        (Slotted(1, [2]), {"x": 1, "y": [2]}),
        (Attrs(1), {"x": 1, "secret": "<hidden: repr=False>"}),
        (AttrsDict(1), {"x": 1}),
        (Model(x=1), {"x": 1, "key": SECRET, "tags": [], "hidden": "<hidden: repr=False>"}),
        (Loose(x=1, more=[2]), {"x": 1, "more": [2]}),
        (Frozen(inner=Model(x=1)), {"inner": {"x": 1, "key": SECRET, "tags": [], "hidden": "<hidden: repr=False>"}}),
        (Root([1, 2]), {"root": [1, 2]}),
        (Pair(1, [2]), {"left": 1, "right": [2]}),
        (types.SimpleNamespace(a=1, _b=2), {"a": 1}),
        (Colour.RED, {"name": "RED", "value": "red"}),
        (Colour.MIXED, {"name": "MIXED", "value": ["a", 1]}),
        (Level.HIGH, 3),
        (Word.HI, "hi"),
        (Flags.A | Flags.B, {"name": "A|B" if sys.version_info >= (3, 11) else None, "value": 3}),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_data_objects_show_their_stored_fields(value, expected):
    assert shown(value) == expected
    assert shown({"a": {"b": [value]}}) == {"a": {"b": [expected]}}


def test_a_field_that_was_never_set_is_left_out():
    value = Slotted.__new__(Slotted)
    value.x = 1
    assert shown(value) == {"x": 1}
    assert shown(Point.__new__(Point)) == {}


class Document:
    """What retrievers return: no data object, but its fields are the facts."""

    def __init__(self):
        self.page_content = "text"
        self.metadata = {"score": 0.5}
        self._private = 1


class InSlots:
    __slots__ = ("text",)

    def __init__(self):
        self.text = "x"


def test_plain_objects_are_named_unless_their_fields_are_asked_for():
    assert shown(Document()) == name(Document)
    assert shown(Document(), open_objects=True) == {"page_content": "text", "metadata": {"score": 0.5}}
    assert shown([Document()], open_objects=True) == [{"page_content": "text", "metadata": {"score": 0.5}}]
    assert shown(InSlots(), open_objects=True) == name(InSlots)
    assert shown(object(), open_objects=True) == "<object>"


# -- the standard library and numbers ----------------------------------------------------------------------------------


class Zone(dt.tzinfo):
    def utcoffset(self, dt):
        raise ArithmeticError

    dst = tzname = utcoffset


MOMENT = dt.datetime(2024, 1, 2, 3, 4, 5)  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (MOMENT, "2024-01-02T03:04:05"),
        (MOMENT.replace(tzinfo=dt.timezone.utc), "2024-01-02T03:04:05+00:00"),
        (MOMENT.replace(tzinfo=zoneinfo.ZoneInfo("UTC")), "2024-01-02T03:04:05+00:00"),
        (MOMENT.replace(tzinfo=Zone()), f"2024-01-02T03:04:05 {name(Zone)}"),
        (MOMENT.date(), "2024-01-02"),
        (dt.time(1, 2, tzinfo=Zone()), f"01:02:00 {name(Zone)}"),
        (dt.timedelta(days=1, seconds=2), "1 day, 0:00:02"),
        (decimal.Decimal("1.50"), "1.50"),
        (decimal.Decimal("NaN"), "NaN"),
        (fractions.Fraction(1, 3), "1/3"),
        (fractions.Fraction(10**5000, 3), "<fractions.Fraction>"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (range(3), "range(0, 3)"),
        (range(10**5000), "<range>"),
        (1 + 2j, "(1+2j)"),
        (b"\x01\x02", "<bytes of 2: 0102…>"),
        (b"x" * 10**7, "<bytes of 10000000: 7878787878787878…>"),
        (bytearray(b"ab"), "<bytearray of 2: 6162…>"),
        (memoryview(b"abc"), "<memoryview of 3>"),
        (array.array("d", [1.0]), "<array.array>"),
        (np.array([1.0, 2.0], dtype=np.float32), [1.0, 2.0]),
        (np.array([[1.0], [2.0]]), [[1.0], [2.0]]),
        (np.zeros((10, 3, 224, 224), dtype=np.uint8), "<numpy.ndarray shape=(10, 3, 224, 224) dtype=|u1>"),
        (np.zeros(100_000), "<numpy.ndarray shape=(100000,) dtype=<f8>"),
        (np.array(["a"]), "<numpy.ndarray shape=(1,) dtype=<U1>"),
        (np.float32(1.5), 1.5),
        (np.float64(1.5), 1.5),
        (np.int64(1), 1),
        (np.uint8(1), 1),
        (np.bool_(True), True),
        (np.str_("text"), "text"),
        (np.datetime64("2024-01-02"), "<numpy.datetime64>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_that_can_be_told_in_a_few_words(value, expected):
    assert shown(value) == expected
    assert shown([{"deep": {"er": value}}]) == [{"deep": {"er": expected}}]


class Decimal:
    """Only called like one."""

    def __str__(self):
        raise ArithmeticError


@pytest.mark.parametrize(
    "value",
    [
        object(),
        Decimal(),
        threading.Lock(),
        threading.current_thread(),
        sys,
        io.StringIO("text"),
        iter([1]),
        (number for number in [1]),
        lambda: None,
        functools.partial(int),
        int,
        type("Meta", (type,), {})("Made", (), {}),
        Ellipsis,
        NotImplemented,
        types.MappingProxyType({}),
        collections.UserDict(),
        collections.deque([1]),
        {}.items(),
        slice(1),
        compile("1", "f", "eval"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_everything_else_is_named_by_its_type(value):
    kind = type(value)
    expected = name(kind) if kind.__module__ != "builtins" else f"<{kind.__qualname__}>"
    assert shown(value) == expected
    assert shown({"deep": [[value]]}) == {"deep": [[expected]]}


# -- subclasses of builtins --------------------------------------------------------------------------------------------


class Text(str):
    __slots__ = ()

    def __str__(self):
        raise ArithmeticError

    __repr__ = __len__ = __iter__ = __getitem__ = __hash__ = __eq__ = __str__


class Number(int):
    def __int__(self):
        raise ArithmeticError

    __index__ = __repr__ = __str__ = __hash__ = __eq__ = __bool__ = __int__


class Real(float):
    def __float__(self):
        raise ArithmeticError

    __repr__ = __str__ = __hash__ = __eq__ = __bool__ = __float__


class Listing(list):
    def __iter__(self):
        raise ArithmeticError

    __len__ = __getitem__ = __repr__ = __bool__ = __iter__


class Row(tuple):
    __slots__ = ()

    def __iter__(self):
        raise ArithmeticError

    __len__ = __getitem__ = __repr__ = __iter__


class Mapping(dict):
    def __iter__(self):
        raise ArithmeticError

    __len__ = __getitem__ = items = keys = values = copy = __repr__ = __contains__ = __iter__


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Text("text"), "text"),
        (Number(5), 5),
        (Real(1.5), 1.5),
        (Listing([1, [2]]), [1, [2]]),
        (Row((1, "a")), [1, "a"]),
        (Mapping({"a": [1]}), {"a": [1]}),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.defaultdict(list, a=[1]), {"a": [1]}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        ({1, 2}, [1, 2]),
        (frozenset([3]), [3]),
        (type("Group", (set,), {})([1]), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_subclasses_are_read_by_the_methods_of_the_builtin(value, expected):
    if expected is None:
        expected = f"<{type(value).__module__}.{type(value).__qualname__}>"
    assert shown(value) == expected
    assert shown([value]) == [expected]
    assert shown([{"deep": {"er": value}}]) == [{"deep": {"er": expected}}]


def test_a_long_list_of_another_type_is_cut_and_counted():
    snapshot = freeze([Listing(range(20_000))])
    (tree,) = thaw(snapshot)
    assert tree[:3] == [0, 1, 2]
    assert tree[-1] == f"<{20_000 - len(tree) + 1} more>"
    assert snapshot[4] > 80_000


# -- classes that lie --------------------------------------------------------------------------------------------------


class Meta(type):
    asked: ClassVar[list[str]] = []

    def __getattribute__(cls, key):
        Meta.asked.append(key)
        return super().__getattribute__(key)

    def __instancecheck__(cls, instance):
        Meta.asked.append("instancecheck")
        return True

    def __subclasscheck__(cls, subclass):
        Meta.asked.append("subclasscheck")
        return True

    def __hash__(cls):
        Meta.asked.append("hash")
        return 1

    def __eq__(cls, other):
        Meta.asked.append("eq")
        return True


class Lying(metaclass=Meta):
    """Claims to be a dictionary, a dataclass, a named tuple."""

    __dataclass_fields__ = 5
    __attrs_attrs__ = 5
    _fields = 5

    @property
    def __class__(self):
        Meta.asked.append("class")
        return dict

    @property
    def __dict__(self):
        Meta.asked.append("dict")
        return {}


class Wrong:
    """Has the `__dict__` descriptor of another class."""

    __dict__ = Document.__dict__["__dict__"]


class Pretending:
    __pydantic_fields__: ClassVar[dict[str, Any]] = {}
    __slots__ = ()


class FieldsOfAnotherType:
    __dataclass_fields__: ClassVar[dict[str, int]] = {"x": 5}


def test_classes_that_lie_about_themselves_are_named_and_not_asked():
    value = Lying()
    for options in ({}, {"open_objects": True}):
        Meta.asked.clear()
        snapshot = freeze([value, [value], {"k": [[value]]}], None, **options)
        for tree in thaw(snapshot):
            plain(tree)
        assert Meta.asked == []
    assert shown(value).endswith(".Lying>")


def test_classes_with_a_wrong_layout_are_named():
    assert shown(Wrong(), open_objects=True) == name(Wrong)
    assert shown(Pretending()) == name(Pretending)
    assert shown(FieldsOfAnotherType()) == {}


# -- rings, depth and the budget ---------------------------------------------------------------------------------------


def test_objects_in_a_ring():
    one, two = types.SimpleNamespace(), types.SimpleNamespace()
    one.other, two.other = two, one
    assert shown(one) == {"other": {"other": "<cycle>"}}
    same = Point(1, None)
    same.inner = [same]
    assert shown(same)["inner"] == ["<cycle>"]
    mapping = Mapping()
    dict.__setitem__(mapping, "self", mapping)
    assert shown(mapping) == {"self": "<cycle>"}


def test_a_chain_of_objects_is_cut_at_the_depth():
    chain: Any = None
    for _ in range(1000):
        chain = types.SimpleNamespace(next=chain)
    snapshot = freeze([chain])
    depth, tree = 0, value_of(snapshot)
    while isinstance(tree, dict):
        tree, depth = tree["next"], depth + 1
    assert (depth, tree) == (48, "<types.SimpleNamespace>")
    assert snapshot[4] > 0


def test_many_objects_are_cut_at_the_number_of_nodes():
    snapshot = freeze([[types.SimpleNamespace(a=1, b=2, c=[number]) for number in range(8000)]])
    tree = value_of(snapshot)
    assert tree[0] == {"a": 1, "b": 2, "c": [0]}
    assert tree[-1] == "<6976 more>"
    assert snapshot[4] > 50_000


def test_no_frame_left_for_an_object():
    """Near the recursion limit the type is all that can be told; it is told all the same."""

    def go_down():
        try:
            return go_down()
        except RecursionError:
            return shown_at_the_end()

    def shown_at_the_end():
        try:
            return freeze([Point(1, Point(2))])
        except RecursionError:
            return None

    go_down()


# -- keys and prompts --------------------------------------------------------------------------------------------------


def test_odd_keys_are_spelled_in_one_way_wherever_they_stand():
    odd = {None: 1, 2: 2, True: 3, 1.5: 4, b"b": 5, ("t", 1): 6, frozenset(): 7, Colour.RED: 8, Word.HI: 9}
    expected = {
        "null": 1,
        "2": 2,
        "true": 3,
        "1.5": 4,
        "b'b'": 5,
        "t, 1": 6,
        "<frozenset>": 7,
        name(Colour): 8,
        "hi": 9,
    }
    assert shown(odd) == expected
    assert shown({"deep": {"er": odd}}) == {"deep": {"er": expected}}
    assert shown([odd, object()]) == [expected, "<object>"]
    held = {key: [value] for key, value in odd.items()}
    assert shown(held) == {key: [value] for key, value in expected.items()}


def test_keys_are_never_hashed_or_compared_again():
    class Key:
        armed = False

        def __hash__(self):
            assert not Key.armed
            return 1

        def __eq__(self, other):
            assert not Key.armed
            return self is other

    held = {Key(): [1], "k": {Key(): {"x": [2]}}}
    Key.armed = True
    try:
        tree = shown(held)
    finally:
        Key.armed = False
    assert [*tree.values()] == [[1], {f"<{__name__}.{Key.__qualname__}>": {"x": [2]}}]


def test_prompts_are_noticed_wherever_they_stand():
    text = PromptTemplate("Hi {who}", name="greeting").format(who="Ann")
    for value in (text, [text], {"messages": [{"role": "user", "content": [{"text": text}]}]}):
        snapshot = freeze([value])
        assert [prompt.variables for prompt in snapshot[5]] == [{"who": "Ann"}]
        assert "Hi Ann" in str(thaw(snapshot))


def test_texts_of_a_prompt_become_plain():
    assert type(shown(PromptTemplate("Hi").format())) is str


# -- 3.12 and later ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ in Python is new in 3.12")
def test_nobodys_buffer_is_asked_for():
    asked = []

    class Buffer:
        def __buffer__(self, flags):
            asked.append(flags)
            return memoryview(b"x")

    for value in (Buffer(), [Buffer()], {"a": {"b": [[Buffer()]]}}, (1, Buffer()), [0.5] * 5 + [Buffer()] + [0.5] * 50):
        shown(value)
    assert asked == []


def test_of_a_medium_that_is_cut_the_rest_is_told():
    """It stands beyond the limit of a text, where the gate reads it and the limits cut it."""
    data = "QUJD" * 500_000
    for given, head in ((f"data:image/png;base64,{data}", 22), (data, 0)):
        text = shown([given, None])[0]
        assert text[:266_240] == given[:266_240]
        assert text[266_240:] == f"<{2_000_000 + head - 266_240} more>"
    assert "more>" not in shown(["not base64 " * 200_000, None])[0]
