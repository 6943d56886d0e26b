"""Collaboration: what `/health` tells of the operator's options for yt-dlp, on the web layer with fakes."""

from __future__ import annotations

from tests.support.web_app import web

KEY = "an admin's key that is long enough"


async def test_health_names_the_options_to_admins_and_never_their_values() -> None:
    it = web(
        admin_key=KEY,
        ytdlp={"sleep": 1},
        site={
            "vimeo.com": {"concurrency": 1},
            "youtube.com": {"ytdlp": {"extractor_args": {"youtube": {"po_token": "SECRET"}}}},
        },
    )
    answer = await it.get("/health", headers={"X-API-Key": KEY})
    shown = (await answer.get_json())["options"]
    assert shown == {"*": ["sleep"], "youtube.com": ["extractor_args.youtube.po_token", "sleep"]}
    assert b"SECRET" not in await answer.get_data()
    assert (await (await it.get("/health")).get_json())["options"] is None
