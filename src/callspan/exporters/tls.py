"""Whom to trust over TLS, and as whom to appear."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from callspan.errors import ConfigurationError

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM form. `certificate_file` holds the authorities to trust instead of the usual ones.

    The client's key may stand in the file of its certificate. `verify=False` trusts anybody.
    """

    certificate_file: str | None = None
    client_certificate_file: str | None = None
    client_key_file: str | None = None
    verify: bool = True

    def context(self) -> ssl.SSLContext:
        """Make the context of a client; the usual authorities are those that httpx trusts."""
        import ssl  # noqa: PLC0415 - only for those who encrypt, in the sending thread

        import httpx  # noqa: PLC0415

        if self.certificate_file is not None:
            context = ssl.create_default_context(cafile=self.certificate_file)
        else:
            context = httpx.create_ssl_context()
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.client_certificate_file is not None:
            _load_pair(context, self.client_certificate_file, self.client_key_file)
        return context


def checked(certificate_file: Any, client_certificate_file: Any, client_key_file: Any, verify: Any) -> Tls:
    """Read the files once to see that they can be used. Raises `ConfigurationError` naming the argument."""
    if not isinstance(verify, bool):
        raise ConfigurationError("verify", verify, "give True or False; certificate_file= names authorities to trust")
    authorities = _path("certificate_file", certificate_file)
    certificate = _path("client_certificate_file", client_certificate_file)
    key = _path("client_key_file", client_key_file)
    if key is not None and certificate is None:
        raise ConfigurationError("client_certificate_file", None, "give the certificate that client_key_file is for")
    if authorities is not None:
        try:
            check_authorities(authorities)
        except ValueError as error:
            raise ConfigurationError("certificate_file", certificate_file, f"give {error}") from None
    if certificate is not None:
        try:
            check_pair(certificate, key)
        except ValueError as error:
            raise ConfigurationError("client_certificate_file", client_certificate_file, f"give {error}") from None
    return Tls(authorities, certificate, key, verify)


def check_authorities(path: str) -> str:
    """Return `path` if it holds certificates to trust; else raise `ValueError` saying what is needed."""
    import ssl  # noqa: PLC0415

    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ValueError):
        raise ValueError("the path of a PEM file with certificates") from None
    return path


def check_pair(certificate: str, key: str | None) -> None:
    """Raise `ValueError` saying what is needed unless the files hold a certificate and its key."""
    import ssl  # noqa: PLC0415

    try:
        _load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate, key)
    except (OSError, ValueError):
        raise ValueError("the paths of PEM files with a certificate and its key, which is not encrypted") from None


def _load_pair(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    context.load_cert_chain(certificate, key, password="")  # else it would ask for one at the terminal


def _path(field: str, given: Any) -> str | None:
    if given is None:
        return None
    path = os.fspath(given) if isinstance(given, str | os.PathLike) else None
    if not isinstance(path, str) or not path or "\0" in path:
        raise ConfigurationError(field, given, "give the path of a file")
    return path
