"""The control API: plain HTTP straight to the proxy's port, under /_control/. No I/O.

GET  /_control/counters
POST /_control/latency   {"host": "site.example", "seconds": 0.5}
POST /_control/fail      {"host": "site.example", "how": "503", "seconds": null, "times": null,
                          "egress": null, "per_minute": null}
POST /_control/heal      {"host": "site.example"}
POST /_control/set       {"token": "T2"}
POST /_control/reset     {}
"""

from __future__ import annotations

import json
from typing import Any

from . import sites
from .message import Reply, Request
from .state import State, Switch

PREFIX = "/_control/"


def answer(request: Request, state: State, now: float) -> Reply:
    """Do what a control request asks; 400 with a sentence when it makes no sense."""
    action = request.path.removeprefix(PREFIX)
    try:
        given: dict[str, Any] = json.loads(request.body or b"{}")
        if action == "latency":
            state.set_latency(given["host"], float(given["seconds"]))
        elif action == "fail":
            state.fail(given["host"], _switch(given, now), given.get("egress") or "")
        elif action == "heal":
            state.heal(given["host"])
        elif action == "set":
            state.settings = state.settings.changed(given)
        elif action == "reset":
            state.reset()
        elif action != "counters":
            raise ValueError(f"there is no action {action!r}")
    except (ValueError, TypeError, KeyError) as error:
        return _json({"error": f"{type(error).__name__}: {error}"}, 400)
    return _json(state.counters())


def _switch(given: dict[str, Any], now: float) -> Switch:
    how, seconds, times = given["how"], given.get("seconds"), given.get("times")
    if how not in sites.hows():
        raise ValueError(f"no site fails in the way {how!r}; known: {', '.join(sorted(sites.hows()))}")
    per_minute = given.get("per_minute")
    return Switch(
        how,
        None if seconds is None else now + float(seconds),
        None if times is None else int(times),
        None if per_minute is None else int(per_minute),
    )


def _json(value: object, status: int = 200) -> Reply:
    return Reply(json.dumps(value).encode(), "application/json", status)
