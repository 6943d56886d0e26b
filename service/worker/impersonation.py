"""Whether this yt-dlp can pass for a browser: the extra `impersonate` is installed, and fits."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable
from typing import Any

from yt_dlp.networking.impersonate import ImpersonateTarget

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
        importlib.import_module("curl_cffi")
        importlib.import_module("yt_dlp.networking._curlcffi")
    except ImportError:  # missing, or not of a version that this yt-dlp knows
        return ()
    from .curl import GuardedCurlRH

    return (GuardedCurlRH,)


def check(options: Iterable[YtdlpOptions]) -> None:
    """Raises ColdTemplate where the operator asks to pass for a browser, and that is not possible."""
    for wanted in {each.impersonate for each in options if each.impersonate}:
        known = [target for handler in handlers() for target in handler.supported_targets]
        if not known:
            raise ColdTemplate(
                f"impersonate = {wanted!r} needs the extra `impersonate`: pip install 'ytdlpd[impersonate]'"
            )
        if not any(ImpersonateTarget.from_str(wanted) in target for target in known):
            names = ", ".join(sorted({target.client for target in known}))
            raise ColdTemplate(f"impersonate = {wanted!r}: there is no such browser; there are {names}")
