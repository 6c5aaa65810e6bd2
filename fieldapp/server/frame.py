"""What every answer carries and what no request may cause, around all routes."""

from __future__ import annotations

import logging
import re
import time
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fieldapp.server.answers import status_answer
from fieldapp.server.health import Metrics
from fieldapp.sync.protocol import INCARNATION_HEADER, NONCE_HEADER

_NONCE = re.compile(r"[A-Za-z0-9._~+/=\-]{1,128}\Z")
log = logging.getLogger(__name__)


class Frame:
    """Echoes the nonce (a captive portal cannot), names the incarnation, forbids caches, counts, and turns a failure of ours into a
    problem document without a word of its cause."""

    def __init__(self, app: ASGIApp, *, incarnation: str, metrics: Metrics) -> None:
        self._app, self._incarnation, self._metrics = app, incarnation, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        nonce = Headers(scope=scope).get(NONCE_HEADER, "")
        began, status = time.perf_counter(), 0

        async def framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[INCARNATION_HEADER] = self._incarnation
                headers["Cache-Control"] = "no-store"
                headers["X-Content-Type-Options"] = "nosniff"
                if _NONCE.match(nonce):
                    headers[NONCE_HEADER] = nonce
            await send(message)

        try:
            await self._app(scope, receive, framed)
        except Exception:
            log.exception("failed on %s %s", scope["method"], scope["path"])
            if status:
                raise  # too late for another answer: the connection must break, or the device would take a half for a whole
            await status_answer(500)(scope, receive, framed)
        finally:
            call = _call(scope)
            self._metrics.requests.labels(call, str(status)).inc()
            self._metrics.seconds.labels(call).observe(time.perf_counter() - began)


def _call(scope: dict[str, Any] | Scope) -> str:
    """The route's pattern, so that hashes in addresses do not become labels."""
    path = getattr(scope.get("route"), "path", "")
    return f"{scope['method']} {path}" if path else "none"
