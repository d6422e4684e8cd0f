import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callspan.errors import ConfigurationError
from callspan.exporters import headers

VARIABLE = "OTEL_EXPORTER_OTLP_HEADERS"


def test_good_headers_are_taken_as_they_are():
    given = {
        "X-Api-Key": " k-1 ",
        "x-empty": "",
        "Authorization": "Bearer a.b=c",
        "x-latin": "caf\xe9",
        "x-tab": "a\tb",
    }
    assert headers.checked(given) == {
        "X-Api-Key": "k-1",
        "x-empty": "",
        "Authorization": "Bearer a.b=c",
        "x-latin": "caf\xe9",
        "x-tab": "a\tb",
    }
    assert headers.checked(None) == {}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("x-key", "s3cret\r\nevil: 1", r"headers\['x-key'\]: got str; give a value without line breaks"),
        ("x-key", "s3cret\0", r"headers\['x-key'\]: got str; give a value without line breaks"),
        ("x-key", "s3cret\x7f", r"headers\['x-key'\]: got str; give a value without line breaks"),
        ("x-key", "s3cret 東京", r"headers\['x-key'\]: got str; give a value of Latin-1 characters"),
        ("x-key", "s3cret" * 4000, r"headers\['x-key'\]: got str; give a string of at most 16384 characters"),
        ("x-key", None, r"headers\['x-key'\]: got NoneType; give a string"),
        ("x-key", 7, r"headers\['x-key'\]: got int; give a string"),
        ("", "s3cret", r"headers\[''\]: got str; give a name of letters"),
        ("x key", "s3cret", r"headers\['x key'\]: got str; give a name of letters"),
        ("x\r\nkey", "s3cret", r"headers\['x\\r\\nkey'\]: got str; give a name of letters"),
        ("schlüssel", "s3cret", r"headers\['schl\\xfcssel'\]: got str; give a name of letters"),
        (7, "s3cret", r"headers\[int\]: got str; give a name of letters"),
        ("Content-Length", "1", r"headers\['Content-Length'\]: got str; give another name"),
        ("transfer-encoding", "chunked", r"headers\['transfer-encoding'\]: got str; give another name"),
    ],
)
def test_bad_headers_are_refused_by_name(name, value, told):
    with pytest.raises(ConfigurationError, match=told) as caught:
        headers.checked({name: value})
    assert "s3cret" not in str(caught.value)


def test_what_stands_around_a_value_is_no_part_of_it():
    assert headers.checked({"x-key": " s3cret\n"}) == {"x-key": "s3cret"}


def test_a_header_comes_once_whatever_its_capitals():
    with pytest.raises(ConfigurationError, match=r"headers\['authorization'\]: got str; give each header once"):
        headers.checked({"Authorization": "a", "authorization": "b"})


@pytest.mark.parametrize("wrong", ["x-key=1", [("x-key", "1")], 7])
def test_headers_are_a_dictionary(wrong):
    with pytest.raises(ConfigurationError, match=r"^headers: got .*; give a dictionary"):
        headers.checked(wrong)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("x-key=1", {"x-key": "1"}),
        (" x-key = 1 , authorization=Bearer%20a%3D ,", {"x-key": "1", "authorization": "Bearer a="}),
        ("authorization=Basic YTpi==,x=", {"authorization": "Basic YTpi==", "x": ""}),
        ("x-key=a%2Cb;c=d", {"x-key": "a,b;c=d"}),
    ],
)
def test_pairs_of_a_variable(raw, expected, said):
    assert headers.read_pairs(VARIABLE, raw) == expected
    assert said() == []


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("a=1,s3cret", f"header number 2 of {VARIABLE} is left out: it needs name=value"),
        ("a=1,x-key=s3cret%0d%0aevil:1", f"header 'x-key' of {VARIABLE} is left out: it needs a value without line"),
        ("a=1,x-key=s3cret%00", f"header 'x-key' of {VARIABLE} is left out: it needs a value without line"),
        ("a=1,x-key=s3cret東", f"header 'x-key' of {VARIABLE} is left out: it needs a value of Latin-1"),
        ("a=1,=s3cret", f"header '' of {VARIABLE} is left out: it needs a name"),
        ("a=1,A=s3cret", f"header 'A' of {VARIABLE} is left out: it needs each header once"),
        ("a=1,host=s3cret", f"header 'host' of {VARIABLE} is left out: it needs another name"),
    ],
)
def test_bad_pairs_are_left_out_and_named(raw, told, said):
    assert headers.read_pairs(VARIABLE, raw) == {"a": "1"}
    (message,) = said()
    assert message.startswith(told)
    assert "s3cret" not in message


def test_a_variable_without_any_good_pair_counts_as_wrong():
    with pytest.raises(ValueError, match="name=value pairs"):
        headers.read_pairs(VARIABLE, "s3cret")


@given(st.dictionaries(st.text(), st.text(), max_size=4))
def test_nothing_reaches_the_socket_that_could_end_a_line(given_headers):
    try:
        taken = headers.checked(given_headers)
    except ConfigurationError:
        return
    pairs = [(name.encode("ascii"), value.encode("latin-1")) for name, value in taken.items()]
    for pair in pairs:
        assert not set(b": ".join(pair)) & {*range(9), *range(10, 32), 127}
    h11.Request(method="POST", target="/", headers=[("host", "h"), *pairs])


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [("Authorization", True), ("x-api-key", True), ("X-Auth-Token", True), ("cookie", True), ("x-project", False)],
)
def test_which_headers_are_likely_to_hold_credentials(name, is_secret):
    assert headers.credential_in({"x-tenant": "a", name: "b"}) == (name if is_secret else None)
