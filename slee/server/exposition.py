"""`/metrics`: the registry in Prometheus text format, without a thread of its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send


def metrics_app(registry: CollectorRegistry) -> ASGIApp:
    """The application; each scrape reads the counters once."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/metrics":
            response: Response = PlainTextResponse("metrics are at /metrics\n", 404)
        elif scope["method"] not in ("GET", "HEAD"):
            response = PlainTextResponse("GET it\n", 405, {"Allow": "GET, HEAD"})
        else:
            encode, content_type = choose_encoder(Headers(scope=scope).get("accept", ""))
            response = Response(encode(registry), headers={"Content-Type": content_type})
        await response(scope, receive, send)

    return answer
