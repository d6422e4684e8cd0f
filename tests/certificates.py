"""Certificates of an authority of our own, made by openssl when a test asks for them; nothing of them is kept."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_CONFIG = """
[ca]
default_ca = ours
[ours]
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
"""


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in PEM files."""

    certificate: Path
    key: Path

    def server(self, *, clients_from: Path | None = None) -> ssl.SSLContext:
        """Return the context of a server that has this certificate, and asks clients for theirs if told to."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        if clients_from is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients_from)
        return context


class Authority:
    """Signs certificates."""

    def __init__(self, folder: Path) -> None:
        """Make the authority's own certificate."""
        if shutil.which("openssl") is None:
            pytest.skip("openssl is not on this machine")
        self._folder = folder
        self._config = folder / "openssl.cnf"
        self._config.write_text(_CONFIG.format(folder=folder))
        (folder / "index.txt").touch()
        (folder / "serial").write_text("01\n")
        self.own = self.self_signed("authority", is_authority=True)
        self.certificate = self.own.certificate

    def self_signed(self, name: str, *, is_authority: bool = False) -> Pair:
        """Make a certificate that only trusts itself."""
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        constraint = f"basicConstraints=critical,CA:{'TRUE' if is_authority else 'FALSE'}"
        self._run(
            *("req", "-x509", *self._new_key(pair), "-subj", f"/CN={name}", "-days", "2", "-out", pair.certificate),
            *("-addext", constraint, *(("-addext", "keyUsage=keyCertSign") if is_authority else ())),
            *(() if is_authority else ("-addext", "subjectAltName=IP:127.0.0.1")),
        )
        return pair

    def sign(self, name: str, *, host: str = "IP:127.0.0.1", is_expired: bool = False) -> Pair:
        """Make a certificate for a host, in force or over since yesteryear."""
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={host}\n")
        self._run("req", *self._new_key(pair), "-subj", f"/CN={name}", "-out", request)
        times = ("-startdate", "20200101000000Z", "-enddate", "20200102000000Z") if is_expired else ("-days", "2")
        self._run(
            *("ca", "-batch", "-notext", "-in", request, "-out", pair.certificate, "-extfile", extensions, *times),
            *("-cert", self.own.certificate, "-keyfile", self.own.key),
        )
        return pair

    def locked(self, pair: Pair) -> Path:
        """Return the key of a pair, encrypted."""
        path = pair.key.with_suffix(".locked")
        self._run("ec", "-in", pair.key, "-aes128", "-passout", "pass:secret", "-out", path, config=False)
        return path

    def _new_key(self, pair: Pair) -> tuple[str | Path, ...]:
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", pair.key

    def _run(self, *arguments: str | Path, config: bool = True) -> None:
        command, *rest = arguments
        chosen = ("-config", self._config) if config else ()
        subprocess.run(["openssl", command, *chosen, *rest], check=True, capture_output=True)
