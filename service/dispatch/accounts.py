"""The operator's accounts: the cookies that jobs of a site carry, read anew when their file changes.

A client's own cookies win. An account's jobs are like those with a client's cookies: each has a process to
itself, and its result is neither cached nor shared, unless the operator says that it may be.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .. import cookie_file
from ..breaker.sites import site_of
from ..events import CookiesRead, CookiesUnusable, Events
from ..ytdlp_options import YtdlpOptions, options_of


@dataclass(frozen=True, slots=True)
class Account:
    """The cookies for a job, and whether its result may be cached and shared."""

    cookies: str = field(repr=False)
    shared: bool


class Accounts:
    """The account of each site that has one.

    Args:
        options: the operator's, by site.
    """

    def __init__(self, options: Mapping[str, YtdlpOptions], bus: Events) -> None:
        self._options = options
        self._files = {
            each.cookies_file: _File(Path(each.cookies_file), bus)
            for each in options.values()
            if each.cookies_file
        }

    def of(self, site: str) -> Account | None:
        """The account of `site`; None where there is none, or its file has no cookie of the site."""
        options = options_of(self._options, site)
        if not options.cookies_file:
            return None
        found = self._files[options.cookies_file].read()
        if found is None or site not in found.sites:
            return None
        return Account(found.text, options.cookies_shared)


@dataclass(frozen=True, slots=True)
class _Content:
    text: str = field(repr=False)
    sites: frozenset[str]


class _File:
    """A cookie file; what could be read of it last goes on.

    It has a few KB on a local disk, and is read when it changes: too little for a thread.
    """

    def __init__(self, path: Path, bus: Events) -> None:
        self._path = path
        self._bus = bus
        self._read: tuple[int, ...] = ()  # names the version that was read last
        self._content: _Content | None = None
        self._problem = ""

    def read(self) -> _Content | None:
        """Its content; None where it never had any."""
        try:
            status = os.stat(self._path)
            version = (status.st_ino, status.st_mtime_ns, status.st_size)
            if version != self._read:
                self._load()
                self._read = version
        except OSError as error:
            self._failed(f"{self._path} cannot be read: {error.strerror}")
        except ValueError as error:
            self._failed(str(error))
        return self._content

    def _load(self) -> None:
        found = cookie_file.read(self._path)
        self._content = _Content(found.text, frozenset(site_of(f"https://{name}/") for name in found.domains))
        self._problem = ""
        self._bus.emit(CookiesRead(str(self._path), tuple(sorted(self._content.sites))))

    def _failed(self, problem: str) -> None:
        self._read = ()  # it is looked at again
        if problem != self._problem:
            self._problem = problem
            self._bus.emit(CookiesUnusable(str(self._path), problem))
