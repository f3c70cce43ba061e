"""Calls operations of a running server through its Unix socket."""

from __future__ import annotations

import socket
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from slee.management.arguments import Arguments
from slee.management.failures import EXIT_UNEXPECTED, EXIT_UNREACHABLE, exit_status_of
from slee.management.operations import Operation

_TIMEOUT = 60.0


class Refusal(Exception):
    """An operation that failed, as the server told it, and the exit status of its class (MGT-2)."""

    def __init__(self, document: dict[str, Any], exit_status: int) -> None:
        super().__init__(str(document.get("message", "")))
        self.document = document
        self.exit_status = exit_status


def call(path: Path, operation: Operation, arguments: Arguments) -> Any:
    """Call an operation and return its result as parsed JSON.

    Raises:
        Refusal: the server refused or cannot be reached.
    """
    with _requests(path) as client:
        values = arguments.model_dump(mode="json", exclude_unset=True)
        if operation.changes:
            response = client.post(operation.path, json=values, timeout=_TIMEOUT)
        else:
            response = client.get(operation.path, params=values, timeout=_TIMEOUT)
    return _result(path, response)


def upload(path: Path, operation: Operation, arguments: Arguments, pieces: Iterable[bytes]) -> Any:
    """Call an operation that takes a file, and return its result as parsed JSON.

    Raises:
        Refusal: the server refused or cannot be reached.
    """
    with _requests(path) as client:
        values = arguments.model_dump(mode="json", exclude_unset=True)
        response = client.post(operation.path, params=values, content=pieces, timeout=None)
    return _result(path, response)


def download(path: Path, operation: Operation, arguments: Arguments) -> Iterator[bytes]:
    """Call an operation that gives a file, and return the file's pieces.

    Raises:
        Refusal: the server refused or cannot be reached.
    """
    values = arguments.model_dump(mode="json", exclude_unset=True)
    with _requests(path) as client, client.stream("GET", operation.path, params=values, timeout=_TIMEOUT) as response:
        if not response.is_success:
            response.read()
            _result(path, response)
        yield from response.iter_bytes()


@contextmanager
def _requests(path: Path) -> Generator[httpx.Client]:
    _require_server(path)
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://slee") as client:
        try:
            yield client
        except httpx.TransportError as error:
            raise _unreachable(path, error) from error


def _result(path: Path, response: httpx.Response) -> Any:
    try:
        body = response.json()
    except ValueError as error:
        message = f"{path}: it answers {response.status_code} in another language [MGT-2]; is that a SLEE server?"
        raise Refusal({"code": "unexpected", "message": message, "issues": []}, EXIT_UNEXPECTED) from error
    if response.is_success:
        return body
    raise Refusal(body, exit_status_of(body.get("code", "")))


def _require_server(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError as error:
            raise _unreachable(path, error) from error


def _unreachable(path: Path, error: Exception) -> Refusal:
    message = f"{path}: no server answers there: {error} [MGT-2]; start it with slee run, or give its --state-dir"
    return Refusal({"code": "unreachable", "message": message, "issues": []}, EXIT_UNREACHABLE)
