"""Bilibili as it answers one that it takes for a robot: 412, and errors in JSON with the status 200. Pure.

A video's page answers 412. The API for a channel's videos answers 412 for the channel 412, and for any other
200 with the code -352. Every client gets the keys that sign a request.
"""

from __future__ import annotations

import json

from .message import Reply, Request

_HOSTS = frozenset({"www.bilibili.com", "space.bilibili.com", "api.bilibili.com"})
_KEYS = {f"{name}_url": f"https://i0.hdslb.com/bfs/wbi/{name * 11}.png" for name in ("img", "sub")}
_BANNED = Reply(b'{"code": -412, "message": "request was banned"}', "application/json", 412, kind="failure")
_REJECTED = Reply(b'{"code": -352, "message": "-352", "ttl": 1}', "application/json", kind="failure")


def is_host(host: str) -> bool:
    return host in _HOSTS


def play(request: Request) -> Reply:
    """The reply of Bilibili."""
    if request.path == "/x/web-interface/nav":
        answer = {"code": -101, "message": "not logged in", "data": {"isLogin": False, "wbi_img": _KEYS}}
        return Reply(json.dumps(answer).encode(), "application/json", kind="keys")
    if request.host == "api.bilibili.com" and request.parameter("mid") != "412":
        return _REJECTED
    return _BANNED
