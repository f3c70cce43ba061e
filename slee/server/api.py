"""The management API over HTTP: one route per operation of the table (MGT-1, MGT-2)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import closing, suppress
from typing import Annotated, Any, Final

import anyio.lowlevel
import anyio.to_thread
from fastapi import Body, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from pydantic import TypeAdapter
from starlette.requests import ClientDisconnect

from slee.api.errors import InvalidArgumentError, InvalidStateError, SleeError
from slee.management.document import place, told
from slee.management.failures import Failure, FailureDocument, document, failure_of
from slee.management.management import Management
from slee.management.operations import OPERATIONS, Operation, Transfer
from slee.management.steps import Wait
from slee.version import VERSION

_LOG = logging.getLogger(__name__)
_FAILURE: TypeAdapter[FailureDocument] = TypeAdapter(FailureDocument)


def management_app(management: Management) -> FastAPI:
    """The application; its handlers run on the kernel's thread, one after another."""
    app = FastAPI(title="SLEE management", version=VERSION)
    for operation in OPERATIONS:
        app.add_api_route(
            operation.path,
            _ENDPOINTS[operation.transfer](operation, management),
            methods=["POST" if operation.changes else "GET"],
            name=operation.name,
            tags=[operation.family],
            **_described(operation),
        )
    app.add_exception_handler(SleeError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unexpected)
    return app


def _endpoint(operation: Operation, management: Management) -> Callable[..., Awaitable[Response]]:
    """Call the Python form with the arguments checked, and answer with the document that `--json` prints."""
    result: TypeAdapter[Any] = TypeAdapter(operation.result)

    async def run(arguments: Any) -> Response:
        steps = operation.steps(management, arguments)
        if steps is None:
            value = operation.run(management, arguments)
        else:
            await _walk(steps.work())
            value = steps.result
        if operation.changes:
            await management.kept()
        return Response(result.dump_json(value), media_type="application/json")

    taken_from: Any = Body() if operation.changes else Query()
    run.__annotations__["arguments"] = Annotated[operation.arguments, taken_from]
    if not any(field.is_required() for field in operation.arguments.model_fields.values()):
        run.__defaults__ = (operation.arguments(),)
    run.__doc__ = operation.summary
    return run


def _upload(operation: Operation, management: Management) -> Callable[..., Awaitable[Response]]:
    """Feed the body to the Python form as it comes in; calls pass between its steps."""
    result: TypeAdapter[Any] = TypeAdapter(operation.result)

    async def run(arguments: Any, request: Request) -> Response:
        upload = operation.run(management, arguments)
        async for piece in request.stream():
            await _walk(upload.feed(piece))
        try:
            await _walk(upload.finish(), request.is_disconnected)
        except _ClientGoneError:
            raise ClientDisconnect from None  # as where the body breaks off
        await management.kept()
        return Response(result.dump_json(upload.result()), media_type="application/json")

    run.__annotations__["arguments"] = Annotated[operation.arguments, Query()]
    run.__doc__ = operation.summary
    return run


def _download(operation: Operation, management: Management) -> Callable[..., Awaitable[Response]]:
    """Answer with the pieces that the Python form gives; calls pass between them."""

    async def run(arguments: Any) -> Response:
        pieces: Iterator[bytes] = operation.run(management, arguments)
        return StreamingResponse(_paced(pieces), media_type="application/octet-stream")

    run.__annotations__["arguments"] = Annotated[operation.arguments, Query()]
    run.__doc__ = operation.summary
    return run


_BUSY: Final = 0.0001
"""Seconds that others have taken between two steps, above which there is traffic."""
_ROOM: Final = 0.006
"""Seconds without a step that traffic gets then."""


_GONE: Final = 400
"""Status of an answer that nobody reads."""


class _ClientGoneError(Exception):
    """Makes the steps end: they take back what they have done, in steps."""


async def _walk(steps: Generator[Wait | None], is_gone: Callable[[], Awaitable[bool]] | None = None) -> None:
    """Go through the steps, between which calls pass; if the request is cancelled meanwhile, they take back and end.

    Args:
        steps: what is done.
        is_gone: whether the client has gone, where that ends the steps likewise.

    Raises:
        _ClientGoneError: it has.
    """
    with closing(steps):
        try:
            await _go_on(steps, is_gone=is_gone)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True), suppress(_ClientGoneError):
                await _go_on(steps, steps.throw(_ClientGoneError()))
            raise


async def _go_on(
    steps: Generator[Wait | None], wait: Wait | None = None, is_gone: Callable[[], Awaitable[bool]] | None = None
) -> None:
    """Go through the steps. What one waits for, it waits for on another thread. Calls have most of the time."""
    while True:
        if wait is not None:
            await anyio.to_thread.run_sync(wait)
        else:
            await _give_way()
        if is_gone is not None and await is_gone():
            is_gone, wait = None, steps.throw(_ClientGoneError())
            continue
        try:
            wait = next(steps)
        except StopIteration:
            return


async def _give_way() -> None:
    began = anyio.current_time()
    await anyio.lowlevel.checkpoint()
    if anyio.current_time() - began > _BUSY:
        room = anyio.Event()
        asyncio.get_running_loop().call_later(_ROOM, room.set)
        await room.wait()


async def _paced(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await anyio.lowlevel.checkpoint()


_ENDPOINTS: Final = {None: _endpoint, Transfer.UPLOAD: _upload, Transfer.DOWNLOAD: _download}


def _described(operation: Operation) -> dict[str, Any]:
    """What the OpenAPI description says of an operation besides its arguments."""
    failures: dict[int, list[str]] = {}
    errors: tuple[type[SleeError], ...] = (InvalidArgumentError, InvalidStateError, *operation.raises)
    for error in errors:
        failure = failure_of(error)
        codes = failures.setdefault(failure.http, [])
        if failure.code not in codes:
            codes.append(failure.code)
    responses: dict[int | str, dict[str, Any]] = {
        status: {"model": FailureDocument, "description": ", ".join(codes)} for status, codes in failures.items()
    }
    if 422 not in responses:
        # FastAPI would describe its own answer to bad arguments, which here is the 400.
        responses[422] = {"model": FailureDocument, "description": "not used"}
    described: dict[str, Any] = {"responses": responses, "response_model": operation.result}
    binary = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    if operation.transfer is Transfer.DOWNLOAD:
        responses[200] = {"content": binary, "description": "the file"}
        described |= {"response_model": None, "response_class": StreamingResponse}
    elif operation.transfer is Transfer.UPLOAD:
        described["openapi_extra"] = {"requestBody": {"content": binary, "required": True}}
    return described


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, SleeError)
    return _answer(document(error), failure_of(error))


async def _invalid(_request: Request, error: Exception) -> Response:
    """Arguments of a wrong form, each named with its place."""
    assert isinstance(error, RequestValidationError)
    issues = tuple(
        told(place(found["loc"][1:]) or "arguments", found["msg"], found["type"], "MGT-2") for found in error.errors()
    )
    failure = failure_of(InvalidArgumentError)
    message = "\n".join(str(issue) for issue in issues)
    return _answer(FailureDocument(failure.code, message, issues), failure)


async def _gone(request: Request, _error: Exception) -> Response:
    """The client went away with its import unfinished, of which nobody is there to be told."""
    _LOG.info("client went away, its operation ended early", extra={"path": request.url.path})
    return Response(status_code=_GONE)


async def _unexpected(request: Request, error: Exception) -> Response:
    """A fault of the product: logged in full, told in short."""
    _LOG.error("management operation failed", exc_info=error, extra={"path": request.url.path})
    failure = failure_of(SleeError)
    message = f"{request.url.path}: {type(error).__name__} inside the server [MGT-2]; its log says where"
    return _answer(FailureDocument("unexpected", message, ()), failure)


def _answer(content: FailureDocument, failure: Failure) -> Response:
    return Response(_FAILURE.dump_json(content), failure.http, media_type="application/json")
