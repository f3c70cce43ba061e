"""Subscriber data by HTTP against a home subscriber server by python-diameter (DIA-41, DIA-42)."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.interop.peers import HOST, Child, free_port
from tests.interop.servers import ROOT, Slee

CONFIGURATION = """
[diameter]
identity = "slee.our.test"
realm = "our.test"
listeners = []
tc = 0.2

[[diameter.peers]]
host = "hss.fd.test"
address = "{host}"
port = {port}

[[diameter.realms]]
realm = "fd.test"
application = 16777217
peers = ["hss.fd.test"]
"""


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    port = free_port()
    config = tmp_path / "slee.toml"
    config.write_text(CONFIGURATION.format(host=HOST, port=port), encoding="utf-8")
    source = tmp_path / "sbbs" / "subscriber_data"
    shutil.copytree(ROOT / "sbbs" / "subscriber_data", source)
    manifest = source / "bundle.toml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("operator.net", "fd.test"), encoding="utf-8")
    server = Slee(tmp_path, config=config)
    with Child([sys.executable, str(Path(__file__).with_name("hss.py")), str(port)]) as hss:
        hss.wait_line("HSS ready")
        server.start()
        for arguments in (
            ("bundle", "build", str(source), "-o", str(tmp_path)),
            ("bundle", "install", str(tmp_path / "subscriber_data-1.0.0-py3-none-any.whl")),
            ("service", "activate", "SubscriberData"),
        ):
            status, output = server.cli(*arguments)
            assert status == 0, output
        time.sleep(1.0)  # the connection to the subscriber server comes up
        with httpx.Client(base_url=f"http://{HOST}:{server.http[1]}", timeout=20) as client:
            yield client
        server.stop()
        server.child.__exit__()


def test_data_are_written_read_changed_and_removed(client: httpx.Client) -> None:
    place = "/v1/subscribers/sip:alice@example.test/data/greeting"
    plain = {"Content-Type": "text/plain"}
    assert client.get(place).json()["code"] == "no-data"
    made = client.put(place, content="Grüß Gott & <welcome>", headers=plain)
    assert (made.status_code, made.headers.get("etag")) == (204, '"0"'), made.text
    read = client.get(place)
    assert read.json() == {"service": "greeting", "sequence": 0, "data": "Grüß Gott & <welcome>"}
    changed = client.put(place, content="two", headers={**plain, "If-Match": read.headers["etag"]})
    assert (changed.status_code, changed.headers["etag"]) == (204, '"1"')
    late = client.put(place, content="three", headers={**plain, "If-Match": read.headers["etag"]})
    assert (late.status_code, late.json()["code"]) == (412, "changed")
    assert client.delete(place).status_code == 204
    assert client.get(place).status_code == 404
    nobody = client.get("/v1/subscribers/sip:nobody@example.test/data/greeting")
    assert nobody.json()["code"] == "unknown-subscriber"
