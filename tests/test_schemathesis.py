"""End-to-end: what the running service answers to whatever its OpenAPI document allows or forbids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS, load_all_checks

from tests.internet import Internet
from tests.running import ADMIN, Service

load_all_checks()
DOCUMENTED = CHECKS.get_by_names(
    [
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)


@pytest.fixture(scope="module")
def service(internet: Internet) -> Iterator[Service]:
    with Service.run(internet, settings={"SCALING": "fixed:2", "YTDLP_TIMEOUT": 5000}) as running:
        yield running


ENDLESS = {"/api/v1/events"}  # a stream


@pytest.fixture(scope="module")
def operations(service: Service) -> list[Any]:
    document = schemathesis.openapi.from_url(f"{service.url}/api/v1/openapi")
    results: list[Any] = list(document.get_all_operations())
    found = [result.ok() for result in results]
    assert len(found) > 10
    return [operation for operation in found if operation.path not in ENDLESS]


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_every_answer_is_as_documented(operations: list[Any], mode: schemathesis.GenerationMode) -> None:
    for operation in operations:
        if mode is schemathesis.GenerationMode.POSITIVE or operation.query or operation.body:
            _try(operation, mode)


def _try(operation: Any, mode: schemathesis.GenerationMode) -> None:
    @settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def answers(case: Any) -> None:
        response = case.call(headers=ADMIN, timeout=30)
        assert response.status_code != 500, response.text
        if response.status_code != 431:  # the door's word, whatever was asked for
            case.validate_response(response, checks=DOCUMENTED)

    answers()
