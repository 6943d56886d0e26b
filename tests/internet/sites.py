"""Which site answers: the one place where a host, and the way it fails, becomes a reply. Pure."""

from __future__ import annotations

import re

from . import bilibili, dailymotion, failures, files, media, peertube, youtube
from .message import Reply, Request
from .settings import Settings

_FAILING_HOST = re.compile(r"(?P<how>[a-z0-9-]+)\.fail-\w+\.example")

# Failures that happen before any request: the proxy plays them when it is asked to CONNECT.
TUNNEL_FAILURES = frozenset(
    {"refused", "unresolved", "proxy-auth", "bad-cert", "hang-connect", "reset-connect"}
)


def hows() -> frozenset[str]:
    """Every way in which a host can be told to fail."""
    return TUNNEL_FAILURES | failures.FAILURES.keys() | youtube.SCENES.keys()


def failure_of(host: str) -> str | None:
    """The failure in a host's name: `503.fail-7.example` fails with 503; names in .invalid do not resolve."""
    if host.endswith(".invalid"):
        return "unresolved"
    named = _FAILING_HOST.fullmatch(host)
    return named["how"] if named else None


def play(request: Request, how: str | None, port: int, settings: Settings) -> Reply:
    """The reply to `request`, failing in the way `how` if there is one.

    Args:
        how: from a switch or the host's name.
        port: the proxy's own, for failures that lead to the loopback.
    """
    if youtube.is_host(request.host) and (how is None or how in youtube.SCENES):
        scene = youtube.SCENES[how] if how else youtube.scene_of(request)
        if scene.how is None:
            return youtube.play(request, scene, settings, port)
        how = scene.how
    if how is None and bilibili.is_host(request.host):
        return bilibili.play(request)
    if how is None and peertube.is_host(request.host):
        return peertube.play(request, port)
    if how is None and dailymotion.is_host(request.host):
        return dailymotion.play(request, settings)
    if how is None and request.host == "fail.example":
        how = request.path.strip("/").partition("/")[0]
    if how is None:
        return files.play(request) or media.play(request)
    return failures.play(request, how, port)
