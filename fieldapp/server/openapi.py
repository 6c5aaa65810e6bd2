"""The OpenAPI document, from the wire types themselves."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from fieldapp.sync import protocol
from fieldapp.sync.protocol import MEDIA_TYPE, PROBLEM_TYPE, Detail

_REF = "#/components/schemas/{name}"
_SECURITY = "deviceToken"
_PATTERNS = {"sha256": "^[0-9a-f]{64}$", "part": "^(0|[1-9][0-9]{0,8})$"}


def describe(
    request: type[Any] | None, response: type[msgspec.Struct] | None, *, token: bool = True, stream: str = ""
) -> dict[str, Any]:
    """How a route stands in the document: keyword arguments for its decorator.

    Args:
        request: wire type of the body, `bytes` for a part of a file, None for no body.
        response: wire type of the answer, None for an empty one or for `stream` (a media type).
    """
    content: dict[str, Any] = {}
    if response is not None:
        content = {MEDIA_TYPE: {"schema": _ref(response)}}
    elif stream:
        content = {stream: {"schema": {"type": "object"} if stream == "application/json" else {"type": "string"}}}
    operation: dict[str, Any] = {
        "responses": {
            "200": {"description": "Done", **({"content": content} if content else {})},
            "default": {"description": "A problem", "content": {PROBLEM_TYPE: {"schema": _ref(Detail)}}},
        }
    }
    if request is bytes:
        operation["requestBody"] = {
            "required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }  # fmt: skip
    elif request is not None:
        operation["requestBody"] = {"required": True, "content": {MEDIA_TYPE: {"schema": _ref(request)}}}
    if token:
        operation["security"] = [{_SECURITY: []}]
    return {"openapi_extra": operation, "response_model": None}


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document; built once, when somebody asks."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, routes=app.routes, description="Sync protocol 1")
        types = [
            kind for kind in vars(protocol).values()
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == protocol.__name__
        ]  # fmt: skip
        _, schemas = msgspec.json.schema_components(types, ref_template=_REF)
        made["components"] = {
            "schemas": schemas,
            "securitySchemes": {_SECURITY: {"type": "http", "scheme": "bearer"}},
        }
        for path in made["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)  # the framework's own shape, which no route here answers with
                for parameter in operation.get("parameters", ()):
                    parameter["schema"] = {"type": "string", "pattern": _PATTERNS[parameter["name"]]}
        app.openapi_schema = made
    return app.openapi_schema


def _ref(kind: type[Any]) -> dict[str, str]:
    return {"$ref": _REF.format(name=kind.__name__)}
