"""A real browser: what pages of a service do with fetch, forms, cookies, EventSource and WebSocket.

Each lane runs on plain HTTP and on TLS; what is of another origin is on the other of the two.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.interop.browser import Browser, Tab
from tests.interop.certificates import self_signed
from tests.interop.killing import deploy
from tests.interop.peers import HOST, free_port
from tests.interop.servers import HttpSlee

pytestmark = [pytest.mark.interop, pytest.mark.programs("chromium", "openssl")]

_CONFIGURATION: Final = """
[[http.listeners]]
port = {tls_port}
tls = {{ certificate = "{certificate}", key = "{key}" }}

[http.compression]
responses = true

[http.browser."*"]
content-security-policy = "default-src 'self'; connect-src http: https: ws: wss:"

[http.sessions."POST /count"]
source = "cookie"
name = "sid"

[http.sessions."WEBSOCKET /count"]
source = "cookie"
name = "sid"

[http.cors."/shared/*"]
origins = ["http://{host}:{port}", "https://{host}:{tls_port}"]
methods = ["GET", "PUT"]
headers = ["content-type", "x-token"]
exposed = ["x-shown"]
"""


class Site(HttpSlee):
    """The product with the bundle `pages`, on plain HTTP and on TLS."""

    def __init__(self, folder: Path) -> None:
        port, tls_port = free_port(), free_port()
        certificate, key = self_signed(folder, "localhost")
        section = _CONFIGURATION.format(host=HOST, port=port, tls_port=tls_port, certificate=certificate, key=key)
        super().__init__(folder, section, port=port)
        self.origins = {"http": f"http://{HOST}:{port}", "https": f"https://{HOST}:{tls_port}"}

    def said(self, text: str) -> None:
        """Wait until the service has printed that."""
        self.child.wait_line(f"^{re.escape(text)}$", timeout=5)

    def requests(self) -> int:
        """How many activities of HTTP there are, sessions left out."""
        status, output = self.cli("activity", "list", "--json")
        assert status == 0, output
        rows = [str(row) for row in json.loads(output)]
        return sum("http" in row and "session" not in row for row in rows)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for all lanes; nothing is left in it but sessions, and it ends well."""
    folder = tmp_path_factory.mktemp("site")
    site = Site(folder)
    try:
        site.start()
        deploy(site, folder, "pages", "Pages", "Streams", "Talks")
        yield site
        assert site.requests() == 0
        assert site.stop() == 0, site.child.output
        assert "Traceback" not in site.child.output
    finally:
        site.child.__exit__()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture(params=["http", "https"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tab(site: Site, browser: Browser, scheme: str) -> Iterator[Tab]:
    """A tab that shows the service's page."""
    with browser.open(f"{site.origins[scheme]}/page") as tab:
        yield tab


def test_browser_lane_a_page_runs_its_script_and_fetches(tab: Tab) -> None:
    assert tab.run("() => [document.title, window.hasRun, document.compatMode]") == ["Pages", True, "CSS1Compat"]
    value = {"text": "grüße ☎", "list": [1, None, {"a": 0.5}]}
    post = """async value => {
      const headers = {'Content-Type': 'application/json'};
      const answer = await fetch('/echo', {method: 'POST', headers, body: JSON.stringify(value)});
      return [answer.status, answer.headers.get('content-type'), await answer.json()];
    }"""
    assert tab.run(post, value) == [200, "application/json", value]
    refusals = """async () => {
      const wrong = {method: 'POST', body: '{'};
      const answers = [await fetch('/nothing'), await fetch('/echo'), await fetch('/echo', wrong)];
      return Promise.all(answers.map(async answer => [answer.status, (await answer.json()).code]));
    }"""
    assert tab.run(refusals) == [[404, "no_route"], [405, "method"], [415, "content_type"]]
    many = """async () => {
      const asked = Array.from({length: 40}, (_, number) => fetch('/echo', {
        method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(number)}));
      return (await Promise.all(asked.map(async each => (await each).json()))).every((found, place) => found === place);
    }"""
    assert tab.run(many)


def test_browser_lane_what_is_known_is_asked_for_by_its_tag(tab: Tab, scheme: str) -> None:
    ask = (
        "async () => { const a = await fetch('/tagged'); return [a.status, a.headers.get('x-known'), await a.text()]; }"
    )
    assert tab.run(ask) == [200, "False", "same"]
    known = str(scheme == "http")  # it keeps nothing that came under a certificate of nobody's
    assert tab.run(ask) == [200, known, "same"]  # a 304, which the browser joins with what it has


def test_browser_lane_long_bodies_go_both_ways(tab: Tab) -> None:
    compressed = """async () => {
      const text = 'x'.repeat(20000), headers = {'Content-Type': 'application/json'};
      const answer = await fetch('/echo', {method: 'POST', headers, body: JSON.stringify(text)});
      return [answer.headers.get('content-encoding'), (await answer.json()) === text];
    }"""
    assert tab.run(compressed) == ["gzip", True]
    upload = "async length => (await fetch('/files', {method: 'POST', body: new Uint8Array(length)})).json()"
    assert tab.run(upload, 900_000) == 900_000
    pieces = """async () => {
      const reader = (await fetch('/pieces')).body.getReader();
      let octets = 0;
      for (let read = await reader.read(); !read.done; read = await reader.read()) octets += read.value.length;
      return octets;
    }"""
    assert tab.run(pieces) == 2_000_000
    too_long = """async () => {
      const answer = await fetch('/files', {method: 'POST', body: new Uint8Array(3000000)});
      return [answer.status, (await answer.json()).code];
    }"""
    assert tab.run(too_long) == [413, "body"]


def test_browser_lane_forms_arrive_as_they_are(tab: Tab) -> None:
    text = "() => JSON.parse(document.body.innerText)"
    files = """async () => {
      const form = new FormData();
      form.append('note', 'grüße');
      form.append('file', new Blob([new Uint8Array([0, 13, 10, 255])], {type: 'image/png'}), 'a "b".png');
      return (await fetch('/files', {method: 'POST', body: form})).json();
    }"""
    assert tab.run(files) == [
        ["note", None, "text/plain", "grüße".encode().hex()],
        ["file", "a %22b%22.png", "image/png", "000d0aff"],
    ]
    tab.run("() => document.forms[1].submit()", loads=True)
    assert tab.run(text) == [["note", None, "text/plain", "grüße & ☎".encode().hex()]]


def test_browser_lane_a_cookie_joins_requests_of_every_kind(tab: Tab, site: Site, scheme: str) -> None:
    count = "async () => (await fetch('/count', {method: 'POST'})).json()"
    first = tab.run(count)[0]
    assert tab.run(count) == [first + 1]
    assert "sid" not in tab.run("() => document.cookie")  # no script sees it
    tab.run('() => { document.cookie = \'settings={"theme": "dark"}; path=/\'; }')  # another one's, in another style
    assert tab.run(count) == [first + 2]
    socket = """origin => new Promise((done, failed) => {
      const socket = new WebSocket(origin.replace('http', 'ws') + '/count');
      socket.onmessage = event => { done(event.data); socket.close(); };
      socket.onerror = failed;
    })"""
    assert tab.run(socket, site.origins[scheme]) == str(first + 3)
    tab.run("() => document.forms[0].submit()", loads=True)
    assert tab.run("() => JSON.parse(document.body.innerText)") == [first + 4, "grüße & ☎"]
    tab.go(f"{site.origins[scheme]}/page")
    assert tab.run("() => navigator.sendBeacon('/count')")
    for _ in range(50):
        if (found := tab.run(count)) == [first + 6]:
            break
        assert found == [first + 5]


HEARD: Final = """async count => {
  while (window.heard.length < count) await new Promise(done => setTimeout(done, 20));
  return window.heard;
}"""
"""Waits for so many events, and returns all."""


def test_browser_lane_an_event_stream_goes_on_where_it_broke_off(tab: Tab, site: Site, scheme: str) -> None:
    listen = """name => new Promise(done => {
      window.heard = [];
      window.source = new EventSource('/events/' + name);
      source.onmessage = event => heard.push(event.data);
      source.addEventListener('extra', event => heard.push(['extra', event.data]));
      source.onopen = () => done(source.readyState);
    })"""
    post = "async (path, body) => (await fetch(path, {method: 'POST', body})).status"
    name = f"news-{scheme}"
    assert tab.run(listen, name) == 1
    assert tab.run(post, f"/events/{name}", "grüße ☎\nzwei Zeilen") == 204
    assert tab.run(post, f"/events/{name}?event=extra", "two") == 204
    assert tab.run(HEARD, 2) == ["grüße ☎\nzwei Zeilen", ["extra", "two"]]
    assert tab.run(post, f"/events/{name}/end/same", "") == 204
    assert tab.run(post, f"/events/{name}", "three") == 204  # as often as not before it is back
    assert tab.run(HEARD, 3)[2:] == ["three"]
    site.said(f"{name} resumed 1 False")
    assert tab.run(post, f"/events/{name}/end/enough", "last") == 204
    assert tab.run(HEARD, 4)[3:] == ["last"]
    assert (
        tab.run("async () => { while (source.readyState != 2) await new Promise(done => setTimeout(done, 20)); }")
        is None
    )


TALK: Final = """(address, protocols, sent) => new Promise(done => {
  const socket = new WebSocket(address, protocols), heard = [];
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => {
    for (const each of sent) socket.send(typeof each == 'string' ? each : new Uint8Array(each));
    if (!sent.length) socket.close(3001, 'fertig ☎');
  };
  socket.onmessage = event => heard.push(typeof event.data == 'string' ? event.data : [...new Uint8Array(event.data)]);
  socket.onclose = event => done([socket.protocol, heard, event.code, event.reason, event.wasClean]);
})"""
"""Says something, or hangs up if that is nothing; tells what was heard until the end, and how that came."""


def test_browser_lane_a_websocket_carries_texts_and_octets_until_either_side_ends_it(
    tab: Tab, site: Site, scheme: str
) -> None:
    address, name = site.origins[scheme].replace("http", "ws", 1), f"talk-{scheme}"
    said = ["grüße ☎", [0, 1, 255], "x" * 50_000]
    ended = tab.run(TALK, f"{address}/talk/{name}", ["chat.v1", "chat.v2"], [*said, "close"])
    assert ended == ["chat.v2", said, 4001, "genug ☎", True]
    site.said(f"{name} 4001 genug ☎ by the service")
    assert tab.run(TALK, f"{address}/talk/{name}", ["chat.v1"], []) == ["chat.v1", [], 3001, "fertig ☎", True]
    site.said(f"{name} 3001 fertig ☎ by the peer")
    assert tab.run(TALK, f"{address}/talk/staff", ["chat.v1"], [])[2:] == [1006, "", False]
    assert tab.run(TALK, f"{address}/talk/{name}", ["other"], [])[2:] == [1006, "", False]


def test_browser_lane_a_tab_that_is_closed_ends_everything_of_it(site: Site, browser: Browser, scheme: str) -> None:
    name, origin = f"closed-{scheme}", site.origins[scheme]
    with browser.open(f"{origin}/page") as tab:
        tab.run("name => { fetch('/wait/' + name); }", name)
        opened = """(name, address) => new Promise(done => {
          const socket = new WebSocket(address + '/talk/' + name, ['chat.v1']);
          socket.onopen = () => { new EventSource('/events/' + name).onopen = done; };
        })"""
        tab.run(opened, name, origin.replace("http", "ws", 1))
    site.said(f"{name} disconnected")
    site.said(f"{name} closed its stream")
    site.said(f"{name} 1001  by the peer")


def test_browser_lane_pages_of_another_origin_get_what_is_shared(tab: Tab, site: Site, scheme: str) -> None:
    other = site.origins["http" if scheme == "https" else "https"]
    shared = """async origin => {
      const got = await fetch(origin + '/shared/text');
      const headers = {'Content-Type': 'application/json', 'X-Token': 't'};
      const put = await fetch(origin + '/shared/value', {method: 'PUT', headers, body: '[1]'});
      return [await got.text(), got.headers.get('x-shown'), got.headers.get('x-hidden'), await put.json()];
    }"""
    assert tab.run(shared, other) == ["shared", "1", None, [[1], "t"]]
    refused = """async (address, options) => {
      try { await fetch(address, options); return 'let in'; } catch { return 'kept out'; }
    }"""
    assert tab.run(refused, f"{other}/tagged", {}) == "kept out"
    assert tab.run(refused, f"{other}/shared/text", {"method": "DELETE"}) == "kept out"
    address = other.replace("http", "ws", 1)
    assert tab.run(TALK, f"{address}/shared/{scheme}", [], ["hello", "close"])[1:3] == [["hello"], 4001]
    assert tab.run(TALK, f"{address}/talk/{scheme}", ["chat.v1"], [])[2] == 1006
