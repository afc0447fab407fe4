"""Answers to errors: one sentence, and a status that says who must act. No traceback, no values of the database."""

import errno
import json
import logging
import secrets
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from sonic_core.errors import NotFoundError, SonicError
from sonic_core.ledger.reservations import LimitError, ReservedError
from sonic_core.storage.store import ObjectNotFound, StorageError, StorageFull

logger = logging.getLogger(__name__)

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_ROOM = "The service has no room left on its disk; try again later."


class MismatchError(SonicError):
    """An idempotency key was reused for a different request."""


class Answer(JSONResponse):
    """JSON that can always be sent, because it escapes whatever a message quotes."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


def add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(SonicError, _sonic)
    app.add_exception_handler(RequestValidationError, _parameters)
    app.add_exception_handler(SQLAlchemyError, _database)
    app.add_exception_handler(OSError, _system)
    app.add_exception_handler(TimeoutError, _late)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _bug)


def status_of(error: SonicError) -> int:
    """The HTTP status of an error of ours."""
    for kind, status in (
        (LimitError, 429), (ReservedError, 409), (MismatchError, 422), (StorageFull, 507), (ObjectNotFound, 404),
        (StorageError, 503), (NotFoundError, 404),
    ):  # fmt: skip
        if isinstance(error, kind):
            return status
    return 400


async def _sonic(request: Request, error: Exception) -> Response:
    status = status_of(error) if isinstance(error, SonicError) else 500
    return Answer({"detail": str(error)}, status, {"Retry-After": "5"} if status in (429, 503) else None)


async def _parameters(request: Request, error: Exception) -> Response:
    found = error.errors()[0] if isinstance(error, RequestValidationError) else {"loc": (), "msg": "cannot be read"}
    where = ".".join(str(part) for part in found["loc"])
    return Answer({"detail": f"The request's {where[:100]} cannot be used: {found['msg']}."}, 422)


async def _database(request: Request, error: Exception) -> Response:
    cause = str(getattr(error, "orig", ""))
    if "disk is full" in cause or "No space left" in cause:
        return Answer({"detail": _NO_ROOM}, 507)
    if isinstance(error, DBAPIError | PoolTimeout):
        logger.warning("the ledger does not answer: %s", type(error).__name__)
        return Answer({"detail": "The ledger does not answer; try again in a moment."}, 503, {"Retry-After": "5"})
    return await _bug(request, error)


async def _system(request: Request, error: Exception) -> Response:
    if isinstance(error, OSError) and error.errno in _FULL:
        return Answer({"detail": _NO_ROOM}, 507)
    return await _bug(request, error)


async def _late(request: Request, error: Exception) -> Response:
    return Answer({"detail": "The request took too long to arrive; send it again."}, 408, {"Connection": "close"})


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # nobody is there to read it


async def _bug(request: Request, error: Exception) -> Response:
    number = secrets.token_hex(4)
    logger.error("request %s failed (number %s)", request.url.path, number, exc_info=error)
    return Answer({"detail": f"Something went wrong here; the service's log has it under the number {number}."}, 500)
