"""Tells a dead egress proxy from a dead site: after a failure it is asked for a host that cannot exist.

A proxy that lives says no at once. The failure alone does not tell: a proxy that hangs or resets looks like a
site that does.
"""

from __future__ import annotations

import base64
import re
import socket
import ssl
from urllib.parse import unquote, urlsplit

from yt_dlp.networking._helper import make_socks_proxy_opts
from yt_dlp.socks import ProxyError, sockssocket

_NOWHERE = "nowhere.invalid"  # RFC 6761, 6.4: no resolver knows it
_PATIENCE = 3.0  # seconds for each step
_MAX_HEAD = 16 * 1024

# Statuses by which a proxy refuses every tunnel: it wants credentials, payment or less traffic, or is none.
REFUSES = frozenset((*range(300, 400), 401, 402, 404, 405, 407, 429, 501, 511))


def lives(proxy: str, tls: ssl.SSLContext) -> bool:
    """Whether `proxy` does a proxy's work at the moment, whatever it says of the site.

    Args:
        tls: the context for a proxy that is reached by https.
    """
    try:
        if urlsplit(proxy).scheme.startswith("socks"):
            return _socks_lives(proxy)
        return _http_lives(proxy, tls)
    except (OSError, EOFError, ProxyError):
        return False


def _socks_lives(proxy: str) -> bool:
    options = make_socks_proxy_opts(proxy)
    address = (options["addr"], options["port"])
    with socket.create_connection(address, _PATIENCE) as plain:
        family = plain.family
    with sockssocket(family, socket.SOCK_STREAM) as greeting:
        greeting.settimeout(_PATIENCE)
        greeting.setproxy(**options)
        socket.socket.connect(greeting, address)
        greeting._socks5_auth()  # its refusal is like a refusal of the host, so it is tried alone
    with sockssocket(family, socket.SOCK_STREAM) as tunnel:
        tunnel.settimeout(_PATIENCE)
        tunnel.setproxy(**{**options, "rdns": True})
        try:
            tunnel.connect((_NOWHERE, 443))
        except ProxyError as refused:
            return bool(refused.errno != 0)  # zero: what it says is not SOCKS
    return True


def _http_lives(proxy: str, tls: ssl.SSLContext) -> bool:
    parts = urlsplit(proxy)
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    with socket.create_connection((host, parts.port or (443 if secure else 80)), _PATIENCE) as plain:
        if not secure:
            return _tunnels(plain, proxy)
        with tls.wrap_socket(plain, server_hostname=host) as wrapped:
            return _tunnels(wrapped, proxy)


def _tunnels(sock: socket.socket, proxy: str) -> bool:
    parts = urlsplit(proxy)
    lines = [f"CONNECT {_NOWHERE}:443 HTTP/1.1", f"Host: {_NOWHERE}:443"]
    if parts.username is not None:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(credentials).decode()}")
    sock.sendall("\r\n".join((*lines, "", "")).encode())
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _MAX_HEAD:
        if not (piece := sock.recv(4096)):
            break
        head += piece
    status = re.match(rb"HTTP/1\.\d (\d{3})", head)
    if status is None or int(status[1]) in REFUSES:
        return False
    # RFC 9110, 9.3.6: a tunnel has no body. A web server or a captive portal answers with a page.
    page = re.search(rb"\r\n(?:content-type|content-length: *[1-9])", head.partition(b"\r\n\r\n")[0], re.I)
    return not (200 <= int(status[1]) < 300 and page)
