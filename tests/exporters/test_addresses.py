import pytest

from callspan.errors import ConfigurationError
from callspan.exporters import addresses


@pytest.mark.parametrize(
    ("given", "url", "shown"),
    [
        ("http://localhost:4318", "http://localhost:4318/", "http://localhost:4318"),
        ("https://Host.example/v1/traces", "https://Host.example/v1/traces", "https://Host.example/v1/traces"),
        ("https://h/in?key=s3cret&a=b#part", "https://h/in?key=s3cret&a=b", "https://h/in?***"),
        ("https://me:s3cret@h:8443/in", "https://h:8443/in", "https://***@h:8443/in"),
        ("http://[::1]:4318/v1", "http://[::1]:4318/v1", "http://[::1]:4318/v1"),
        ("https://bücher.example/", "https://bücher.example/", "https://bücher.example/"),
        (" https://h/in ", "https://h/in", "https://h/in"),
    ],
)
def test_urls_that_are_taken(given, url, shown):
    address = addresses.checked(given, "endpoint")
    assert (address.url, address.shown) == (url, shown)
    assert "s3cret" not in address.shown


@pytest.mark.parametrize(
    "given",
    [
        *(
            "",
            "localhost:4318",
            "collector",
            "//h/in",
            "file:///etc/passwd",
            "ftp://h",
            "http:/h",
            "http://",
            "https:h",
        ),
        *(
            "http://:4318",
            "http://h:port",
            "http://h:99999",
            "http://h:0",
            "http://h\r\nx/",
            "http://h/a b",
            "http://h\0",
        ),
        *("http://[::1", "http://" + "a" * 64 + ".example", "https://h/" + "a" * 8192),
    ],
)
def test_urls_that_are_refused_without_being_repeated(given):
    with pytest.raises(ConfigurationError, match=r"^endpoint: got str; give a URL") as caught:
        addresses.checked(given, "endpoint")
    assert not given or given not in str(caught.value)


@pytest.mark.parametrize("given", [None, 4318, b"http://h", ["http://h"]])
def test_what_is_no_text_is_refused(given):
    with pytest.raises(ConfigurationError, match=f"^url: got {type(given).__name__}; give an http:// or https:// URL"):
        addresses.checked(given, "url")


@pytest.mark.parametrize(
    ("userinfo", "header"),
    [
        ("me:secret", "Basic bWU6c2VjcmV0"),
        ("me", "Basic bWU6"),
        (":token", "Basic OnRva2Vu"),
        ("me%40work:a%2Fb", "Basic bWVAd29yazphL2I="),
    ],
)
def test_userinfo_becomes_a_header(userinfo, header):
    assert addresses.parse(f"https://{userinfo}@h/in").authorization == header


def test_without_userinfo_there_is_no_such_header():
    assert addresses.parse("https://h/in").authorization is None


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        *(("localhost", True), ("otel.localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("[::1]", True)),
        *(("10.0.0.1", False), ("collector", False), ("localhost.example", False), ("[fe80::1]", False)),
    ],
)
def test_which_hosts_are_this_machine(host, is_loopback):
    assert addresses.parse(f"http://{host}:4318/").is_loopback is is_loopback


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h", "http://h/v1/traces"),
        ("http://h/", "http://h/v1/traces"),
        ("http://h/otlp", "http://h/otlp/v1/traces"),
        ("http://h/otlp/?a=1", "http://h/otlp/v1/traces?a=1"),
        ("http://me:s@h", "http://me:s@h/v1/traces"),
    ],
)
def test_a_path_is_appended(url, expected):
    assert addresses.below(url, "v1/traces") == expected


@pytest.mark.parametrize(("url", "says"), [("http://h", False), ("http://h/", False), ("http://h/v1", True)])
def test_whether_a_url_has_a_path(url, says):
    assert addresses.has_path(url) is says
