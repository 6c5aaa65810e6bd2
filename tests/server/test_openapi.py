"""The OpenAPI document is true: whatever a client makes of it, the server never fails and answers as described."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from fieldapp.domain.entry import FileRef
from fieldapp.domain.entry_types import lifecycle, steps
from fieldapp.server.reach import Session
from fieldapp.sync.protocol import PROBLEM_TYPE, Backfill, EpochHead, PullRequest, PushRequest, QuarantineRequest, to_wire
from tests.live_server import Client, LiveServer, serving
from tests.server.office import LOG, Line, Office, entry_of

EXAMPLES = 12
NAME = hashlib.sha256(b"0123456789").hexdigest()
_quick = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with serving(tmp_path_factory.mktemp("fuzzed")) as live:
        office = Office(live.services)
        office.found()
        stream = office.job(1, "tech-1")
        files = (FileRef(NAME, 10, "plate.jpg"),)
        live.services.replica.record([entry_of(office.rule, stream, steps.NoteAdded("x"), files=files)], {"server": "rule"})
        yield live


@pytest.fixture(scope="module")
def device(server: LiveServer) -> Client:
    return server.enrol("tech-1")


@pytest.fixture(scope="module")
def document(device: Client) -> Any:
    found = device.http.get("/v1/openapi.json").json()
    return schemathesis.openapi.from_dict(found, config=SchemathesisConfig.from_dict({}))


CALLS = (
    "GET /health", "GET /v1/desk", "POST /v1/enrol", "POST /v1/token", "POST /v1/push", "POST /v1/pull", "POST /v1/quarantine",
    "POST /v1/import", "GET /v1/files/{sha256}", "GET /v1/files/{sha256}/parts", "HEAD /v1/files/{sha256}/parts/{part}",
    "PUT /v1/files/{sha256}/parts/{part}", "POST /v1/files/{sha256}/complete",
)  # fmt: skip
ENDLESS = "GET /v1/events"


@pytest.mark.parametrize("call", CALLS)
@_quick
@given(data=st.data())
def test_no_request_the_document_allows_makes_the_server_fail(
    call: str, server: LiveServer, device: Client, document: Any, data: st.DataObject
) -> None:
    method, path = call.split()
    case = data.draw(document[path][method].as_strategy())
    if "sha256" in path and data.draw(st.booleans()):
        case.path_parameters["sha256"] = NAME
    response = case.call(base_url=server.url, headers=device.auth, timeout=20)
    checks = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
    case.validate_response(response, checks=checks)


def test_the_document_names_every_call_with_its_shapes(device: Client) -> None:
    found = device.http.get("/v1/openapi.json").json()
    calls = {f"{method.upper()} {path}" for path, operations in found["paths"].items() for method in operations}
    assert calls == {*CALLS, ENDLESS}
    text = json.dumps(found)
    for name in ("PushRequest", "PushAnswer", "PullRequest", "PullAnswer", "Detail", "FileState", "EnrolAnswer"):
        assert f"#/components/schemas/{name}" in text
        assert name in found["components"]["schemas"]
    for path in found["paths"].values():
        for operation in path.values():
            assert PROBLEM_TYPE in operation["responses"]["default"]["content"]


# --- Requests that are nearly right ----------------------------------------------------------------------------------------------


def _bodies() -> dict[str, bytes]:
    who = Session("dev-x", "tech-1", "Ann", "technician", LOG)
    entries = [
        entry_of(who, "job:j-1", steps.NoteAdded("一 note")),
        entry_of(who, "job:j-1", lifecycle.JobAccepted()),
        entry_of(who, "job:j-2", steps.StepRecorded("p/s1", 1, "5", "pass"), also=("asset:a-1",)),
    ]
    run = Line().run(entries)
    raw = base64.b64encode(b"\xff").decode()
    return {
        "push": msgspec.json.encode(PushRequest(run.epoch, run.log, 1, "", tuple(map(to_wire, entries)))),
        "pull": msgspec.json.encode(
            PullRequest({LOG: "0:"}, (EpochHead("a", 0, ""),), backfills=(Backfill(LOG, "job:j-1", 0, 9),))
        ),
        "quarantine": msgspec.json.encode(QuarantineRequest("e", LOG, 1, "", "a" * 64, raw)),
    }


_strange = st.sampled_from(
    [None, True, 0, -1, 1, 2**53, 2**63, 2**200, "", "\x00", "\ud800", "é", "x" * 3000, [], {}, [[]], "0:", "org", "*", "../x", 1.5]
)


@pytest.mark.parametrize("call", ["push", "pull", "quarantine"])
@_quick
@given(data=st.data())
def test_nearly_right_requests_do_not_make_it_fail(call: str, device: Client, data: st.DataObject) -> None:
    value = json.loads(_bodies()[call])
    holder, key = data.draw(st.sampled_from(list(_places(value))))
    if isinstance(holder[key], str) and holder[key].startswith('{"') and data.draw(st.booleans()):
        inner = json.loads(holder[key])
        place, name = data.draw(st.sampled_from(list(_places(inner))))
        place[name] = data.draw(_strange)
        holder[key] = json.dumps(inner)
    else:
        holder[key] = data.draw(_strange)
    response = device.post(call, json.dumps(value).encode("utf-8"))
    assert response.status_code < 500


@pytest.mark.parametrize("call", ["push", "pull", "quarantine"])
@_quick
@given(data=st.data())
def test_torn_requests_do_not_make_it_fail(call: str, device: Client, data: st.DataObject) -> None:
    raw = bytearray(_bodies()[call])
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert device.post(call, bytes(raw)).status_code < 500


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON value that can be set to something else."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _places(inner)
