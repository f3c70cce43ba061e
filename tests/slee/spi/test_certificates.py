"""Certificates that cannot be had: each is told with its file, what is wrong with it, and what to do."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from pydantic import BaseModel

from resource_adaptors.diameter.config import DiameterConfiguration
from resource_adaptors.diameter.testing import DiameterSimulator
from resource_adaptors.http.config import HttpConfiguration
from resource_adaptors.http.testing import HttpSimulator
from slee.api.errors import InvalidConfigurationError
from slee.spi import ResourceAdaptor
from slee.spi.certificates import load_certificates
from slee.testing import SleeHarness
from tests.interop.certificates import self_signed


def load(certificate: Path, key: Path, authorities: Path | None = None) -> str:
    """What is told of files; empty if they are taken."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        load_certificates(context, "here", "X-1", certificate=certificate, key=key, authorities=authorities)
    except InvalidConfigurationError as error:
        return str(error)
    return ""


def test_each_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    one, key = self_signed(tmp_path, "one")
    _, other = self_signed(tmp_path, "other")
    gone, folder = tmp_path / "gone.pem", tmp_path
    locked = tmp_path / "locked.key"
    sealed = ["openssl", "pkcs8", "-topk8", "-passout", "pass:secret", "-in", str(key), "-out", str(locked)]
    subprocess.run(sealed, check=True, capture_output=True)
    assert load(one, key) == load(one, key, one) == ""
    assert load(gone, key) == f"here: {gone}: No such file or directory [X-1]; put the file there, or name another"
    assert f"here: {gone}: No such file" in load(one, gone)
    assert f"here: {gone}: No such file" in load(one, key, gone)
    assert f"here: {folder}: Is a directory" in load(one, folder)
    assert load(one, other) == (
        f"here: {other} is not the key of {one} [X-1]; name the key that the certificate was made for"
    )
    for wrong in ((key, one), (one, locked)):
        assert "hold no certificate and key that can be read [X-1]; write both as PEM" in load(*wrong)
    assert load(one, key, key) == (f"here: {key} holds no certificate of an authority [X-1]; write certificates as PEM")


def refused(name: str, adaptor: ResourceAdaptor, configuration: BaseModel) -> str:
    """What is told when an adaptor is given a configuration."""
    with SleeHarness() as slee, pytest.raises(InvalidConfigurationError) as raised:
        slee.add_resource(name, adaptor, configuration)
    return str(raised.value)


def test_an_adaptor_whose_certificate_is_missing_refuses_its_configuration(tmp_path: Path) -> None:
    gone = tmp_path / "gone.pem"
    files = {"certificate": gone, "key": gone}
    http = HttpConfiguration.model_validate({"listeners": [{"port": 8443, "tls": files}]})
    told = refused("http-main", HttpSimulator(), http)
    assert told.startswith(f"http.listeners: 127.0.0.1:8443: {gone}: No such file or directory [HTTP-42]; ")
    section = {"identity": "a.example", "realm": "example", "tls": {**files, "authorities": gone}}
    told = refused("diameter-main", DiameterSimulator(), DiameterConfiguration.model_validate(section))
    assert told.startswith(f"diameter.tls: {gone}: No such file or directory [DIA-54]; ")


def test_a_folder_of_the_outbox_that_is_not_there_refuses_the_configuration(tmp_path: Path) -> None:
    section = {"identity": "a.example", "realm": "example", "outbox": tmp_path / "gone" / "outbox.db"}
    told = refused("diameter-main", DiameterSimulator(), DiameterConfiguration.model_validate(section))
    assert told == f"diameter.outbox: {tmp_path}/gone is no folder [DIA-54]; make it, or name another"
