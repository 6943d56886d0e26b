"""End-to-end: the running service conforms to its OpenAPI document, for valid and invalid requests."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import schemathesis
from hypothesis import HealthCheck, given
from openapi_schema_validator import OAS31Validator
from schemathesis.checks import CHECKS, load_all_checks

from tests.internet import Internet
from tests.support.effort import examples
from tests.support.running_service import ADMIN, PATIENCE, Service
from tests.support.upgrades import PREFACE, answers, request

load_all_checks()
DOCUMENTED = CHECKS.get_by_names(
    [
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)
# Every event that is kept, so that the stream begins at once; a few of them are enough.
EVERYTHING = {"Last-Event-ID": "0"}
EVENTS = 4

# The answers of the connection itself, for every path.
HEADS = {
    400: b"GET /health/live HTTP/1.1\r\n\r\n",
    431: request("/health/live", "X-Filler: " + "x" * 40_000),
    501: request("/api/v1/size", "Transfer-Encoding: gzip", method="POST"),
    505: PREFACE,
}


@pytest.fixture(scope="module")
def service(internet: Internet) -> Iterator[Service]:
    with Service.run(internet, settings={"SCALING": "fixed:2", "YTDLP_TIMEOUT": 5000}) as running:
        yield running


@pytest.fixture(scope="module")
def document(service: Service) -> Any:
    found = schemathesis.openapi.from_url(f"{service.url}/api/v1/openapi")
    found.config.max_stream_events = EVENTS
    return found


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_every_answer_is_as_documented(document: Any, mode: schemathesis.GenerationMode) -> None:
    operations = [result.ok() for result in document.get_all_operations()]
    assert len(operations) > 10
    for operation in operations:
        if mode is schemathesis.GenerationMode.POSITIVE or operation.query or operation.body:
            _try(operation, mode)


def _try(operation: Any, mode: schemathesis.GenerationMode) -> None:
    @examples(12, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def answers(case: Any) -> None:
        response = case.call(headers=ADMIN | EVERYTHING, timeout=PATIENCE)
        assert response.status_code != 500, response.text
        case.validate_response(response, checks=DOCUMENTED)

    answers()


def test_the_events_are_as_documented(document: Any) -> None:
    case = document["/api/v1/events"]["GET"].Case()
    response = case.call(headers=ADMIN | EVERYTHING, timeout=PATIENCE)
    case.validate_response(response, checks=DOCUMENTED)
    assert response.content.count(b"\ndata: {") == EVENTS
    another = case.call(headers=ADMIN | EVERYTHING, timeout=PATIENCE)
    another.content = another.content.replace(b'"level"', b'"gravity"')
    with pytest.raises(BaseExceptionGroup, match="payload violates"):
        case.validate_response(another, checks=DOCUMENTED)


@pytest.mark.parametrize("url", ["https://youtu.be/dQw4w9WgXcQ", "https://youtu.be/private____"])
def test_the_progress_of_an_extraction_is_as_documented(document: Any, url: str) -> None:
    case = document["/api/v1/extract"]["GET"].Case(query={"url": url})
    response = case.call(headers=ADMIN | {"Accept": "text/event-stream"}, timeout=PATIENCE)
    case.validate_response(response, checks=DOCUMENTED)
    assert response.content.count(b"event: done\n") == 1


@pytest.mark.parametrize("status", HEADS)
def test_what_the_connection_answers_is_as_documented(service: Service, document: Any, status: int) -> None:
    with socket.create_connection(("127.0.0.1", urlsplit(service.url).port or 0), PATIENCE) as client:
        client.sendall(HEADS[status])
        (answer,) = answers(b"".join(iter(lambda: client.recv(65536), b"")))
    assert answer.status == status
    components = document.raw_schema["components"]
    reference = document.raw_schema["paths"]["/health/live"]["get"]["responses"][str(status)]["$ref"]
    described = components["responses"][reference.rpartition("/")[2]]
    assert {name.lower() for name in described["headers"]} <= set(answer.headers)
    schema = described["content"]["application/json"]["schema"]
    OAS31Validator({**schema, "components": components}).validate(json.loads(answer.body))
