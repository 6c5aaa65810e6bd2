"""The HTTP face: thin routes over the services.

Bodies are read as bytes and judged by our own strict rules, never by the framework's: two judges would one day disagree.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import Counter
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse

from fieldapp.domain.problem import Problem
from fieldapp.server.answers import Refused, answer, problem_answer, status_answer
from fieldapp.server.bodies import SMALL, as_far_as_it_came, decoded, json_bytes
from fieldapp.server.frame import Frame
from fieldapp.server.health import database_answers, may_read_metrics
from fieldapp.server.openapi import describe, document
from fieldapp.server.reach import Session
from fieldapp.server.receiving import read_lines, read_run, writer
from fieldapp.server.services import ServerServices
from fieldapp.store.bulk import many_at_once
from fieldapp.sync.protocol import (
    PART_BYTES,
    DeskAnswer,
    EnrolAnswer,
    EnrolRequest,
    FileState,
    ImportAnswer,
    ImportRequest,
    PullAnswer,
    PullRequest,
    PushAnswer,
    PushRequest,
    QuarantineRequest,
    Receipt,
    TokenAnswer,
    TokenRequest,
)  # fmt: skip
from fieldapp.version import version

QUARANTINE_BYTES = 1024 * 1024
router = APIRouter(redirect_slashes=False)


def create_app(services: ServerServices) -> FastAPI:
    """The application over services that are open already; it neither opens nor closes them."""
    app = FastAPI(title="Fieldapp server", version=version(), docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json")
    app.state.services = services
    app.include_router(router)
    app.router.redirect_slashes = False
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_middleware(Frame, incarnation=services.incarnation, metrics=services.metrics)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    return app


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_answer(error)


async def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return status_answer(error.status_code, error.headers)


# --- What routes are given -------------------------------------------------------------------------------------------------------


async def services_of(request: Request) -> ServerServices:
    """Not a plain function: that would be a trip to another thread for each request."""
    return _services(request)


def _services(request: Request) -> ServerServices:
    services: ServerServices = request.app.state.services
    return services


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def caller(request: Request) -> Session:
    """Who calls; authenticated before any body is read."""
    services = _services(request)
    session = services.accounts.session(_token(request))
    services.accounts.seen(session.device)
    return session


def caller_even_revoked(request: Request) -> Session:
    return _services(request).accounts.session(_token(request), revoked_too=True)


async def small_body(request: Request) -> bytes:
    return await json_bytes(request, plain=SMALL, inflated=SMALL)


async def sync_body(request: Request) -> bytes:
    return await json_bytes(request)


async def part_body(request: Request) -> tuple[bytes, bool]:
    return await as_far_as_it_came(request, PART_BYTES)


Services = Annotated[ServerServices, Depends(services_of)]
Caller = Annotated[Session, Depends(caller)]
EvenRevoked = Annotated[Session, Depends(caller_even_revoked)]
"""A device that was taken out of service hands over what it has: entries as bytes, and the files they name."""
SmallBody = Annotated[bytes, Depends(small_body)]
SyncBody = Annotated[bytes, Depends(sync_body)]


# --- Enrolling -------------------------------------------------------------------------------------------------------------------


@router.post("/v1/enrol", **describe(EnrolRequest, EnrolAnswer, token=False))
def enrol(request: Request, services: Services, body: SmallBody) -> Response:
    """Become a device with a one-time code. Asked again with the same code and nonce, the answer is the same for ten minutes."""
    address = request.client.host if request.client else ""
    return answer(request, services.accounts.enrol(decoded(body, EnrolRequest), address), secret=True)


@router.post("/v1/token", **describe(TokenRequest, TokenAnswer, token=False))
def token(request: Request, services: Services, body: SmallBody) -> Response:
    """A token for a device's secret; the same nonce gives the same token."""
    return answer(request, services.accounts.renew(decoded(body, TokenRequest)), secret=True)


# --- Sync ------------------------------------------------------------------------------------------------------------------------


@router.post("/v1/push", **describe(PushRequest, PushAnswer))
def push(request: Request, services: Services, who: Caller, body: SyncBody) -> Response:
    """Hand over entries. The receipt means that they are durable here."""
    logs = services.known_logs(who)
    with many_at_once():
        run = read_run(decoded(body, PushRequest), logs)
    receipted = services.replica.receive(writer(who), run)
    services.hints.publish(receipted.moved)
    for status, count in Counter(receipted.statuses).items():
        services.metrics.entries.labels(status).inc(count)
    head, now = receipted.head, services.clock()
    receipt = Receipt(head.epoch, head.seq, head.hash, head.safe_seq, now)
    return answer(request, PushAnswer(receipt, receipted.statuses, services.incarnation, receipted.wanted))


@router.post("/v1/pull", **describe(PullRequest, PullAnswer))
def pull(request: Request, services: Services, who: Caller, body: SyncBody) -> Response:
    """What this device has not seen yet, of what it may see. Also the handshake, and the sync that finds nothing new."""
    wire = decoded(body, PullRequest)
    services.accounts.seen(who.device, wire.app_version)
    page = services.feed.pull(who, wire)
    services.metrics.rows.inc(len(page.rows))
    return answer(request, page)


@router.post("/v1/quarantine", **describe(QuarantineRequest, Receipt))
def quarantine(request: Request, services: Services, who: EvenRevoked, body: SyncBody) -> Response:
    """Hand over bytes that cannot be received as an entry, or what a revoked device had not sent. They are kept for a person."""
    wire = decoded(body, QuarantineRequest)
    try:
        raw = base64.b64decode(wire.raw, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(400, "bad-request", "The bytes are not base64.") from None
    if len(raw) > QUARANTINE_BYTES:
        raise Refused(413, "request-too-large", f"At most {QUARANTINE_BYTES:,} bytes are kept of one entry.")
    services.check_quarantine_room(who.device)
    head = services.replica.quarantine(
        writer(who), epoch=wire.epoch, log=wire.log, seq=wire.seq, prev_hash=wire.prev_hash, chain=wire.hash, raw=raw,
        reason=wire.reason[:500], logs=services.known_logs(who),
    )  # fmt: skip
    since = services.replica.had_since(raw) or services.clock()
    return answer(request, Receipt(head.epoch, head.seq, head.hash, head.safe_seq, since))


@router.get("/v1/desk", **describe(None, DeskAnswer))
def desk(request: Request, services: Services, who: Caller) -> Response:
    """What the office has to know and no log says: bytes in quarantine, devices not heard from, files missing."""
    services.accounts.flush_seen()
    return answer(request, services.desk.answer(who))


@router.post("/v1/import", **describe(ImportRequest, ImportAnswer))
def import_lines(request: Request, services: Services, who: Caller, body: SyncBody) -> Response:
    """Bring what a device exported to a file: content, never positions. What the caller's person did not record is put aside."""
    lines, damaged = read_lines(decoded(body, ImportRequest))
    services.check_import_room()
    taken = services.replica.take_in(lines, writer(who), services.known_logs(who))
    services.hints.publish(taken.moved)
    return answer(request, ImportAnswer(taken.taken, taken.held, taken.known, damaged, taken.wanted))


@router.get("/v1/events", **describe(None, None, stream="text/event-stream"))
async def events(request: Request, services: Services, who: Caller) -> Response:
    """Server-sent hints that a log has moved, and a heartbeat."""

    bearer = _token(request)
    heads = await asyncio.to_thread(services.feed.heads, who)
    subscription = services.hints.subscribe(who.device, tuple(heads))

    def may_listen() -> bool:
        try:
            services.accounts.session(bearer)
        except Problem:
            return False
        services.accounts.seen(who.device)
        return True

    async def lines() -> AsyncIterator[bytes]:
        services.metrics.listeners.inc()
        try:
            async for line in subscription.lines(heads, may_listen, services.hints.heartbeat):
                yield line
        finally:
            services.metrics.listeners.dec()
            services.hints.leave(subscription)

    return StreamingResponse(lines(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


# --- Files -----------------------------------------------------------------------------------------------------------------------


@router.get("/v1/files/{sha256}/parts", **describe(None, FileState))
def file_parts(request: Request, services: Services, who: EvenRevoked, sha256: str) -> Response:
    """Which parts are here: where to go on after an interruption."""
    return answer(request, services.files.state(sha256))


@router.head("/v1/files/{sha256}/parts/{part}", **describe(None, None))
def file_part_head(services: Services, who: EvenRevoked, sha256: str, part: str) -> Response:
    """200 when this part (or the whole file) is here, 404 when it is not."""
    state = services.files.state(sha256)
    here = state.complete or part in {str(number) for number in state.parts}
    if not here:
        raise Refused(404, "part-missing", "This part is not here yet.")
    return Response()


@router.put("/v1/files/{sha256}/parts/{part}", **describe(bytes, FileState))
def file_part(
    request: Request, services: Services, who: EvenRevoked, sha256: str, part: str,
    body: Annotated[tuple[bytes, bool], Depends(part_body)],
) -> Response:  # fmt: skip
    """Bring one part, or, with a Content-Range, a piece of one: what is cut off of it counts as far as it came."""
    data, whole = body
    piece = request.headers.get("content-range", "")
    return answer(request, services.files.put_part(sha256, part, data, piece, cut_off=not whole))


@router.post("/v1/files/{sha256}/complete", **describe(None, FileState))
def file_complete(request: Request, services: Services, who: EvenRevoked, sha256: str) -> Response:
    """All parts are there: check the content and serve it from now on."""
    return answer(request, services.files.complete(sha256))


@router.get("/v1/files/{sha256}", **describe(None, None, stream="application/octet-stream"))
def file_content(request: Request, services: Services, who: Caller, sha256: str) -> Response:
    """The content, or one range of it."""
    stretch, content = services.files.open(who, sha256, request.headers.get("range", ""))
    headers = {"Content-Length": str(stretch.length), "Accept-Ranges": "bytes", "ETag": f'"{sha256}"'}
    headers["Content-Disposition"] = "attachment"
    if stretch.partial:
        headers["Content-Range"] = f"bytes {stretch.start}-{stretch.start + stretch.length - 1}/{stretch.size}"
    status = 206 if stretch.partial else 200
    return StreamingResponse(content, status_code=status, media_type="application/octet-stream", headers=headers)


# --- For monitors ----------------------------------------------------------------------------------------------------------------


@router.get("/health", **describe(None, None, stream="application/json", token=False))
def health(services: Services) -> Response:
    """Whether the server and its database answer."""
    well = database_answers(services.db)
    return JSONResponse({"ok": well, "version": version(), "database": well}, status_code=200 if well else 503)


@router.get("/metrics", include_in_schema=False)
def metrics(request: Request, services: Services) -> Response:
    client = request.client.host if request.client else ""
    forwarded = any(name in request.headers for name in ("x-forwarded-for", "forwarded", "x-real-ip"))
    if not may_read_metrics(client, forwarded, _token(request), services.settings.metrics_token):
        raise Refused(403, "metrics-closed", "Figures are given to this machine, or with the metrics token.")
    return Response(services.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
