"""End-to-end: the Python client on a real service, blocking and under Trio."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

from service.client import (
    AsyncClient,
    Client,
    Code,
    Declined,
    EntriesOptions,
    Failed,
    Patience,
    Refused,
    Total,
    Unreachable,
)
from tests.internet import Internet
from tests.support.running_service import PATIENCE, Service, eventually

VIDEO = "https://youtu.be/dQw4w9WgXcQ"
LIST = "https://files.example/list-5000"
HANGING = "https://drip.fail-120.example/"


@pytest.fixture(scope="module")
def service(internet: Internet) -> Iterator[Service]:
    settings = {"REQUIRE_AUTH": "true", "API_KEY": "the key", "SCALING": "fixed:2", "YTDLP_TIMEOUT": 90_000}
    with Service.run(internet, settings=settings) as running:
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url, key="the key") as made:
        yield made


def test_one_video(client: Client) -> None:
    assert client.size(VIDEO, format="ba")["selection"]["accuracy"] == "exact"
    assert set(client.extract(VIDEO, fields=["title", "duration"])) >= {"title", "duration"}
    assert client.subtitles(VIDEO, language="de") == "Hello in de\nand welcome\n"


def test_errors_are_told_apart(service: Service, client: Client) -> None:
    with pytest.raises(Declined) as declined:
        client.size("https://youtu.be/private____")
    assert declined.value.code is Code.PRIVATE
    with pytest.raises(Refused, match="no field"):
        client.extract(VIDEO, fields=["titel"])
    with pytest.raises(Failed) as failed:
        client.size("https://500.fail-121.example/")
    assert failed.value.code is Code.UPSTREAM_ERROR
    with Client(service.url) as stranger, pytest.raises(Refused) as refused:
        stranger.size(VIDEO)
    assert refused.value.code is Code.UNAUTHORIZED
    with Client("http://127.0.0.1:1", patience=Patience(attempts=1)) as nobody, pytest.raises(Unreachable):
        nobody.size(VIDEO)


def test_a_list_page_by_page_has_each_entry_once(client: Client) -> None:
    pages = client.pages(LIST, start=4001, fields=["entries"])
    titles = [entry["title"] for page in pages for entry in page["entries"]]
    assert titles == [f"Episode {number}" for number in range(4001, 5001)]


def test_the_sizes_of_a_list_and_their_sum(client: Client) -> None:
    sizes, cursor = dict[int, int](), ""
    for start, count in ((0, 3), (3, 2)):
        options: EntriesOptions = {"cursor": cursor} if cursor else {"count": count}
        with client.sizes("https://feed.example/rss.xml", **options) as entries:
            for each in entries:
                if isinstance(each, Total):
                    assert (each.entries, each.unknown, each.accuracy) == (count, 0, "exact")
                    assert each.bytes == count * 345_678
                    assert each.playlist_count == 5
                    cursor = each.cursor or ""
                else:
                    assert each.result is not None
                    sizes[start + each.index] = each.result["best"]["bytes"]
    assert (sizes, cursor) == (dict.fromkeys(range(5), 345_678), "")
    with pytest.raises(Refused, match="of use with entries"):
        client.size("https://feed.example/rss.xml", count=3)  # type: ignore[call-arg]


def test_a_batch_and_progress(client: Client) -> None:
    with client.batch([VIDEO, "https://youtu.be/removed____"], kind="size") as lines:
        found = {line.index: line for line in lines}
    assert found[0].result is not None
    assert found[0].result["duration"] == 212
    assert isinstance(found[1].error, Declined)
    with client.progress("https://html5.example/?progress", fields=["title"]) as steps:
        *_, before, last = steps
    assert (before.event, last.event, last.data["ok"]) == ("started", "done", True)


async def test_trio_cancels_what_nobody_waits_for(service: Service) -> None:
    """Both ways of leaving: out of a stream, and by a scope that is cancelled."""
    async with AsyncClient(service.url, key="the key") as client:
        async with client.progress(HANGING) as steps:
            with trio.fail_after(PATIENCE):
                async for step in steps:
                    if step.event == "started":
                        break
        await trio.to_thread.run_sync(eventually, lambda: service.pool()["activeTasks"] == 0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.size, HANGING)
            await trio.to_thread.run_sync(eventually, lambda: service.pool()["activeTasks"] == 1)
            nursery.cancel_scope.cancel()
        await trio.to_thread.run_sync(eventually, lambda: service.pool()["activeTasks"] == 0)
        assert (await client.size(VIDEO))["duration"] == 212
