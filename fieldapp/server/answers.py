"""Answers of the server: wire types as bytes, and problems as RFC 9457 problem+json with our codes."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from fieldapp.domain.problem import Problem
from fieldapp.store.rows import PositionProblem, UnreadableEntry
from fieldapp.sync.protocol import DIGEST_HEADER, MEDIA_TYPE, PROBLEM_TYPE, Detail, EpochHead

COMPRESS_FROM = 500
"""Bytes from which an answer is compressed: below, the header costs what is won."""
_LEVEL = 4
"""Measured on pages of entries: level 6 costs about twice the time for 4 % less."""

_STATUS = {
    "bad-json": 400,
    "unreadable-entry": 422,
    "gap": 409,
    "fork": 409,
    "disk-full": 507,
    "database-away": 503,
    "database-busy": 503,
    "database-damaged": 503,
    "database-failed": 503,
}

_encoder = msgspec.json.Encoder()


class Refused(Problem):
    """A request that the server does not carry out.

    Args:
        status: HTTP status. retry_after: seconds to wait. logs: log to cursor, for `cursor-diverged`.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        hint: str = "",
        *,
        retry_after: int | None = None,
        logs: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code, message, hint)
        self.status = status
        self.retry_after = retry_after
        self.logs = dict(logs or {})


def answer(request: Request, value: msgspec.Struct, *, secret: bool = False) -> Response:
    """A wire type as a response, compressed where the client can read that.

    Args:
        secret: never compressed, so that the length of an answer says nothing about the secret in it.
    """
    body = _encoder.encode(value)
    headers = {"Vary": "Accept-Encoding", DIGEST_HEADER: hashlib.sha256(body).hexdigest()}
    if not secret and len(body) > COMPRESS_FROM and _takes_gzip(request.headers.get("accept-encoding", "")):
        body = gzip.compress(body, _LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type=MEDIA_TYPE, headers=headers)


def problem_answer(problem: Problem) -> Response:
    """Any problem in the server's words; unknown codes are the request's fault (400), never a 500."""
    status = problem.status if isinstance(problem, Refused) else _STATUS.get(problem.code, 400)
    head = None
    if isinstance(problem, PositionProblem):
        head = EpochHead(problem.head.epoch, problem.head.seq, problem.head.hash, problem.head.safe_seq)
    detail = Detail(
        title=problem.code.replace("-", " ").capitalize(),
        status=status,
        code=problem.code,
        detail=problem.message,
        hint=problem.hint,
        head=head,
        logs=problem.logs if isinstance(problem, Refused) else {},
        seq=problem.seq if isinstance(problem, UnreadableEntry) else None,
    )
    body = _encoder.encode(detail)
    headers = {DIGEST_HEADER: hashlib.sha256(body).hexdigest()}
    if isinstance(problem, Refused) and problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(body, status_code=status, media_type=PROBLEM_TYPE, headers=headers)


def status_answer(status: int, headers: Mapping[str, str] | None = None) -> Response:
    """A problem that is nothing but an HTTP status: no such page, wrong method."""
    code, message = _BARE.get(status, ("request-refused", "This request cannot be carried out."))
    response = problem_answer(Refused(status, code, message))
    for name, value in (headers or {}).items():
        response.headers[name] = value
    return response


_BARE: dict[int, tuple[str, str]] = {
    404: ("no-such-page", "There is nothing at this address."),
    405: ("wrong-method", "This address does not take this method."),
    422: ("bad-request", "The request does not have the shape it should have."),
    500: ("server-failed", "The server failed on this request. Nothing was half-done; the reason is in its log."),
}


def _takes_gzip(header: str) -> bool:
    for part in header.split(","):
        name, _, weight = part.partition(";")
        if name.strip().lower() in ("gzip", "*"):
            return weight.replace(" ", "").lower() not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
