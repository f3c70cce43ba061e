"""Certificates for the lanes of TLS, made by openssl: of an authority that signs for hosts, or signed by themselves."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.interop.peers import find_program

_NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; its own is in `certificate`, with its `key`."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self.certificate, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        _openssl("req", "-x509", *_NEW_KEY, "-days", "2", "-subj", f"/CN={name}", *_files(self.certificate, self.key))

    def issue(self, host: str, *, name: str = "", days: int = 2) -> Certificate:
        """A certificate for a host, in files of that name; it is over already with -1 day."""
        made = Certificate(*(self._folder / f"{name or host}.{ending}" for ending in ("pem", "key")))
        request, extension = made.key.with_suffix(".csr"), made.key.with_suffix(".ext")
        extension.write_text(f"subjectAltName=DNS:{host}\n", encoding="ascii")
        _openssl("req", *_NEW_KEY, "-subj", f"/CN={host}", *_files(request, made.key))
        signer = ["-CA", str(self.certificate), "-CAkey", str(self.key), "-CAcreateserial", "-days", str(days)]
        _openssl("x509", "-req", "-in", str(request), *signer, "-extfile", str(extension), *_files(made.certificate))
        return made


def self_signed(folder: Path, name: str, subject: str = "DNS:localhost,IP:127.0.0.1") -> tuple[Path, Path]:
    """A certificate and its key that stand for themselves; without openssl the lane is skipped."""
    if find_program("openssl") is None:
        pytest.skip("openssl is not installed")
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    given = ["-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={subject}"]
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", *given, *_files(certificate, key))
    return certificate, key


def _files(certificate: Path, key: Path | None = None) -> list[str]:
    return ["-out", str(certificate), *([] if key is None else ["-keyout", str(key)])]


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
