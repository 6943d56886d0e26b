"""`ytdlpd doctor`: looks at all that the service needs here, and says what to do about what is wrong."""

from __future__ import annotations

import contextlib
import email.utils
import errno
import http.client
import os
import platform
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import click
import deno
from rich.console import Console
from rich.text import Text

from ..breaker.sites import with_port
from ..config import Config
from ..egress.settings import proxy_address
from ..hosts import Address, UnixSocket
from ..pool.resources import FOOTPRINT, RESERVED, memory_limit, memory_room
from ..releases.store import ReleaseStore
from ..web.http.authentication import access_rules
from ..web.http.binding import whole
from ..web.http.listener import places
from ..worker import landlock
from .common import config_option, load, own_problem

PATIENCE = 5.0  # seconds for a site, a proxy or deno
OLD = 60  # days after which sites have usually changed under a yt-dlp
SKEW = 300.0  # seconds; more breaks TLS and signed URLs
SITE = "www.youtube.com"
DESCRIPTORS = 1024


class Verdict(StrEnum):
    """How grave a finding is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.PROBLEM: "bold red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen of one thing, and what to do where it is not well."""

    verdict: Verdict
    what: str
    seen: str
    cure: str = ""


def ok(what: str, seen: str) -> Finding:
    return Finding(Verdict.OK, what, seen)


def warning(what: str, seen: str, cure: str) -> Finding:
    return Finding(Verdict.WARNING, what, seen, cure)


def broken(what: str, seen: str, cure: str) -> Finding:
    return Finding(Verdict.PROBLEM, what, seen, cure)


@click.command()
@config_option
@click.pass_obj
def doctor(file: Path | None, /) -> None:
    """Check Python, yt-dlp, deno, the kernel, memory, the network, keys, clock and folders.

    Each line says what to do. The exit code is 1 where the service could not do its work.
    """
    config = load(file)
    console = Console(highlight=False, soft_wrap=True)
    worst = Verdict.OK
    for check in CHECKS:
        for found in check(config):
            cure = f"; {found.cure}" if found.cure else ""
            verdict = Text(f"{found.verdict:<8}", style=STYLES[found.verdict])
            console.print(verdict + Text(f"{found.what}: {found.seen}{cure}", style="none"))
            if found.verdict is Verdict.PROBLEM:
                worst = found.verdict
    sys.exit(worst is Verdict.PROBLEM)


def python(_config: Config) -> Iterator[Finding]:
    yield ok("Python", f"{platform.python_version()} in {sys.prefix}")


def ytdlp(config: Config, today: date | None = None) -> Iterator[Finding]:
    today = today or date.today()
    version = ReleaseStore(config.ytdlp_dir).choose().version
    try:
        year, month, day = (int(part) for part in version.split(".")[:3])
        age = (today - date(year, month, day)).days
    except ValueError:
        yield ok("yt-dlp", f"{version}, a version without a date")
        return
    if age < -1:
        yield broken("clock", f"it says {today}, before yt-dlp {version} was made", "set the clock")
    elif age > OLD:
        cure = (
            "ytdlpd releases fetch latest" if config.ytdlp_dir else "pip install --upgrade 'yt-dlp[default]'"
        )
        yield warning("yt-dlp", f"{version} is {age} days old, and sites change", cure)
    else:
        yield ok("yt-dlp", f"{version}, {max(0, age)} days old")


def runtime(_config: Config) -> Iterator[Finding]:
    try:
        binary = deno.find_deno_bin()
        done = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=PATIENCE)
        seen = done.stdout.splitlines()[0] if done.returncode == 0 and done.stdout else ""
    except FileNotFoundError:
        yield broken("deno", "it is not installed, and YouTube needs it", "pip install deno")
        return
    except (OSError, subprocess.SubprocessError):
        seen = ""
    if seen:
        yield ok("deno", seen)
    else:
        yield broken("deno", f"{binary} does not run", "pip install --force-reinstall deno")


def confinement(_config: Config) -> Iterator[Finding]:
    version = landlock.version()
    if version >= 4:
        yield ok("Landlock", f"version {version}; workers are confined to their files and ports")
    elif version:
        yield warning(
            "Landlock", f"version {version} confines files, not ports", "Linux 6.7 or later does both"
        )
    else:
        cure = "boot with lsm=landlock,… or allow its system calls; without it the other layers remain"
        yield warning("Landlock", "the kernel has none, or it is forbidden", cure)


def memory(config: Config) -> Iterator[Finding]:
    limit, room = memory_limit(), memory_room()
    least = RESERVED + config.min_workers * FOOTPRINT
    wanted = RESERVED + config.max_workers * FOOTPRINT
    if limit is None or room is None:
        yield warning("memory", "it cannot be told", "is /proc mounted?")
        return
    seen = f"{room >> 20:,} of {limit >> 20:,} MB are free"
    if limit < least:
        yield broken("memory", seen, f"{config.min_workers} workers need {least >> 20:,} MB")
    elif room < wanted:
        cure = f"{config.max_workers} workers need {wanted >> 20:,} MB; there will be fewer"
        yield warning("memory", seen, cure)
    else:
        yield ok("memory", f"{seen}, enough for {config.max_workers} workers")


def descriptors(config: Config) -> Iterator[Finding]:
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    room, _ = places(soft, config.max_workers, 1000)
    seen = f"{soft:,}, room for {room:,} connections"
    if soft < DESCRIPTORS:
        yield warning("file descriptors", seen, f"raise the limit (ulimit -n, LimitNOFILE=) to {DESCRIPTORS}")
    else:
        yield ok("file descriptors", seen)


def network(config: Config) -> Iterator[Finding]:
    """Whether a site can be reached, as the workers would; its date tells whether the clock is right."""
    if config.egress:
        yield from egresses(config)
        return
    proxy = urlsplit(config.egress_proxy) if config.egress_proxy else None
    way = ""
    if proxy is not None:
        host, port = proxy_address(str(config.egress_proxy))
        way = f" by the proxy {host}:{port}"
        found = _reached(broken, "proxy", host, port, "repair EGRESS_PROXY, or start it")
        yield found
        if found.cure:
            return
        if proxy.scheme != "http" or "@" in proxy.netloc:
            return
    target = (proxy.hostname, proxy.port or 80) if proxy is not None else (SITE, 80)
    connection = http.client.HTTPConnection(str(target[0]), target[1], timeout=PATIENCE)
    try:
        connection.request("HEAD", f"http://{SITE}/" if proxy else "/", headers={"Host": SITE})
        stamp = connection.getresponse().headers.get("Date", "")
    except (OSError, http.client.HTTPException) as error:
        cure = "check DNS, the firewall and EGRESS_PROXY"
        yield broken("network", f"{SITE} does not answer{way}: {_why(error)}", cure)
        return
    finally:
        connection.close()
    yield ok("network", f"{SITE} answers{way}")
    yield from clock(stamp)


def egresses(config: Config) -> Iterator[Finding]:
    """Whether the proxy of each egress answers."""
    for name, settings in config.egress.items():
        if settings.proxy is None:
            continue
        host, port = proxy_address(settings.proxy.get_secret_value())
        cure = f"repair [egress.{name}], or start it; the others serve meanwhile"
        yield _reached(warning, f"egress {name}", host, port, cure)


def sidecars(config: Config) -> Iterator[Finding]:
    """Whether the places that plugins ask answer; jobs go on without them."""
    for place in config.sidecars:
        host, _, port = place.rpartition(":")
        cure = "start it, or name another one in SIDECARS and as the plugin's base_url"
        yield _reached(warning, "sidecar", host.strip("[]"), int(port), cure)


def _reached(
    trouble: Callable[[str, str, str], Finding], what: str, host: str, port: int, cure: str
) -> Finding:
    """Whether a place takes connections; `trouble` makes the finding where it takes none."""
    place = with_port(host, port)
    try:
        socket.create_connection((host, port), PATIENCE).close()
    except OSError as error:
        return trouble(what, f"{place} does not answer: {_why(error)}", cure)
    return ok(what, f"{place} answers")


def clock(stamp: str, now: Callable[[], float] = time.time) -> Iterator[Finding]:
    with contextlib.suppress(ValueError):
        skew = now() - email.utils.parsedate_to_datetime(stamp).timestamp()
        if abs(skew) > SKEW:
            seen = f"it is {abs(skew):,.0f} s {'fast' if skew > 0 else 'slow'}"
            yield broken("clock", seen, "set it, and run a time service: TLS and media URLs depend on it")
        else:
            yield ok("clock", "right")


def access(config: Config) -> Iterator[Finding]:
    rules = access_rules(config)
    seen = f"extraction is for {rules.extraction}; what admins do, for {rules.admin}"
    if rules.advice is not None:
        yield warning("keys", seen, rules.advice)
    elif not config.loopback_only and not config.require_auth:
        yield warning("keys", seen, "set REQUIRE_AUTH and API_KEY or [keys], unless that is meant")
    else:
        yield ok("keys", seen)


def address(config: Config) -> Iterator[Finding]:
    served = own_problem(config) is None
    for place in config.places:
        if isinstance(place, UnixSocket):
            yield _unix_socket(place, served)
        else:
            yield _free_port(place, config.port, served)


def _unix_socket(place: UnixSocket, served: bool) -> Finding:
    folder = os.path.dirname(place.path)
    if served:
        return ok("address", f"ytdlpd serves on {place}")
    if not os.access(folder, os.W_OK | os.X_OK):
        return broken("address", f"{folder} of {place} is missing or not writable", f"mkdir -p {folder}")
    return ok("address", f"{place} can be made")


def _free_port(place: Address, port: int, served: bool) -> Finding:
    where = whole(place, port)
    try:
        found = socket.getaddrinfo(place.host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return broken("address", f"HOST {place} cannot be resolved: {_why(error)}", "unset HOST")
    family, kind, protocol, _, target = found[0]
    try:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(target)
    except OSError as error:
        if served and error.errno == errno.EADDRINUSE:
            return ok("address", f"ytdlpd serves on {where}")
        if not place.expected:
            return ok("address", f"{where} is left out: {_why(error)}")
        return broken("address", f"{where}: {_why(error)}", "take another one, as in --port 0")
    return ok("address", f"{where} is free")


def folders(config: Config) -> Iterator[Finding]:
    folder = config.ytdlp_dir
    if folder is None:
        yield ok("YTDLP_DIR", "not set: the installed yt-dlp is used, and none is fetched")
    elif not folder.is_dir():
        yield broken("YTDLP_DIR", f"{folder} is no directory", f"mkdir {folder}, for the user of the service")
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield broken("YTDLP_DIR", f"{folder} is not writable", "give it to the user of the service")
    else:
        yield ok("YTDLP_DIR", str(folder))


CHECKS: tuple[Callable[[Config], Iterator[Finding]], ...] = (
    *(python, ytdlp, runtime, confinement, memory, descriptors, address, network, sidecars, access, folders),
)


def _why(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
