"""Collaboration: the OpenAPI document is valid and complete, and the service's answers fit it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urljoin

import pytest
import trio
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from service.codes import TRAITS, Code
from service.errors import ExtractionError
from service.web import errors
from service.web.statuses import OF_CONNECTIONS, codes_of
from tests.support.web_app import URL, web


@pytest.fixture(scope="module")
def document() -> Any:
    """The document, made once because that takes long."""

    async def fetched() -> Any:
        response = await web().get("/api/v1/openapi")
        assert response.status_code == 200
        return json.loads(await response.get_data())

    return trio.run(fetched)


def resolved(document: Any, found: Any) -> Any:
    """`found`, or the target of its $ref."""
    for name in found["$ref"].split("/")[1:] if "$ref" in found else ():
        document = document[name]
        found = document
    return found


def test_it_is_valid(document: Any) -> None:
    validate(document)


def test_every_route_is_documented_and_nothing_else(document: Any) -> None:
    described = {
        f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods
    }
    pages = ("/dashboard", "/home/", "/api/v1/dashboard/", "/api/v1/docs/")  # and what they load
    endpoints = errors.endpoints(web().app.url_map)
    assert described == {each for each in endpoints if not each.partition(" ")[2].startswith(pages)}


def test_every_operation_says_what_it_is_for_and_how_it_fails(document: Any) -> None:
    names = []
    for path, methods in document["paths"].items():
        for operation in methods.values():
            names.append(operation["operationId"])
            assert operation["summary"].endswith(".")
            assert operation["tags"]
            assert ("302" if path == "/api/v1/redirect" else "200") in operation["responses"]
            assert {str(int(status)) for status in OF_CONNECTIONS} <= set(operation["responses"])
            assert ("408" in operation["responses"]) == ("requestBody" in operation)
            for status, found in operation["responses"].items():
                response = resolved(document, found)
                assert response["description"]
                assert "X-Request-ID" in response["headers"]
                if int(status) >= 400:
                    assert all(code in response["description"] for code in codes_of(int(status)))
            if "extraction" in operation["tags"] and path != "/api/v1/batch":
                assert {"400", "401", "422", "429", "502", "503", "504"} <= set(operation["responses"])
                assert operation["security"] == [{"key": []}]
    assert len(names) == len(set(names))


def test_what_is_required_is_marked(document: Any) -> None:
    paths = document["paths"]
    query = {each["name"]: each for each in paths["/api/v1/extract"]["get"]["parameters"]}
    assert set(query) == {"url", "fields", "playlist", "start", "count", "cursor", "format", "egress"}
    assert [name for name, each in query.items() if each["required"]] == ["url"]
    assert paths["/api/v1/size"]["post"]["requestBody"]["required"] is True
    assert paths["/api/v1/admin/circuit-breaker/reset"]["post"]["requestBody"]["required"] is False


def test_the_key_is_described_as_it_is_sent(document: Any) -> None:
    scheme = document["components"]["securitySchemes"]["key"]
    assert scheme == {"type": "apiKey", "name": "X-API-Key", "in": "header"}


SIZE = ("POST", "/api/v1/size", {"url": URL})
RESET = "/api/v1/admin/circuit-breaker/reset"


@pytest.mark.parametrize(
    ("request_", "code", "status"),
    [
        (("GET", "/", None), None, 200),
        (("GET", "/health", None), None, 200),
        (("GET", "/health/ready", None), None, 200),
        (SIZE, None, 200),
        (("GET", f"/api/v1/extract?url={URL}", None), None, 200),
        (("POST", "/api/v1/extract", {"url": URL, "fields": ["id"]}), None, 200),
        (("GET", "/api/v1/metrics", None), None, 200),
        (("POST", RESET, None), None, 200),
        (("GET", "/api/v1/docs", None), None, 200),
        (("GET", "/api/v1/openapi", None), None, 200),
        (("POST", "/api/v1/size", {}), None, 400),
        (SIZE, Code.PRIVATE, 422),
        (SIZE, Code.UPSTREAM_ERROR, 502),
        (SIZE, Code.QUEUE_FULL, 503),
        (SIZE, Code.DEADLINE, 504),
        (SIZE, Code.INTERNAL, 500),
    ],
)
async def test_answers_are_as_documented(
    document: Any, request_: tuple[str, str, Any], code: Code | None, status: int
) -> None:
    method, path, body = request_
    it = web()
    if code:
        it.dispatcher.fail(ExtractionError(code, "no"))
    response = await it.request(method, path, json=body)
    assert response.status_code == status
    schema = document["paths"][path.partition("?")[0]][method.lower()]["responses"][str(status)]
    schema = schema["content"]["application/json"]["schema"]
    validator = OAS31Validator({**schema, "components": document["components"]})
    validator.validate(json.loads(await response.get_data()))


def test_all_errors_are_of_one_schema_which_tells_the_codes(document: Any) -> None:
    schemas = document["components"]["schemas"]
    found = [
        resolved(document, response)["content"]["application/json"]["schema"]
        for methods in document["paths"].values()
        for operation in methods.values()
        for status, response in operation["responses"].items()
        if int(status) >= 400 and int(status) != 503
    ]
    assert found
    assert all(schema == {"$ref": "#/components/schemas/ErrorResponse"} for schema in found)
    assert schemas["ErrorResponse"]["properties"]["code"] == {"$ref": "#/components/schemas/Code"}
    assert all(f"`{code}`: {TRAITS[code].sentence}" in schemas["Code"]["description"] for code in Code)


def test_the_server_is_where_the_document_is(document: Any) -> None:
    (server,) = document["servers"]
    for prefix in ("", "/media"):
        assert (
            urljoin(f"https://a.example{prefix}/api/v1/openapi", server["url"])
            == f"https://a.example{prefix}/"
        )
