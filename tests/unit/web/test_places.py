"""Collaboration: places for streams are shared out between clients, and some are kept for admins."""

from __future__ import annotations

from contextlib import AsyncExitStack, ExitStack

import pytest

from service.dispatch.progress import Started
from service.web.errors import Refused
from service.web.http.places import Places
from tests.support.streaming_client import asking
from tests.support.web_app import URL, web


def test_a_client_has_its_share_and_admins_have_theirs() -> None:
    places = Places(10, of_one_client=3, for_admins=4)
    with ExitStack() as taken:
        for client in ("a", "a", "a", "b", "b", "b"):
            taken.enter_context(places.take(client, admin=False))
        for client in ("a", "c"):  # over its own share; over what is not the admins'
            with pytest.raises(Refused):
                places.check(client, admin=False)
        for _ in range(4):
            taken.enter_context(places.take("admin", admin=True))
        with pytest.raises(Refused):
            places.check("admin", admin=True)
    with places.take("a", admin=False):
        places.check("a", admin=False)


async def test_viewers_of_the_dashboard_lock_no_admin_out() -> None:
    it = web(require_auth=True, api_key="the key", admin_key="the key of an admin")
    path, admin = "/api/v1/dashboard/stream", {"x_api_key": "the key of an admin"}
    async with AsyncExitStack() as open_streams:
        statuses, viewers = [], []
        for _ in range(20):
            viewer = await open_streams.enter_async_context(asking(it.app, "GET", path, x_api_key="the key"))
            statuses.append(viewer.status)
            viewers.append(viewer)
            if viewer.status == 503:
                assert b"QUEUE_FULL" in await viewer.rest()
                break
            await viewer.piece()
        assert statuses == [200] * 8 + [503]
        for each in ("/api/v1/events", path):
            async with asking(it.app, "GET", each, **admin) as welcome:
                assert welcome.status == 200
                await welcome.piece()
                welcome.leave()
        for viewer in viewers:
            viewer.leave()


async def test_a_client_follows_so_many_extractions() -> None:
    it = web()
    it.dispatcher.hang()
    it.dispatcher.steps = (Started(1),)
    target = ("GET", f"/api/v1/extract?url={URL}")
    async with AsyncExitStack() as open_streams:
        followers = []
        for _ in range(33):
            stream = asking(it.app, *target, accept="text/event-stream")
            followers.append(await open_streams.enter_async_context(stream))
            await followers[-1].piece()
        assert [follower.status for follower in followers] == [200] * 32 + [503]
        for follower in followers:
            follower.leave()
