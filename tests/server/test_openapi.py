"""The OpenAPI document is true: whatever a client makes of it, the server never fails."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from fieldapp.domain.entry import FileRef
from fieldapp.domain.entry_types import steps
from fieldapp.sync.protocol import MEDIA_TYPE, PROBLEM_TYPE
from tests.live_server import Client, LiveServer, serving
from tests.server.office import Line, Office, entry_of

schemathesis.openapi.media_type
