"""The JavaScript runtime for YouTube's challenges: finding deno, and starting it without privileges.

yt-dlp starts deno per challenge with the script on standard input and no permissions (no --allow-*), so it
has no network, no environment, and no files but those that a static import names.
"""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Any

import deno
from yt_dlp.extractor.youtube.jsc._builtin import deno as provider
from yt_dlp.utils import Popen
from yt_dlp.utils._jsruntime import DenoJsRuntime

from .cold import ColdTemplate

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_HEAP_MB = 512  # a 3 MB player script is solved in under 200
_KEPT = ("DENO_DIR", "HOME", "TMPDIR")


class MissingRuntime(ColdTemplate):
    """There is no usable JavaScript runtime; the text says what to do."""


def find() -> DenoJsRuntime:
    """The runtime of the deno wheel with its version, for every YoutubeDL to share.

    Raises:
        MissingRuntime: deno is not installed, does not run, or is too old for yt-dlp.
    """
    try:
        path = deno.find_deno_bin()
    except FileNotFoundError:
        raise MissingRuntime("deno is not installed; pip install deno") from None
    runtime = DenoJsRuntime(path=path)
    if not runtime.info:
        raise MissingRuntime(
            f"{path} does not run, and YouTube needs deno; pip install --force-reinstall deno"
        )
    if not runtime.info.supported:
        version = runtime.info.version
        raise MissingRuntime(f"deno {version} is too old for this yt-dlp; pip install --upgrade deno")
    return runtime


class Child(Popen):  # type: ignore[misc]  # yt-dlp is untyped
    """yt-dlp's Popen for deno: a minimal environment, a bounded heap, and death with the worker."""

    def __init__(self, args: list[str], *remaining: Any, env: object = None, **kwargs: Any) -> None:
        command = [*args[:2], f"--v8-flags=--max-old-space-size={_HEAP_MB}", *args[2:]]
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        environment |= {"NO_COLOR": "1", "DENO_NO_UPDATE_CHECK": "1"}
        super().__init__(command, *remaining, env=environment, preexec_fn=_before_exec, **kwargs)


def _before_exec() -> None:
    """Runs in the child before deno starts. Python code is safe here, because the worker has no threads."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def install() -> None:
    """Make yt-dlp start deno as a Child."""
    provider.Popen = Child
