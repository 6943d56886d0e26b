"""A pytest plugin that installs the patches, for yt-dlp's own tests.

Run them with `-p` and without it, in a checkout of the release that constraints-tests.txt pins; the
same tests must pass. $YTDLPD is the path of this project.

    PYTHONPATH=.:$YTDLPD $YTDLPD/.venv/bin/python -m pytest -c /dev/null --rootdir . -m "not download" \\
        -p tests.support.patched_ytdlp test
"""

from __future__ import annotations

import importlib
import pkgutil

import pytest
import yt_dlp

from service.worker import patches


def pytest_configure() -> None:
    for module in pkgutil.iter_modules(yt_dlp.__path__, "yt_dlp."):
        if module.name != "yt_dlp.__main__":
            importlib.import_module(module.name)
    if patches.lost():
        pytest.exit(f"this yt-dlp has changed what the patches replace: {', '.join(patches.lost())}", 2)
    patches.install()
