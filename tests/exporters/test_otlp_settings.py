from __future__ import annotations

import pytest

from callspan.errors import ConfigurationError
from callspan.exporters import otlp_settings
from callspan.exporters.tls import Tls

GENERAL = "OTEL_EXPORTER_OTLP_"
TRACES = "OTEL_EXPORTER_OTLP_TRACES_"


def read(*arguments, env=(), **named):
    return otlp_settings.read(*arguments, **named, environ=dict(env))


def test_defaults():
    settings = read()
    assert settings.address.url == "http://localhost:4318/v1/traces"
    assert (settings.headers, settings.protocol, settings.compression) == ({}, "http/protobuf", None)
    assert (settings.timeout_s, settings.tls) == (10.0, Tls())


@pytest.mark.parametrize(
    ("endpoint", "env", "url"),
    [
        # an argument is taken as it is when it has a path
        ("http://h:4318/in", {}, "http://h:4318/in"),
        ("http://h:4318/in/", {}, "http://h:4318/in/"),
        ("http://h:4318", {}, "http://h:4318/v1/traces"),
        ("http://h:4318/", {}, "http://h:4318/v1/traces"),
        (" http://h:4318?a=1 ", {}, "http://h:4318/v1/traces?a=1"),
        ("http://h/in", {TRACES + "ENDPOINT": "http://t", GENERAL + "ENDPOINT": "http://g"}, "http://h/in"),
        # the variable for traces is taken as it is
        (None, {TRACES + "ENDPOINT": "http://t:4318/in"}, "http://t:4318/in"),
        (None, {TRACES + "ENDPOINT": "http://t:4318"}, "http://t:4318/"),
        (None, {TRACES + "ENDPOINT": "http://t", GENERAL + "ENDPOINT": "http://g"}, "http://t/"),
        # the general one is a base
        (None, {GENERAL + "ENDPOINT": "http://g:4318"}, "http://g:4318/v1/traces"),
        (None, {GENERAL + "ENDPOINT": "http://g:4318/"}, "http://g:4318/v1/traces"),
        (None, {GENERAL + "ENDPOINT": "https://g/otlp/"}, "https://g/otlp/v1/traces"),
        (None, {GENERAL + "ENDPOINT": "https://g/v1/traces?a=1"}, "https://g/v1/traces/v1/traces?a=1"),
        # what is empty is not set
        (None, {TRACES + "ENDPOINT": "", GENERAL + "ENDPOINT": " "}, "http://localhost:4318/v1/traces"),
    ],
)
def test_endpoints(endpoint, env, url, said):
    assert read(endpoint, env=env).address.url == url
    assert said() == []


def test_userinfo_of_an_endpoint_stays_a_credential():
    for settings in (read("http://me:p4ss@h"), read(env={GENERAL + "ENDPOINT": "http://me:p4ss@h"})):
        assert settings.address.url == "http://h/v1/traces"
        assert settings.address.shown == "http://***@h/v1/traces"
        assert settings.address.authorization == "Basic bWU6cDRzcw=="


NEEDS = {
    "ENDPOINT": "a URL that starts with http:// or https://",
    "HEADERS": "name=value pairs separated by commas",
    "PROTOCOL": "one of http/protobuf, http/json; gRPC needs an OpenTelemetry exporter",
    "COMPRESSION": "gzip or none",
    "TIMEOUT": "milliseconds, from 100 to 3600000",
    "CERTIFICATE": "the path of a PEM file with certificates",
    "CLIENT_CERTIFICATE": "the path of a file",
    "CLIENT_KEY": "the path of a file",
}


@pytest.mark.parametrize("prefix", [GENERAL, TRACES])
@pytest.mark.parametrize(
    ("name", "raw"),
    [
        *(("ENDPOINT", "collector:4318"), ("ENDPOINT", "file:///s3cret"), ("ENDPOINT", "s3cret")),
        *(("PROTOCOL", "grpc"), ("PROTOCOL", "s3cret"), ("COMPRESSION", "deflate"), ("COMPRESSION", "1")),
        *(("TIMEOUT", "10"), ("TIMEOUT", "0"), ("TIMEOUT", "-5"), ("TIMEOUT", "1e309"), ("TIMEOUT", "nan")),
        *(("TIMEOUT", "10s"), ("TIMEOUT", "99999999"), ("CERTIFICATE", "/s3cret"), ("CERTIFICATE", "/")),
        *(("CLIENT_CERTIFICATE", "/s3cret"), ("CLIENT_KEY", "/s3cret")),
    ],
)
def test_a_wrong_variable_warns_once_and_counts_as_not_set(prefix, name, raw, said):
    variable = prefix + name
    for _ in range(2):
        assert read(env={variable: raw}) == read()
    assert said() == [f"environment variable {variable} is ignored: it needs {NEEDS[name]}"]


@pytest.mark.parametrize("raw", ["a\nb", "a\0b", "http://h\r\nx", "\udcff\udcfe", "x" * 70_000])
@pytest.mark.parametrize("name", NEEDS)
def test_what_no_variable_can_mean(name, raw, said):
    assert read(env={GENERAL + name: raw}) == read()
    (message,) = said()
    assert message == f"environment variable {GENERAL}{name} is ignored: it needs printable text of a sensible length"


def test_a_wrong_variable_for_traces_leaves_it_to_the_general_one():
    env = {
        TRACES + "ENDPOINT": "wrong",
        GENERAL + "ENDPOINT": "http://g",
        TRACES + "PROTOCOL": "grpc",
        GENERAL + "PROTOCOL": "http/json",
        TRACES + "TIMEOUT": "soon",
        GENERAL + "TIMEOUT": "2500",
        TRACES + "HEADERS": "wrong",
        GENERAL + "HEADERS": "a=1",
        TRACES + "COMPRESSION": "zstd",
        GENERAL + "COMPRESSION": "gzip",
    }
    settings = read(env=env)
    assert settings.address.url == "http://g/v1/traces"
    assert (settings.protocol, settings.timeout_s, settings.compression) == ("http/json", 2.5, "gzip")
    assert settings.headers == {"a": "1"}


def test_a_variable_for_traces_wins():
    both = {"PROTOCOL": ("HTTP/JSON", "http/protobuf"), "TIMEOUT": ("500", "900"), "COMPRESSION": ("none", "gzip")}
    both["HEADERS"] = ("a=1", "b=2")
    env = {TRACES + name: values[0] for name, values in both.items()}
    env |= {GENERAL + name: values[1] for name, values in both.items()}
    settings = read(env=env)
    assert (settings.protocol, settings.timeout_s, settings.compression) == ("http/json", 0.5, None)
    assert settings.headers == {"a": "1"}


def test_arguments_win_over_variables():
    env = {
        GENERAL + "PROTOCOL": "http/json",
        GENERAL + "TIMEOUT": "500",
        GENERAL + "COMPRESSION": "gzip",
        GENERAL + "HEADERS": "a=1",
    }
    settings = read(env=env, protocol="http/protobuf", timeout_s=3, compression="none", headers={"b": "2"})
    assert (settings.protocol, settings.timeout_s, settings.compression) == ("http/protobuf", 3.0, None)
    assert settings.headers == {"b": "2"}
    assert read(env=env, headers={}).headers == {}


def test_the_content_type_follows_from_the_protocol():
    env = {GENERAL + "HEADERS": "Content-Type=application/x-protobuf,a=1"}
    assert read(env=env).headers == {"a": "1"}
    assert read(headers={"content-type": "text/plain"}).headers == {}


def test_a_variable_of_headers_loses_only_its_bad_pairs(said):
    env = {GENERAL + "HEADERS": "a=1,b=s3cret%0d%0a%0d%0aGET /,c=3"}
    assert read(env=env).headers == {"a": "1", "c": "3"}
    (message,) = said()
    assert message.startswith("header 'b' of OTEL_EXPORTER_OTLP_HEADERS is left out: it needs a value without")


def test_insecure_is_for_grpc():
    assert read(env={GENERAL + "INSECURE": "true", TRACES + "INSECURE": "false"}) == read()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"endpoint": "collector:4318"}, "^endpoint: got str; give a URL that starts with http:// or https://$"),
        ({"endpoint": 4318}, "^endpoint: got int; give an http"),
        ({"endpoint": ""}, "^endpoint: got str; give a URL"),
        ({"headers": "a=1"}, "^headers: got str; give a dictionary"),
        ({"headers": {"a": "\n\n1\n2"}}, r"^headers\['a'\]: got str; give a value without line breaks"),
        ({"protocol": "grpc"}, "^protocol: got str; give one of: http/protobuf, http/json$"),
        ({"protocol": 1}, "^protocol: got int; give one of: http/protobuf, http/json$"),
        ({"compression": "deflate"}, '^compression: got str; give "gzip", "none" or None$'),
        ({"compression": True}, '^compression: got bool; give "gzip", "none" or None$'),
        ({"timeout_s": 0}, "^timeout_s: got int; give a number of seconds above 0, up to 3600$"),
        ({"timeout_s": -1.0}, "^timeout_s: got float"),
        ({"timeout_s": float("nan")}, "^timeout_s: got float"),
        ({"timeout_s": 3601}, "^timeout_s: got int"),
        ({"timeout_s": True}, "^timeout_s: got bool"),
        ({"timeout_s": "10"}, "^timeout_s: got str"),
        ({"certificate_file": "/missing"}, "^certificate_file: got str; give the path of a PEM file"),
        ({"client_key_file": "/missing"}, "^client_certificate_file: got NoneType; give the certificate"),
        ({"verify": 0}, "^verify: got int; give True or False"),
    ],
)
def test_a_wrong_argument_raises(given, told):
    with pytest.raises(ConfigurationError, match=told):
        read(**given)


def test_certificates_of_the_environment(authority, said):
    client, other = authority.sign("client-of-env"), authority.sign("other-of-env")
    env = {
        GENERAL + "CERTIFICATE": str(authority.certificate),
        TRACES + "CLIENT_CERTIFICATE": str(client.certificate),
        GENERAL + "CLIENT_KEY": str(client.key),
    }
    files = Tls(str(authority.certificate), str(client.certificate), str(client.key))
    assert read(env=env).tls == files
    # what is given as an argument belongs together, and nothing of the environment is mixed in
    given = read(env=env, client_certificate_file=other.certificate, client_key_file=other.key).tls
    assert given == Tls(str(authority.certificate), str(other.certificate), str(other.key))
    assert said() == []


def test_a_key_of_another_certificate_is_left_out_with_it(authority, said):
    client, other = authority.sign("client-of-env-2"), authority.sign("other-of-env-2")
    env = {GENERAL + "CLIENT_CERTIFICATE": str(client.certificate), GENERAL + "CLIENT_KEY": str(other.key)}
    assert read(env=env) == read()
    (message,) = said()
    assert message.startswith("environment variables OTEL_EXPORTER_OTLP_[TRACES_]CLIENT_CERTIFICATE and _CLIENT_KEY")


def test_a_key_without_a_certificate_means_nothing(authority, said):
    assert read(env={GENERAL + "CLIENT_KEY": str(authority.own.key)}) == read()
    assert said() == []


def test_settings_can_be_shown():
    settings = read("https://me:p4ss@h/in?key=k3y", headers={"x-key": "s3cret"})
    for secret in ("p4ss", "k3y", "s3cret", "bWU6cDRzcw"):
        assert secret not in repr(settings)
