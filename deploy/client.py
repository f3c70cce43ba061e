"""Calls operations of a running server through its Unix socket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from slee.management.failures import EXIT_UNEXPECTED, EXIT_UNREACHABLE, exit_status_of
from slee.management.operations import Arguments, Operation

_TIMEOUT = 60.0


class Refusal(Exception):  # noqa: N818  it is no fault of ours
    """An operation that failed, as the server told it, and the exit status of its class (MGT-2)."""

    def __init__(self, document: dict[str, Any], exit_status: int) -> None:
        super().__init__(str(document.get("message", "")))
        self.document = document
        self.exit_status = exit_status


def call(socket: Path, operation: Operation, arguments: Arguments) -> Any:
    """Call an operation and return its result as parsed JSON.

    Raises:
        Refusal: the server refused or cannot be reached.
    """
    values = arguments.model_dump(mode="json", exclude_unset=True)
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://slee") as client:
        try:
            if operation.changes:
                response = client.post(operation.path, json=values, timeout=_TIMEOUT)
            else:
                response = client.get(operation.path, params=values, timeout=_TIMEOUT)
        except httpx.TransportError as error:
            raise Refusal(_unreachable(socket, error), EXIT_UNREACHABLE) from error
    try:
        body = response.json()
    except ValueError as error:
        message = f"{socket}: it answers {response.status_code} in another language [MGT-2]; is that a SLEE server?"
        raise Refusal({"code": "unexpected", "message": message, "issues": []}, EXIT_UNEXPECTED) from error
    if response.is_success:
        return body
    raise Refusal(body, exit_status_of(body.get("code", "")))


def _unreachable(socket: Path, error: httpx.TransportError) -> dict[str, Any]:
    message = f"{socket}: no server answers there: {error} [MGT-2]; start it with slee run, or give its --state-dir"
    return {"code": "unreachable", "message": message, "issues": []}
