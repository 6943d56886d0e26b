"""Whether this yt-dlp can pass for a browser: the extra `impersonate` is installed, and fits."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from ..ytdlp_options import YtdlpOptions
from .cold import ColdTemplate


@functools.cache
def handlers(source_address: str | None = None) -> tuple[Any, ...]:
    """The request handler that does; none where it cannot be.

    That of curl_cffi sets no options of a socket, and so binds to no address of a routed network.
    """
    if source_address is not None:
        return ()
    try:
        from .curl import GuardedCurlRH
    except ImportError:  # missing, or not of a version that this yt-dlp knows
        return ()
    return (GuardedCurlRH,)


def check(options: Iterable[YtdlpOptions]) -> None:
    """Raises ColdTemplate where the operator asks to pass for a browser, and that is not possible."""
    from yt_dlp.networking.impersonate import ImpersonateTarget

    for wanted in {each.impersonate for each in options if each.impersonate}:
        known = [target for handler in handlers() for target in handler.supported_targets]
        if not known:
            raise ColdTemplate(
                f"impersonate = {wanted!r} needs the extra `impersonate`: pip install 'ytdlpd[impersonate]'"
            )
        if not any(ImpersonateTarget.from_str(wanted) in target for target in known):
            names = ", ".join(sorted({target.client for target in known}))
            raise ColdTemplate(f"impersonate = {wanted!r}: there is no such browser; there are {names}")
