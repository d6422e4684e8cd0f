from __future__ import annotations

import pytest
from google.protobuf.wrappers_pb2 import BytesValue, DoubleValue, Int64Value, StringValue, UInt64Value
from hypothesis import given
from hypothesis import strategies as st

from callspan.encoding.protobuf import (
    field,
    int64,
    pack_double,
    tag_bytes,
    tag_fixed32,
    tag_fixed64,
    tag_varint,
    text_field,
    utf8,
    varint,
)


@pytest.mark.parametrize(
    ("number", "data"),
    [
        (0, "00"),
        (1, "01"),
        (127, "7f"),
        (128, "8001"),
        (300, "ac02"),
        (2047, "ff0f"),
        (2048, "8010"),
        (2**64 - 1, "ffffffffffffffffff01"),
    ],
)
def test_a_varint_holds_seven_bits_a_byte(number, data):
    assert varint(number).hex() == data


def test_tags_hold_number_and_type():
    assert (tag_varint(6), tag_fixed64(7), tag_bytes(9), tag_fixed32(16)) == (b"\x30", b"\x39", b"\x4a", b"\x85\x01")


@given(st.integers(1, 2**64 - 1))
def test_unsigned_numbers_are_written_as_protobuf_writes_them(number):
    assert tag_varint(1) + varint(number) == UInt64Value(value=number).SerializeToString()


@given(st.integers(-(2**63), 2**63 - 1).filter(bool))
def test_signed_numbers_are_written_as_protobuf_writes_them(number):
    assert tag_varint(1) + int64(number) == Int64Value(value=number).SerializeToString()


@given(st.floats().filter(bool))
def test_doubles_are_written_as_protobuf_writes_them(number):
    assert tag_fixed64(1) + pack_double(number) == DoubleValue(value=number).SerializeToString()


@given(st.text())
def test_texts_are_written_as_protobuf_writes_them(text):
    assert text_field(tag_bytes(1), text) == StringValue(value=text).SerializeToString()


@given(st.binary(min_size=1))
def test_bytes_are_written_as_protobuf_writes_them(data):
    assert field(tag_bytes(1), data) == BytesValue(value=data).SerializeToString()


def test_lone_surrogates_are_replaced_and_pairs_joined():
    assert utf8("a\ud800b\ud83d\ude00") == "a\N{REPLACEMENT CHARACTER}b\N{GRINNING FACE}".encode()
