"""The admin endpoints of yt-dlp's releases: list them, fetch one, and decide which is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import trio
from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from quart import Blueprint, Response, request
from quart_schema import operation_id, security_scheme, tag
from quart_schema.documentation import document_request, document_response

from ...cluster.messages import RELEASE_ACTIONS
from ...cluster.port import OrderAnswer
from ...codes import Code
from ...releases.release import RolloutStatus, canonical
from ...releases.store import StoreError, StoreState
from ..errors import Refused
from ..http.access_control import require_admin
from ..http.responses import respond_with_json
from ..services import Services
from .extract import read_body
from .health import update
from .models import OtherInstance, Release, ReleasesResponse
from .openapi import SECURITY, fails
from .requests import FetchRequest, RollbackRequest, VersionRequest

_PATH = "/api/v1/admin/releases"


class _Nothing(BaseModel):
    """No body, or an empty object."""


def blueprint(services: Services) -> Blueprint:
    routes = Blueprint("releases", __name__)
    store, rollout = services.updater.store, services.rollout

    @routes.get(_PATH)
    @tag(["operation"])
    @security_scheme(SECURITY)
    @document_response(ReleasesResponse)
    @fails(401, 403, 429)
    async def releases() -> Response:
        """Each yt-dlp that the service may use, and what was decided about it."""
        require_admin(services)
        return await respond_with_json(await _listed(services))

    def fetch(asked: FetchRequest) -> None:
        services.updater.fetch(asked.version, asked.hash)

    def activate(asked: VersionRequest) -> None:
        if rollout is not None:
            rollout.begin(store.get(asked.version).version)
        else:
            store.activate(asked.version)

    def promote(asked: _Nothing) -> None:
        if rollout is None:
            raise StoreError("no release is being tried")
        rollout.promote()

    def rollback(asked: RollbackRequest) -> None:
        if rollout is not None:
            rollout.rollback(asked.reason)
        else:
            store.rollback(asked.reason)

    for name, model, operation, summary in (
        ("fetch", FetchRequest, fetch, "Fetch a yt-dlp and rehearse it; the answer does not wait for that."),
        ("activate", VersionRequest, activate, "Bring a release into use, also an older one."),
        ("promote", _Nothing, promote, "Let the release that is being tried serve all requests."),
        ("rollback", RollbackRequest, rollback, "Take back the release that is being tried, or serves."),
        ("pin", VersionRequest, lambda asked: store.pin(asked.version), "Use one release alone."),
        ("unpin", _Nothing, lambda asked: store.unpin(), "Follow newer releases again."),
        ("bar", VersionRequest, lambda asked: store.bar(asked.version, asked.reason), "Never use a version."),
        ("unbar", VersionRequest, lambda asked: store.unbar(asked.version), "Allow a version again."),
        ("remove", VersionRequest, lambda asked: store.remove(asked.version), "Delete a release."),
    ):
        view = _view(services, name, model, operation, summary)
        routes.add_url_rule(f"{_PATH}/{name}", f"{name}_release", view_func=view, methods=["POST"])
    return routes


# These only note what is wanted, on objects of the event loop; the others write files.
_QUICK = ("fetch", "activate", "promote", "rollback")


def _view(
    services: Services, name: str, model: type[BaseModel], operation: Callable[[Any], object], summary: str
) -> Callable[[], Any]:
    @operation_id(f"{name}_release")
    @tag(["operation"])
    @security_scheme(SECURITY)
    @document_request(model)
    @document_response(ReleasesResponse)
    @fails(400, 401, 403, 413, 415, 429)
    async def operate() -> Response:
        require_admin(services)
        has_body = bool(await request.get_data())
        optional = not any(field.is_required() for field in model.model_fields.values())
        asked = model() if optional and not has_body else await read_body(model)
        try:
            if name in _QUICK and (services.rollout is not None or name in ("fetch", "promote")):
                operation(asked)
            else:
                await trio.to_thread.run_sync(operation, asked)
        except StoreError as error:
            raise Refused(Code.INVALID_REQUEST, str(error)) from None
        others: tuple[OrderAnswer, ...] = ()
        for action in RELEASE_ACTIONS:
            if name == action:
                version = canonical(asked.version) if isinstance(asked, VersionRequest) else None
                others = await services.cluster.order(action, version, getattr(asked, "reason", ""))
        return await respond_with_json(await _listed(services, others))

    operate.__doc__ = summary
    return operate


async def _listed(services: Services, others: Sequence[OrderAnswer] = ()) -> ReleasesResponse:
    store = services.updater.store
    state = await trio.to_thread.run_sync(store.state)
    found = await trio.to_thread.run_sync(store.available)
    if services.rollout is not None:
        status = services.rollout.status()
    else:
        status = RolloutStatus((await trio.to_thread.run_sync(store.choose)).version)
    return ReleasesResponse(
        ok=True,
        releases=[
            Release(
                version=each.version,
                source=each.source,
                fetched=each.fetched,
                ejs=each.ejs,
                state=_words(each.version, state, status),
            )
            for each in found
        ],
        barred=dict(state.barred),
        verdict=status.verdict,
        update=update(services.updater.statistics(), details=True),
        others=[OtherInstance.model_validate(each) for each in others],
    )


def _words(version: str, state: StoreState, status: RolloutStatus) -> list[Any]:
    use = [name for name in ("serving", "canary") if getattr(status, name) == version]
    barred = ["barred"] if version in state.barred else []
    return [*use, *map(to_camel, state.roles(version)), *barred]
