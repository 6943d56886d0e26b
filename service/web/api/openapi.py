"""The OpenAPI document, generated from the routes, their docstrings and their models by quart-schema.

quart-schema only documents here. Its validation would read a body before its size is checked, and answer in
a shape of its own. Routes validate with the same models that they document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, TypeVar

from quart import Quart
from quart_schema import APIKeySecurityScheme, OpenAPIProvider, QuartSchema
from quart_schema.documentation import document_response
from quart_schema.openapi import Info

from ... import __version__
from ...codes import TRAITS, Code
from ..http.authentication import HEADER
from ..statuses import OF_CONNECTIONS, codes_of
from .models import ErrorResponse

T = TypeVar("T", bound=Callable[..., Any])

SECURITY: Iterable[dict[str, list[str]]] = ({"key": []},)
EXTRACTION_STATUSES = (400, 401, 403, 413, 415, 422, 429, 500, 502, 503, 504)

_STREAMS = "_service_streams"

_HEADERS = {
    "X-Request-ID": "The id of this request, in the log too.",
    "Retry-After": "Seconds after which trying again may help.",
    "RateLimit-Remaining": "Requests that may follow at once.",
    "RateLimit-Limit": "Requests per window.",
    "RateLimit-Reset": "Seconds until all of them may be made again.",
}


def fails(*statuses: int) -> Callable[[T], T]:
    """Document that a route answers errors with these statuses."""

    def decorate(route: T) -> T:
        for status in statuses:
            route = document_response(ErrorResponse, status)(route)
        return route

    return decorate


def streams(content_type: str, model: type[Any], description: str) -> Callable[[T], T]:
    """Document that a route may answer 200 with `content_type`, each of whose pieces fits `model`."""

    def decorate(route: T) -> T:
        documented = {content_type: (model, description), **getattr(route, _STREAMS, {})}
        setattr(route, _STREAMS, documented)
        return route

    return decorate


class Provider(OpenAPIProvider):
    """quart-schema's provider, with required parameters and bodies, headers, and the codes of each status."""

    def schema(self) -> dict[str, Any]:
        document = super().schema()
        document["paths"] = {path: dict(methods) for path, methods in sorted(document["paths"].items())}
        document["servers"] = [{"url": "../..", "description": "This service, also under a sub-path."}]
        codes = document["components"]["schemas"]["Code"]
        codes["description"] = "\n".join(
            (codes["description"], "", *(f"- `{code}`: {TRAITS[code].sentence}" for code in Code))
        )
        error, _ = self.build_response_object(ErrorResponse, None)
        document["components"]["responses"] = {
            _name_of(status): _with_headers(status, error)
            for status in (*OF_CONNECTIONS, HTTPStatus.REQUEST_TIMEOUT)
        }
        for methods in document["paths"].values():
            for operation in methods.values():
                usual = [*OF_CONNECTIONS]
                if "requestBody" in operation:
                    schema = next(iter(operation["requestBody"]["content"].values()))["schema"]
                    operation["requestBody"]["required"] = bool(schema.get("required"))
                    usual.append(HTTPStatus.REQUEST_TIMEOUT)
                responses = {
                    int(status): _with_headers(int(status), response)
                    for status, response in operation["responses"].items()
                }
                for status in usual:
                    responses.setdefault(status, {"$ref": f"#/components/responses/{_name_of(status)}"})
                operation["responses"] = {str(status): responses[status] for status in sorted(responses)}
        return document

    def build_response_object(self, model: Any, headers_model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The response; errors refer to the one schema, so that generated clients have one class."""
        response, components = super().build_response_object(model, headers_model)
        if model is ErrorResponse:
            content = response["content"]["application/json"]
            components[model.__name__] = content["schema"]
            content["schema"] = {"$ref": f"#/components/schemas/{model.__name__}"}
        return response, components

    def build_paths(self, rule: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        paths, components = super().build_paths(rule)
        documented = getattr(self._app.view_functions[rule.endpoint], _STREAMS, {})
        for content_type, (model, description) in documented.items():
            described, more = self.build_response_object(model, None)
            components.update(more)
            schema = {**next(iter(described["content"].values()))["schema"], "description": description}
            for operation in (each for methods in paths.values() for each in methods.values()):
                success = operation["responses"].setdefault(200, {"content": {}, "description": description})
                success["content"][content_type] = {"schema": schema}
        return paths, components

    def build_querystring_parameters(self, model: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        parameters, components = super().build_querystring_parameters(model)
        for parameter in parameters:
            parameter["required"] = model.model_fields[parameter["name"]].is_required()
        return parameters, components


def _name_of(status: HTTPStatus) -> str:
    return status.phrase.replace(" ", "")


def _with_headers(status: int, response: dict[str, Any]) -> dict[str, Any]:
    names = ["X-Request-ID"]
    if status in (429, 503):
        names.append("Retry-After")
    if status == 429:
        names += [name for name in _HEADERS if name.startswith("RateLimit")]
    headers = {name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in names}
    if status >= 400:
        response = {**response, "description": "One of: " + ", ".join(codes_of(status))}
    return {**response, "headers": headers}


def install(app: Quart) -> None:
    """Let quart-schema collect the routes of `app`. Its own pages, which need a CDN, stay off."""
    QuartSchema(
        app,
        openapi_path=None,
        info=Info(
            title="ytdlpd",
            version=__version__,
            description="What is behind a URL, and how big it is in each resolution: yt-dlp as a service.",
        ),
        security_schemes={"key": APIKeySecurityScheme(name=HEADER, in_="header")},
        conversion_preference="pydantic",
        openapi_provider_class=Provider,
    )


def document(app: Quart) -> dict[str, Any]:
    """The document of `app`, whose routes must all be registered."""
    extension: QuartSchema = app.extensions["QUART_SCHEMA"]
    return extension.openapi_provider.schema()
