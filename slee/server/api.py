"""The management API over HTTP: one route per operation of the table (MGT-1, MGT-2)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Body, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter

from slee.api.errors import InvalidArgumentError, SleeError
from slee.management.document import place, told
from slee.management.failures import Failure, FailureDocument, document, failure_of
from slee.management.management import Management
from slee.management.operations import OPERATIONS, Operation
from slee.version import VERSION

_LOG = logging.getLogger(__name__)
_FAILURE: TypeAdapter[FailureDocument] = TypeAdapter(FailureDocument)


def management_app(management: Management) -> FastAPI:
    """The application; its handlers run on the kernel's thread, one after another."""
    app = FastAPI(title="SLEE management", version=VERSION)
    for operation in OPERATIONS:
        app.add_api_route(
            operation.path,
            _endpoint(operation, management),
            methods=["POST" if operation.changes else "GET"],
            name=operation.name,
            tags=[operation.family],
            response_model=operation.result,
        )
    app.add_exception_handler(SleeError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)
    return app


def _endpoint(operation: Operation, management: Management) -> Callable[..., Awaitable[Response]]:
    """Call the Python form with the arguments checked, and answer with the document that `--json` prints."""
    result: TypeAdapter[Any] = TypeAdapter(operation.result)

    async def run(arguments: Any) -> Response:
        value = operation.run(management, arguments)
        return Response(result.dump_json(value), media_type="application/json")

    taken_from: Any = Body() if operation.changes else Query()
    run.__annotations__["arguments"] = Annotated[operation.arguments, taken_from]
    if not any(field.is_required() for field in operation.arguments.model_fields.values()):
        run.__defaults__ = (operation.arguments(),)
    run.__doc__ = operation.summary
    return run


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


async def _unexpected(request: Request, error: Exception) -> Response:
    """A fault of the product: logged in full, told in short."""
    _LOG.error("management operation failed", exc_info=error, extra={"path": request.url.path})
    failure = failure_of(SleeError)
    message = f"{request.url.path}: {type(error).__name__} inside the server [MGT-2]; its log says where"
    return _answer(FailureDocument("unexpected", message, ()), failure)


def _answer(content: FailureDocument, failure: Failure) -> Response:
    return Response(_FAILURE.dump_json(content), failure.http, media_type="application/json")
