import ssl

import pytest

from callspan.errors import ConfigurationError
from callspan.exporters import tls


def test_good_files_are_taken(authority):
    client = authority.sign("client-of-tls")
    chosen = tls.checked(authority.certificate, client.certificate, str(client.key), True)
    assert chosen == tls.Tls(str(authority.certificate), str(client.certificate), str(client.key), verify=True)
    context = chosen.context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert [found["subject"] for found in context.get_ca_certs()] == [((("commonName", "authority"),),)]


def test_the_key_may_stand_with_its_certificate(authority, tmp_path):
    client = authority.sign("client-in-one")
    both = tmp_path / "both.pem"
    both.write_bytes(client.certificate.read_bytes() + client.key.read_bytes())
    assert tls.checked(None, both, None, True) == tls.Tls(client_certificate_file=str(both))


def test_without_files_the_usual_authorities_are_trusted():
    context = tls.checked(None, None, None, True).context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.get_ca_certs()


def test_nobody_is_verified_only_on_demand():
    context = tls.checked(None, None, None, False).context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


def test_wrong_files_are_refused_by_field(authority, tmp_path):
    client, other = authority.sign("client-right"), authority.sign("client-other")
    locked = authority.locked(client)
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("no certificate")
    missing = tmp_path / "missing.pem"
    for given, told in [
        (
            (missing, None, None, True),
            "^certificate_file: got PosixPath; give the path of a PEM file with certificates",
        ),
        (
            (rubbish, None, None, True),
            "^certificate_file: got PosixPath; give the path of a PEM file with certificates",
        ),
        (("", None, None, True), "^certificate_file: got str; give the path of a file"),
        (("a\0b", None, None, True), "^certificate_file: got str; give the path of a file"),
        ((7, None, None, True), "^certificate_file: got int; give the path of a file"),
        ((b"x", None, None, True), "^certificate_file: got bytes; give the path of a file"),
        ((None, missing, None, True), "^client_certificate_file: got PosixPath; give the paths of PEM files"),
        ((None, client.certificate, None, True), "^client_certificate_file: got PosixPath; give the paths of PEM"),
        ((None, client.certificate, other.key, True), "^client_certificate_file: got PosixPath; give the paths of PEM"),
        ((None, client.certificate, locked, True), "^client_certificate_file: .* which is not encrypted"),
        ((None, None, client.key, True), "^client_certificate_file: got NoneType; give the certificate that"),
        ((None, None, None, "no"), "^verify: got str; give True or False"),
    ]:
        with pytest.raises(ConfigurationError, match=told):
            tls.checked(*given)
