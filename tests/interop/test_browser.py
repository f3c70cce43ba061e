"""A real browser: what pages of a service do with fetch, forms, cookies, EventSource and WebSocket (peers 14).

Each lane runs on plain HTTP and on TLS; what is of another origin is on the other of the two.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

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

[http.browser."/page"]
content-security-policy = "default-src 'self'; connect-src 'self' {http} {https} ws: wss:"

[http.sessions."POST /count"]
source = "cookie"
name = "sid"

[http.sessions."WEBSOCKET /count"]
source = "cookie"
name = "sid"

[http.cors."/shared/*"]
origins = ["{http}", "{https}"]
methods = ["GET", "PUT"]
headers = ["content-type", "x-token"]
exposed = ["x-shown"]
"""


class Site(HttpSlee):
    """The product with the bundle `pages`, on plain HTTP and on TLS."""

    def __init__(self, folder: Path) -> None:
        port, tls_port = free_port(), free_port()
        self.certificate, key = self_signed(folder, "localhost")
        self.origins = {"http": f"http://{HOST}:{port}", "https": f"https://localhost:{tls_port}"}
        section = _CONFIGURATION.format(tls_port=tls_port, certificate=self.certificate, key=key, **self.origins)
        super().__init__(folder, section, port=port)

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
def browser(tmp_path_factory: pytest.TempPathFactory, site: Site) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser"), site.certificate) as browser:
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
      const answers = [await fetch('/nothing'), await fetch('/echo'),
        await fetch('/echo', {method: 'POST', body: '{'})];
      return Promise.all(answers.map(async answer => [answer.status, (await answer.json()).code]));
    }"""
    assert tab.run(refusals) == [[404, "no_route"], [405, "method"], [415, "content_type"]]
    many = """async () => {
      const asked = Array.from({length: 40}, (_, number) => fetch('/echo', {
        method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(number)}));
      return (await Promise.all(asked.map(async each => (await each).json()))).every((found, place) => found === place);
    }"""
    assert tab.run(many)


def test_browser_lane_what_is_known_is_asked_for_by_its_tag(tab: Tab) -> None:
    ask = (
        "async () => { const a = await fetch('/tagged'); return [a.status, a.headers.get('x-known'), await a.text()]; }"
    )
    assert tab.run(ask) == [200, "False", "same"]
    assert tab.run(ask) == [200, "True", "same"]  # a 304, which the browser joins with what it has


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
    assert tab.run("() => document.cookie") == ""  # no script sees it
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


def test_browser_lane_an_event_stream_goes_on_where_it_was(tab: Tab, site: Site, scheme: str) -> None:
    """The service ends it twice; the browser comes back by itself, and gets what it missed once and in order."""
    follow = """async name => {
      const post = (path, body) => fetch('/events/' + name + path, {method: 'POST', body});
      const seen = [], source = new EventSource('/events/' + name);
      const note = event => seen.push([event.type, event.data]);
      ['message', 'note', 'reset'].forEach(type => source.addEventListener(type, note));
      const until = (type, count) => new Promise(done => {
        const look = () => { if (--count === 0) { source.removeEventListener(type, look); done(); } };
        source.addEventListener(type, look);
      });
      await until('open', 1);
      let next = until('message', 2);
      await post('', 'one'); await post('?event=note', 'two\\nlines ☎'); await post('', '');
      await next;
      next = until('error', 1);
      await post('/end/same', ''); await next;
      seen.push(source.readyState === EventSource.CONNECTING);
      next = until('message', 2);
      await post('', 'four'); await post('', 'five');
      await next;
      next = until('reset', 1);
      await post('/end/long-ago', 'last'); await next;
      next = until('error', 2);
      await post('/end/enough', 'over'); await next;
      seen.push(source.readyState === EventSource.CLOSED);
      return seen;
    }"""
    assert tab.run(follow, f"{scheme}-news") == [
        ["message", "one"],
        ["note", "two\nlines ☎"],
        ["message", ""],
        True,
        ["message", "four"],
        ["message", "five"],
        ["message", "last"],
        ["reset", ""],
        ["message", "over"],
        True,
    ]
    for said in ("resumed 0 False", "resumed 2 False", "resumed 0 True"):
        site.said(f"{scheme}-news {said}")


SOCKET: Final = """async (url, protocols, messages) => {
  const seen = [], socket = new WebSocket(url, protocols);
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => messages.forEach(each => socket.send(typeof each === 'string' ? each : new Uint8Array(each)));
  socket.onmessage = event => {
    seen.push(typeof event.data === 'string' ? event.data : [...new Uint8Array(event.data)]);
    if (seen.length === messages.length) socket.close(4000, 'fertig ☎');
  };
  return new Promise(done => { socket.onclose = event =>
    done([socket.protocol, seen, event.code, event.reason, event.wasClean]); });
}"""


def test_browser_lane_a_websocket_speaks_and_closes_from_both_sides(tab: Tab, site: Site, scheme: str) -> None:
    url = site.origins[scheme].replace("http", "ws", 1)
    protocols = ["chat.v1", "chat.v2"]
    messages: list[Any] = ["grüße ☎", [0, 255], "", [], "x" * 60_000, [7] * 60_000]
    mine = f"{url}/talk/{scheme}-mine"
    assert tab.run(SOCKET, mine, protocols, messages) == ["chat.v2", messages, 4000, "fertig ☎", True]
    site.said(f"{scheme}-mine 4000 fertig ☎ by the peer")
    theirs = f"{url}/talk/{scheme}-theirs"
    assert tab.run(SOCKET, theirs, protocols, ["one", "close"]) == ["chat.v2", ["one"], 4001, "genug ☎", True]
    site.said(f"{scheme}-theirs 4001 genug ☎ by the service")
    long = f"{url}/talk/{scheme}-long"
    assert tab.run(SOCKET, long, protocols, [[0] * 70_000])[2] == 1009
    for refused in (f"{url}/talk/staff", f"{url}/nothing"):
        assert tab.run(SOCKET, refused, protocols, []) == ["", [], 1006, "", False]
    assert tab.run(SOCKET, mine, ["other"], []) == ["", [], 1006, "", False]


def test_browser_lane_a_tab_that_is_closed_ends_what_it_had(site: Site, browser: Browser, scheme: str) -> None:
    origin, name = site.origins[scheme], f"{scheme}-tab"
    with browser.open(f"{origin}/page") as tab:
        begin = """async (origin, name) => {
          fetch('/wait/' + name);
          const controller = new AbortController();
          fetch('/wait/' + name + '-given-up', {signal: controller.signal}).catch(() => {});
          const source = new EventSource('/events/' + name);
          const socket = new WebSocket(origin.replace('http', 'ws') + '/talk/' + name, ['chat.v1']);
          await Promise.all([source, socket].map(each => new Promise(done => { each.onopen = done; })));
          controller.abort();
        }"""
        tab.run(begin, origin, name)
        site.said(f"{name}-given-up disconnected")
    site.said(f"{name} disconnected")
    site.said(f"{name} closed its stream")
    site.child.wait_line(f"^{name} 100[156] .*by the (peer|network)$", timeout=5)


def test_browser_lane_pages_of_other_origins_get_what_is_shared(tab: Tab, site: Site, scheme: str) -> None:
    other = site.origins["https" if scheme == "http" else "http"]
    put = """async other => {
      const headers = {'Content-Type': 'application/json', 'X-Token': 'mine'};
      return (await fetch(other + '/shared/value', {method: 'PUT', headers, body: '[1]'})).json();
    }"""
    get = """async other => {
      const answer = await fetch(other + '/shared/text');
      return [await answer.text(), answer.headers.get('x-shown'), answer.headers.get('x-hidden')];
    }"""
    denied = """async other => {
      const asked = [['/tagged', {}], ['/shared/value', {method: 'PUT', headers: {'X-Other': '1'}}]];
      return Promise.all(asked.map(([path, how]) => fetch(other + path, how).then(() => 'read', error => error.name)));
    }"""
    assert tab.run(put, other) == [[1], "mine"]
    assert tab.run(get, other) == ["shared", "1", None]
    assert tab.run(denied, other) == ["TypeError", "TypeError"]
    url = other.replace("http", "ws", 1)
    assert tab.run(SOCKET, f"{url}/shared/{scheme}-guest", [], ["hello"])[1] == ["hello"]
    assert tab.run(SOCKET, f"{url}/talk/{scheme}-guest", ["chat.v1"], [])[2] == 1006
