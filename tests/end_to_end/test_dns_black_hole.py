"""End-to-end: without a proxy a worker resolves names itself, here with name servers that never answer."""

from __future__ import annotations

import pytest

from tests.support.dns_black_hole import black_hole
from tests.support.origin import VideoSite, origin
from tests.support.running_service import Service


@pytest.mark.parametrize(
    ("servers", "timeout", "status", "code"),
    [(1, 25_000, 502, "DNS"), (3, 2500, 504, "DEADLINE")],
    ids=["a lookup has its own bound", "the kill ends a lookup, too"],
)
def test_a_job_ends_and_the_service_goes_on(servers: int, timeout: int, status: int, code: str) -> None:
    with black_hole(servers) as hole, origin(VideoSite) as port:
        if hole is None:
            pytest.skip("needs root and unshare, to have other name servers")
        address = f"127.0.0.1:{port}"
        settings = {"EGRESS_ALLOW": address, "SCALING": "fixed:1", "MIN_WORKERS": 1, "YTDLP_TIMEOUT": timeout}
        with Service.run(settings=settings, prefix=hole.prefix) as service:
            # A worker's first job is slow, and the deadline must pass in the lookup.
            assert service.extract(f"http://{address}/video.mp4?first").status_code == 200
            answer = service.extract("https://video.example/")
            assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
            assert hole.heard() > 0
            assert service.extract(f"http://{address}/video.mp4").status_code == 200
            assert hole.heard() == 0, "an address is no name"
