"""The reverse proxies of deploy/ in front of running services, each from its own file there.

Only addresses and names are replaced, so the tests run the files that the documents show. Every proxy listens
on an address of 127.0.0.0/8 that belongs to this process, so that no other process can take the port.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.running_service import NO_TLS, PATIENCE, ROOT, eventually

DEPLOY = ROOT / "deploy"
SERVICE = "127.0.0.1:3000"  # the address in the files
SUBPATH = "/ytdlpd"
IDLE = "4s"  # in the place of each file's 60 s

_ports = itertools.count(28001)

# The parts of a distribution's nginx.conf around a site.
_NGINX = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {site}
}}
"""


@dataclass(frozen=True, slots=True)
class ReverseProxy:
    """A proxy that answers at `url`, for a service at the root and at SUBPATH."""

    name: str
    url: str

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=PATIENCE, verify=NO_TLS)

    def post(self, path: str, body: object, **options: Any) -> httpx.Response:
        return httpx.post(self.url + path, json=body, timeout=PATIENCE, verify=NO_TLS, **options)


def _nginx(folder: Path, listen: str, services: Sequence[str]) -> list[str]:
    servers = "".join(f"server {service};\n" for service in services)
    site = _replaced(
        DEPLOY / "nginx.conf",
        {
            f"server {SERVICE};": servers,
            "keepalive_timeout 60s": f"keepalive_timeout {IDLE}",
            "listen 80;": f"listen {listen};",
            "ytdlpd.example.org": "_",
        },
    )
    return _nginx_of(folder, site)


def _nginx_of(folder: Path, site: str) -> list[str]:
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(user=user, folder=folder, site=site))
    return ["-e", "stderr", "-p", str(folder), "-c", str(config)]


def _haproxy(folder: Path, listen: str, services: Sequence[str], options: str = "") -> list[str]:
    # Where it has to choose it checks ten times as often as by default, so that no test waits for it.
    inter = "2s" if len(services) == 1 else "200ms"
    lines = [
        f"server s{number} {service} check inter {inter} {options}" for number, service in enumerate(services)
    ]
    servers = "\n    ".join(lines)
    text = _replaced(
        DEPLOY / "haproxy.cfg",
        {
            f"server one {SERVICE} check inter 2s": servers,
            "bind :80\n": f"bind {listen}\n",
            "timeout http-keep-alive 60s": f"timeout http-keep-alive {IDLE}",
        },
    )
    config = folder / "haproxy.cfg"
    config.write_text(text)
    return ["-db", "-f", str(config)]


def _caddy(folder: Path, listen: str, services: Sequence[str]) -> list[str]:
    # For an address with scheme and port Caddy gets no certificate.
    site = _replaced(
        DEPLOY / "Caddyfile",
        {
            SERVICE: " ".join(services),
            "ytdlpd.example.org {": f"http://{listen} {{",
            "keepalive 60s": f"keepalive {IDLE}",
        },
    )
    config = folder / "Caddyfile"
    config.write_text(_caddyfile(listen, site))
    return ["run", "--adapter", "caddyfile", "--config", str(config)]


def _caddyfile(listen: str, site: str) -> str:
    """It would listen on all addresses, and share the port with the Caddy of another process."""
    return f"{{\n\tadmin off\n\tdefault_bind {listen.partition(':')[0]}\n}}\n{site}"


_ARGUMENTS: dict[str, Callable[[Path, str, Sequence[str]], list[str]]] = {
    "nginx": _nginx,
    "haproxy": _haproxy,
    "caddy": _caddy,
}
PROGRAMS = tuple(_ARGUMENTS)


def program(name: str) -> str:
    """The path of the proxy `name`; where it is not installed the test is skipped."""
    # Debian has them in /usr/sbin, which is on root's path alone.
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed (Debian: {'nginx-light' if name == 'nginx' else name})")
    return path


@contextmanager
def reverse_proxy(
    name: str, services: Sequence[str], folder: Path, *, options: str = ""
) -> Iterator[ReverseProxy]:
    """The proxy `name` in front of `services` (host:port each); its files go to `folder`.

    Args:
        options: of HAProxy's, for each service.
    """
    make = partial(_haproxy, options=options) if options else _ARGUMENTS[name]
    listen = f"{own_address()}:{next(_ports)}"
    with _running(name, listen, make(folder, listen, services), folder) as proxy:
        yield proxy


_FLEET = {"haproxy": "haproxy.fleet.cfg", "nginx": "nginx.fleet.conf", "caddy": "Caddyfile.fleet"}


@contextmanager
def fleet_proxy(
    services: Sequence[str], folder: Path, listen: str | None = None, name: str = "haproxy"
) -> Iterator[ReverseProxy]:
    """The proxy `name` as its file in deploy/ for a fleet has it, in front of three `services`."""
    listen = listen or f"{own_address()}:{next(_ports)}"
    changes = {f"{one}:3000": service for one, service in zip(("one", "two", "three"), services, strict=True)}
    file = DEPLOY / _FLEET[name]
    config = folder / file.name
    if name == "nginx":
        changes |= {"listen 80;": f"listen {listen};", "ytdlpd.example.org": "_"}
        arguments = _nginx_of(folder, _replaced(file, changes))
    elif name == "caddy":
        changes |= {"ytdlpd.example.org {": f"http://{listen} {{"}
        config.write_text(_caddyfile(listen, _replaced(file, changes)))
        arguments = ["run", "--adapter", "caddyfile", "--config", str(config)]
    else:
        config.write_text(_replaced(file, {**changes, "bind :80\n": f"bind {listen}\n"}))
        arguments = ["-db", "-f", str(config)]
    with _running(name, listen, arguments, folder) as proxy:
        yield proxy


@contextmanager
def _running(name: str, listen: str, arguments: Sequence[str], folder: Path) -> Iterator[ReverseProxy]:
    command, proxy = [program(name), *arguments], ReverseProxy(name, f"http://{listen}")
    log = folder / f"{name}.log"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ) as process,
    ):

        def serves() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                return proxy.get("/health/live").status_code == 200
            except httpx.TransportError:
                return False

        try:
            eventually(serves)
            yield proxy
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()


def _replaced(file: Path, changes: dict[str, str]) -> str:
    text = file.read_text()
    for old, new in changes.items():
        assert text.count(old) == 1, f"{file.name} has {old!r} {text.count(old)} times"
        text = text.replace(old, new)
    return text


def own_address() -> str:
    """An address of this machine that no other process listens on: made of this one's number."""
    number = os.getpid() % (1 << 22)  # what Linux allows at most
    return f"127.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
