"""The HTTP interfaces of a server, behind one import, because their libraries take longest to load."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from slee.management.metrics import registry
from slee.server.api import management_app as api
from slee.server.exposition import metrics_app
from slee.server.serving import serve

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from slee.facilities.volatile import VolatileTables
    from slee.kernel.kernel import Kernel
    from slee.management.management import Management


def metrics(kernel: Kernel, management: Management, tables: VolatileTables) -> ASGIApp:
    """The application that shows every metric."""

    def rows() -> Iterator[tuple[str, int]]:
        return ((identity.name, table.count) for identity, table in tables.tables.items())

    return metrics_app(registry(kernel, management, rows))


__all__ = ["api", "metrics", "serve"]
