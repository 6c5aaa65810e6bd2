"""HTTP, and the only module that knows it. Carries requests of the machines out and maps whatever happens to an answer."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from fieldapp.domain.problem import Problem
from fieldapp.sync import messages as m
from fieldapp.sync.addresses import checked_url, tls_words, trusted
from fieldapp.sync.packing import Packed, pack
from fieldapp.sync.protocol import (
    DIGEST_HEADER,
    MEDIA_TYPE,
    NONCE_HEADER,
    PART_BYTES,
    DeskAnswer,
    Detail,
    EnrolAnswer,
    EnrolRequest,
    FileState,
    PullAnswer,
    PushAnswer,
    Receipt,
    TokenAnswer,
    TokenRequest,
    is_loopback,
    to_wire,
)  # fmt: skip
from fieldapp.sync.replies import Bomb, Broken, inflate, judged, retry_after

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
A = TypeVar("A", TokenAnswer, PushAnswer, PullAnswer, Receipt, FileState)
SKEW_TRUST_MS = 10_000
"""An answer that took longer says too little about the clocks."""
_WAITING = 16 * 1024
"""Bytes that the operating system takes from us before they are sent: on a link that turns slow they go first, whatever is asked
then, and nobody could tell how long they still take."""
_SOCKET = (
    ((socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _WAITING),)
    if hasattr(socket, "TCP_NOTSENT_LOWAT")
    else ((socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * _WAITING),)  # also bounds what is on its way, so larger
)
BLOCK = 16 * 1024
"""Bytes written at a time; between two of them the time is looked at."""


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds: to connect, of silence while reading or writing, for one request in all, and for sending or fetching one piece of
    a file: what has come through until then is kept on the other side."""

    connect: float = 10
    read: float = 30
    total: float = 60
    piece: float = 20


class Transport:
    """One client for one server.

    Args:
        url: of the server. device, secret: who asks for tokens. token: read at each request, so that a renewed one is used.
        ca_file, proxy: settings of the company; without `proxy` the environment decides. wall: this machine's clock, ms UTC.

    Raises:
        Problem: `bad-url`, `plain-http`, `ca-file-unusable`, `bad-config` (the proxy).
    """

    def __init__(
        self,
        url: str,
        *,
        device: str = "",
        secret: str = "",
        token: Callable[[], str] = lambda: "",
        ca_file: str = "",
        proxy: str = "",
        app_version: str = "",
        timeouts: Timeouts | None = None,
        wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        from urllib.request import getproxies

        import httpx

        from fieldapp.sync.connecting import Reaching

        self.url = checked_url(url)
        self._device, self._secret, self._token, self._wall = device, secret, token, wall
        self._timeouts = timeouts or Timeouts()
        self._errors = httpx
        here = is_loopback(httpx.URL(self.url).host)
        # Plain HTTP stays on this machine and redirects are not followed, so there is nothing to verify there.
        verify = trusted(ca_file) if self.url.startswith("https:") else False
        limits = self._timeouts
        direct = not proxy and (here or not getproxies().keys() & {"http", "https", "all"})
        if proxy and "://" not in proxy:
            proxy = f"http://{proxy}"  # as every browser takes it
        try:
            self._client = httpx.Client(
                base_url=self.url + "/v1/",
                transport=Reaching(verify, _SOCKET) if direct else None,
                verify=verify,
                proxy=proxy or None,
                trust_env=not here,
                follow_redirects=False,
                timeout=httpx.Timeout(limits.read, connect=limits.connect),
                headers={"User-Agent": f"fieldapp/{app_version or '0'}", "Accept-Encoding": "gzip"},
            )
        except (ValueError, ImportError, httpx.InvalidURL) as error:  # of the setting, or of the environment
            raise Problem(
                "bad-config",
                f"The proxy to the server cannot be used ({error}).",
                "It looks like http://proxy.example.com:8080. See FIELDAPP_PROXY, device.proxy, HTTPS_PROXY and ALL_PROXY.",
            ) from error

    def close(self) -> None:
        """Break off whatever is in flight."""
        self._client.close()

    # --- The machines' requests -------------------------------------------------------------------------------------------------

    def ask(self, request: m.Request) -> m.Answer:
        """Carry one request out. Never raises."""
        try:
            return self._ask(request)
        except Exception as error:
            return self._fault(error)

    def _ask(self, request: m.Request) -> m.Answer:
        match request:
            case m.AskToken(nonce):
                body = TokenRequest(self._device, self._secret, nonce)
                return self._call("POST", "token", body, TokenAnswer, nonce=nonce, signed=False)
            case m.AskPush():
                try:
                    packed = request.packed
                except UnicodeDecodeError:
                    return _no_text(request)
                return self._call("POST", "push", packed, PushAnswer)
            case m.AskPull(pull):
                return self._call("POST", "pull", pull, PullAnswer)
            case m.AskQuarantine(wanted):
                return self._call("POST", "quarantine", wanted, Receipt)
            case m.AskParts(sha256):
                return self._call("GET", f"files/{sha256}/parts", None, FileState)
            case m.SendPart():
                return self._send_part(request)
            case m.AskComplete(sha256):
                return self._call("POST", f"files/{sha256}/complete", None, FileState)
            case m.FetchPart():
                return self._fetch(request)

    def enrol(self, request: EnrolRequest) -> EnrolAnswer | m.Refused | m.Fault:
        """Ask to become a device. Never raises."""
        try:
            return self._exchange("POST", "enrol", request, EnrolAnswer, nonce=request.nonce, signed=False)[0]
        except Exception as error:
            return self._fault(error)

    def desk(self) -> DeskAnswer | m.Refused | m.Fault:
        """Ask what only the server knows of what is not as it should be. Never raises."""
        try:
            return self._exchange("GET", "desk", None, DeskAnswer)[0]
        except Exception as error:
            return self._fault(error)

    def _call(
        self, method: str, path: str, body: msgspec.Struct | None, wanted: type[A], *, nonce: str = "", signed: bool = True
    ) -> m.Answer:
        answer, midpoint = self._exchange(method, path, body, wanted, nonce=nonce, signed=signed)
        return answer if isinstance(answer, m.Refused | m.Fault) else m.Good(answer, midpoint)

    def _exchange(
        self, method: str, path: str, body: msgspec.Struct | None, wanted: type[T], *, nonce: str = "", signed: bool = True
    ) -> tuple[T | m.Refused | m.Fault, int | None]:
        nonce = nonce or secrets.token_urlsafe(12)
        headers, content = self._headers(nonce, signed), None
        if body is not None:
            packed = body if isinstance(body, Packed) else pack(body)
            content, headers["Content-Type"], headers[DIGEST_HEADER] = packed.content, MEDIA_TYPE, packed.digest
            if packed.compressed:
                headers["Content-Encoding"] = "gzip"
        began, wall = time.monotonic(), self._wall()
        sent = None if content is None else self._paced(content, headers, self._timeouts.total)
        with self._client.stream(method, path, headers=headers, content=sent) as response:
            raw = self._read(response, began)
        took = int((time.monotonic() - began) * 1000)
        midpoint = wall + took // 2 if took <= SKEW_TRUST_MS else None
        return judged(response.status_code, response.headers, raw, nonce, wanted, self._wall()), midpoint

    def _headers(self, nonce: str, signed: bool = True) -> dict[str, str]:
        headers = {NONCE_HEADER: nonce, "Accept": f"{MEDIA_TYPE}, application/problem+json"}
        if signed:
            headers["Authorization"] = f"Bearer {self._token()}"
        return headers

    def _paced(self, content: bytes, headers: dict[str, str], seconds: float) -> bytes | Iterator[bytes]:
        """The body in blocks, given up after `seconds`: a link that turned slow must not be clogged by what nobody waits for."""
        if len(content) <= BLOCK:
            return content
        headers["Content-Length"] = str(len(content))

        def blocks() -> Iterator[bytes]:
            until = time.monotonic() + seconds
            for start in range(0, len(content), BLOCK):
                if time.monotonic() > until:
                    raise self._errors.WriteTimeout("sending takes too long")
                yield content[start : start + BLOCK]

        return blocks()

    def _read(self, response: httpx.Response, began: float) -> bytes:
        def parts() -> Iterator[bytes]:
            for part in response.iter_raw():
                if time.monotonic() - began > self._timeouts.total:
                    raise self._errors.ReadTimeout("the answer takes too long")
                yield part

        return inflate(parts(), response.headers.get("content-encoding", "").strip().lower())

    # --- Files --------------------------------------------------------------------------------------------------------------------

    def _send_part(self, request: m.SendPart) -> m.Answer:
        offset, whole = request.part * PART_BYTES, min(PART_BYTES, request.size - request.part * PART_BYTES)
        wanted = max(0, min(request.length, whole - request.start))
        try:
            with Path(request.path).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                if not offset + request.start:  # spoiled by the disk it would be refused at its end, and sent whole again, for ever
                    file.seek(0)
                    size = size if hashlib.file_digest(file, "sha256").hexdigest() == request.sha256 else -1
                file.seek(offset + request.start)
                data = file.read(wanted)
        except OSError as error:
            return m.Fault("local", f"the file {Path(request.path).name} cannot be read here ({error.strerror})")
        if size != request.size or len(data) != wanted:
            return m.Fault("local", f"the file {Path(request.path).name} is not what it was when it was recorded")
        nonce = secrets.token_urlsafe(12)
        headers = {**self._headers(nonce), "Content-Type": "application/octet-stream"}
        first = offset + request.start  # said also of a whole part: what comes through of it is then kept
        headers["Content-Range"] = f"bytes {first}-{first + wanted - 1}/{request.size}"
        began = time.monotonic()
        path, sent = f"files/{request.sha256}/parts/{request.part}", self._paced(data, headers, self._timeouts.piece)
        with self._client.stream("PUT", path, headers=headers, content=sent) as response:
            raw = self._read(response, began)
        answer = judged(response.status_code, response.headers, raw, nonce, FileState, self._wall())
        return answer if isinstance(answer, m.Refused | m.Fault) else m.Good(answer)

    def _fetch(self, request: m.FetchPart) -> m.Answer:
        nonce = secrets.token_urlsafe(12)
        headers = {**self._headers(nonce), "Range": f"bytes={request.offset}-{request.offset + request.length - 1}"}
        headers["Accept"] = "application/octet-stream, application/problem+json"
        headers["Accept-Encoding"] = "identity"
        began = time.monotonic()
        with self._client.stream("GET", f"files/{request.sha256}", headers=headers) as response:
            total = self._total(request, response, nonce)
            if total is not None:
                return m.Good(m.Chunk(self._as_far_as_it_goes(response, request.length, began), total))
            raw = self._read(response, began)
        answer = judged(response.status_code, response.headers, raw, nonce, FileState, self._wall())
        return answer if isinstance(answer, m.Refused | m.Fault) else m.Fault("garbled", "the file came in another form")

    def _total(self, request: m.FetchPart, response: httpx.Response, nonce: str) -> int | None:
        """The size of the whole file where this answer brings bytes of it from where they were asked for; else None."""
        if response.headers.get(NONCE_HEADER) != nonce or response.headers.get("content-encoding", "identity") != "identity":
            return None
        if response.status_code == 200 and request.offset == 0:
            length = response.headers.get("content-length", "")
            return int(length) if length.isdigit() else None
        stretch, _, total = response.headers.get("content-range", "").removeprefix("bytes ").partition("/")
        begins = stretch.partition("-")[0] == str(request.offset)
        return int(total) if response.status_code == 206 and begins and total.isdigit() else None

    def _as_far_as_it_goes(self, response: httpx.Response, length: int, began: float) -> bytes:
        """What came before the end, the time or the connection was over: no byte is fetched twice."""
        came, size = [], 0
        try:
            for block in response.iter_raw():
                came.append(block)
                size += len(block)
                if size >= length or time.monotonic() - began > self._timeouts.piece:
                    break
        except self._errors.TransportError:
            if not came:
                raise
        return b"".join(came)[:length]

    # --- Hints --------------------------------------------------------------------------------------------------------------------

    @contextmanager
    def listen(self, silence: float) -> Iterator[Iterator[bool]]:
        """Open the stream of hints: yields True for each hint that a log moved, False for each heartbeat.

        Args:
            silence: seconds without anything after which the stream counts as dead.

        Raises:
            TimeoutError: it fell silent. ConnectionError: it cannot be opened, or broke off; its second argument is how many
                milliseconds the server asks to wait, or None.
        """
        nonce = secrets.token_urlsafe(12)
        headers = {**self._headers(nonce), "Accept": "text/event-stream"}
        timeout = self._errors.Timeout(silence, connect=self._timeouts.connect)
        try:
            with self._client.stream("GET", "events", headers=headers, timeout=timeout) as response:
                if response.status_code != 200 or response.headers.get(NONCE_HEADER) != nonce:
                    later = retry_after(response.headers, self._wall())
                    raise ConnectionError(f"no hints ({response.status_code})", later)
                yield self._hints(response)
        except self._errors.ReadTimeout as error:
            raise TimeoutError(str(error)) from error
        except (self._errors.HTTPError, self._errors.StreamError) as error:
            raise ConnectionError(str(error), None) from error

    def _hints(self, response: httpx.Response) -> Iterator[bool]:
        for line in response.iter_lines():
            if line.startswith("event: moved"):
                yield True
            elif line.startswith(":"):
                yield False

    # --- What went wrong ----------------------------------------------------------------------------------------------------------

    def _fault(self, error: Exception) -> m.Fault:
        httpx = self._errors
        host = self._client.base_url.host
        if isinstance(error, Bomb):
            return m.Fault("garbled", "the answer is larger than any answer of a Fieldapp server")
        if isinstance(error, Broken):
            return m.Fault("garbled", f"the answer is damaged ({error})")
        text = " ".join(str(cause) for cause in _causes(error))
        if isinstance(error, httpx.ProxyError):
            return m.Fault("offline", f"the proxy does not let this through ({error})")
        if isinstance(error, httpx.ConnectTimeout):
            return m.Fault("offline", str(error) if "nobody says" in str(error) else f"{host} does not answer")
        if isinstance(error, httpx.TimeoutException):
            return m.Fault("timeout", f"{host} took too long to answer")
        if isinstance(error, httpx.ConnectError):
            words = tls_words(text)
            return m.Fault("insecure", words) if words else m.Fault("offline", _connect_words(host, text))
        if isinstance(error, httpx.TransportError | OSError):
            return m.Fault("offline", f"the connection to {host} broke off")
        return m.Fault("garbled", f"the request could not be carried out ({type(error).__name__})")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _connect_words(host: str, text: str) -> str:
    lowered = text.lower()
    if "refused" in lowered:
        return f"nothing answers at {host}: the server is not running, or the port is wrong"
    if "name or service" in lowered or "getaddrinfo" in lowered or "nodename" in lowered or "resolution" in lowered:
        return f"the name {host} is not known in this network"
    return f"{host} cannot be reached"


def _no_text(request: m.AskPush) -> m.Refused:
    """What a bad disk made of an entry is no text any more, and nothing mends it here: the same answer as of a server that cannot
    read it, so that it is handed over as bytes and keeps nothing else."""
    for seq, entry in enumerate(request.run.entries, request.run.from_seq):
        try:
            to_wire(entry)
        except UnicodeDecodeError:
            words = "The disk spoiled it: its bytes are no text any more."
            return m.Refused(422, Detail("Unreadable entry", 422, "unreadable-entry", words, seq=seq))
    raise AssertionError("every entry is text")
