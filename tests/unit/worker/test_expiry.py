"""Pure: the lifetime of a result, from the expiry times in its media URLs."""

from __future__ import annotations

from typing import Any

import pytest

from service.worker.expiry import lifetime

NOW = 1_800_000_000.0


def formats(*urls: str) -> dict[str, Any]:
    return {"formats": [{"url": url} for url in urls]}


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (
            formats("https://m.test/v?expire=1800000600&s=x", "https://m.test/a?x=1&expire=1800000300"),
            300.0,
        ),
        (formats("https://m.test/api/manifest/hls/expire/1800000060/ei/x/file.m3u8"), 60.0),
        (formats("https://cdn.test/v.mp4?Expires=1800000010&Signature=x"), 10.0),
        (formats("https://cdn.test/v.mp4?expires=1800000010000"), 10.0),
        ({"url": "https://m.test/v?expire=1800000005"}, 5.0),
        (
            {"formats": [{"url": "https://m.test/v", "manifest_url": "https://m.test/m?expire=1800000007"}]},
            7.0,
        ),
        ({"entries": [None, {"url": "https://m.test/v?expire=1800000009"}]}, 9.0),
        (formats("https://m.test/v?expire=1700000000"), 0.0),
        (formats("https://m.test/v?expire=never", "https://m.test/v?unexpire=1800000600"), None),
        (formats("https://m.test/v?expire=18000006001"), None),
        ({"formats": [{}, {"url": None}]}, None),
        ({}, None),
        ({"is_live": True, **formats("https://m.test/v?expire=1800000600")}, 0.0),
        ({"live_status": "is_upcoming"}, 0.0),
        ({"live_status": "was_live"}, None),
        ({"partial": True, "entries": [{"url": "https://m.test/v?expire=1800000600"}, None]}, 0.0),
    ],
)
def test_lifetime(info: dict[str, Any], expected: float | None) -> None:
    assert lifetime(info, NOW, urls=True) == expected


def test_a_result_without_urls_outlives_them_unless_it_is_live() -> None:
    assert lifetime(formats("https://m.test/v?expire=1800000600"), NOW, urls=False) is None
    assert lifetime({"is_live": True}, NOW, urls=False) == 0.0
