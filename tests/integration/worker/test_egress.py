"""The egress policy of a worker: the check of URLs and addresses (pure), and the hook in a real process
(contract)."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from publicsuffixlist import PublicSuffixList

from service.template_wire import WorkerSettings
from service.wire import MAX_HEAD, Permission, Success, Usage, encode_outcome
from service.worker.egress import _PRIVATE_SUFFIXES, Guard, is_public, literal, refusal, rules
from service.worker.job_record import (
    MAX_BYTES,
    MAX_ENDPOINTS,
    MAX_FOREIGN_REQUESTS,
    MAX_HOPS,
    MAX_REQUESTS,
    Blocked,
    JobRecord,
    OverBudget,
    Refused,
    retry_after,
)

LOOPBACK = """
    127.0.0.1 2130706433 0x7f000001 0x7f.1 0177.0.0.1 017700000001 127.1 127.0.1
"""
PRIVATE_V4 = """
    0.0.0.0 10.1.2.3 100.64.0.1 169.254.169.254 172.16.0.1 192.168.0.1 192.0.0.8 198.18.0.1 224.0.0.1
    240.0.0.1 255.255.255.255 192.0.2.1 192.88.99.1
"""
PRIVATE_V6 = """
    :: ::1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 fc00::1 fd00::1 fe80::1
    fec0::1 ff02::1 2001:db8::1 2002:7f00:1:: 2001::1 3fff::1 100::1
"""
PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


def test_private_ipv4_in_any_notation() -> None:
    for host in (LOOPBACK + PRIVATE_V4).split():
        for scheme in ("http", "https"):
            assert refusal(f"{scheme}://{host}/secret") is not None, host
            assert refusal(f"{scheme}://{host}:8080/secret") is not None, host


def test_private_ipv6() -> None:
    for host in PRIVATE_V6.split():
        assert refusal(f"http://[{host}]/secret") is not None, host


def test_public_addresses_pass() -> None:
    for host in PUBLIC:
        assert is_public(ipaddress.ip_address(host)), host
        assert refusal(f"https://[{host}]/" if ":" in host else f"https://{host}/") is None, host


def test_private_names() -> None:
    for host in (
        "localhost",
        "LOCALHOST",
        "localhost.",
        "x.localhost",
        "printer.local",
        "metadata.google.internal",
        "db.corp",
        "router.lan",
        "nas.home.arpa",
        "kubernetes",
        "kubernetes.default.svc",
        "vault.service.consul",
        "db.k8s",
        "gateway.docker",
        "１２７.０.０.１",  # noqa: RUF001
        "ⓛocalhost",
        "127。0。0。1",
        "1.2.3.4.5",
    ):
        assert refusal(f"http://{host}/") is not None, host


def test_a_url_that_is_no_web_address_is_refused() -> None:
    for url in (
        "file:///etc/passwd",
        "ftp://site.example/x",
        "data:text/plain,x",
        "ws://site.example/",
        "gopher://site.example/",
        "ytsearch1:anything",
        "dQw4w9WgXcQ",
        "//site.example/",
        "http://",
        "http:///path",
        "http://[::1",
        "http://site.example:99999/",
        "http://site.example\\@127.0.0.1/",
        "http://a@site.example@127.0.0.1/",
        "http://site.ex%61mple/",
        "http://[fe80::1%25eth0]/",
        "",
    ):
        assert refusal(url) is not None, url


def test_sites_pass() -> None:
    for url in (
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
        "HTTPS://SITE.EXAMPLE./",
        "http://user:pass@site.example:8080/?next=http://127.0.0.1/",
        "https://bücher.example/",
        "https://xn--bcher-kva.example/",
        "https://under_score.example/",
        "https://0x7f.example/",
    ):
        assert refusal(url) is None, url


@given(st.ip_addresses())
def test_an_address_is_judged_alike_however_it_is_written(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    host = f"[{address}]" if address.version == 6 else str(address)
    assert (refusal(f"http://{host}/") is None) == is_public(address)
    if isinstance(address, ipaddress.IPv4Address):
        for spelling in (str(int(address)), hex(int(address)), f"0{int(address):o}"):
            assert literal(spelling) == address
        assert is_public(ipaddress.IPv6Address(f"::ffff:{address}")) == is_public(address)
    if is_public(address):
        assert not any((address.is_loopback, address.is_link_local, address.is_multicast))


def test_the_operators_exceptions() -> None:
    allow = rules(("10.0.0.0/8", "127.0.0.1:8080", "[::1]:80", "media.lan", "files.lan:8443", "fd00::/8"))
    for url in (
        "http://10.9.8.7:1234/",
        "http://0x7f000001:8080/",
        "http://[::1]/",
        "https://media.lan/",
        "https://MEDIA.lan.:444/",
        "https://files.lan:8443/",
        "http://[fd12::1]/",
    ):
        assert refusal(url, allow) is None, url
    for url in (
        "http://127.0.0.1/",
        "http://[::1]:81/",
        "https://files.lan/",
        "https://x.media.lan/",
        "file:///x",
    ):
        assert refusal(url, allow) is not None, url


@pytest.mark.parametrize(
    "entry",
    [
        *("", "host:port", "http://x/", "10.0.0.0/99", "a@b:80", "*", "*.lan", "-", "-a.lan", "a..b", "a;b"),
        *("media.lan:0", "media.lan:", "media.lan:65536", "media.lan?x", "10.1.2.3/8", "::1:8080", "[::1"),
        *("[media.lan]", "1.2.3.4.5", "10.0.0.0/8:80", "a b", "[]:80"),
    ],
)
def test_an_exception_that_is_none(entry: str) -> None:
    with pytest.raises(ValueError, match="EGRESS_ALLOW"):
        rules((entry,))


@pytest.mark.parametrize(
    "entry",
    [
        *(
            "::1",
            "fd00::/8",
            "[fd00::1]",
            "[fd00::1]:8080",
            "2001:db8::1:5/128",
            "0:0:0:0:0:0:0:1",
            "10.1.2.3",
        ),
        *("10.0.0.0/8", "media.lan", "MEDIA.lan.:80", "router", "bücher.lan", "under_score.lan:8080"),
    ],
)
def test_an_exception_that_is_one(entry: str) -> None:
    assert len(rules((entry,))) == 1


def test_no_private_suffix_is_a_public_one() -> None:
    known = PublicSuffixList(accept_unknown=False, only_icann=True)
    assert [suffix for suffix in _PRIVATE_SUFFIXES - {"arpa", "onion"} if known.publicsuffix(suffix)] == []


def test_addresses_without_a_proxy() -> None:
    guard = Guard(WorkerSettings(egress_allow=("127.0.0.1:8080",)))
    guard.check_address(("93.184.216.34", 443))
    guard.check_address(("2606:4700::1111", 443, 0, 0))
    guard.check_address(("127.0.0.1", 8080))
    assert guard.job_record.denied is None
    for address in (
        ("127.0.0.1", 80),
        ("169.254.169.254", 80),
        ("localhost", 8080),
        "/run/docker.sock",
        (0, 0),
    ):
        with pytest.raises(Blocked):
            guard.check_address(address)
    assert guard.job_record.denied == "an address inside a private network", "the first denial is what counts"


def test_a_name_that_the_operator_allows_vouches_for_its_addresses() -> None:
    guard = Guard(WorkerSettings(egress_allow=("localhost:8080",)))
    with pytest.raises(Blocked):
        guard.check_address(("127.0.0.1", 8080))
    guard.check_url("http://localhost:8080/")
    guard.check_address(("127.0.0.1", 8080))


def test_with_a_proxy_only_the_proxy_may_be_connected_to() -> None:
    guard = Guard(WorkerSettings(proxy="http://user:pass@localhost:3128", egress_allow=("10.0.0.0/8",)))
    guard.check_address(("127.0.0.1", 3128))
    for address in (("127.0.0.1", 3129), ("93.184.216.34", 443), ("10.0.0.1", 80)):
        with pytest.raises(Blocked):
            guard.check_address(address)


_HOOKED = """
import json, os, socket, subprocess, sys, urllib.request
from service.template_wire import WorkerSettings
from service.worker.egress import Guard
from service.worker.job_record import Blocked
guard = Guard(WorkerSettings(), programs=["/bin/true"])
listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
guard.install()
def tcp(): socket.create_connection(("127.0.0.1", port), 1)
def mapped(): socket.socket(socket.AF_INET6).connect(("::ffff:127.0.0.1", port))
def unix(): socket.socket(socket.AF_UNIX).connect("/run/docker.sock")
def udp(): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 53))
def udp_message(): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendmsg([b"x"], [], 0, ("10.0.0.1", 53))
def udp_to_anyone(): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("93.184.216.34", 443))
def udp_connected(): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("93.184.216.34", 443))
def nonblocking(): socket.socket().connect_ex(("169.254.169.254", 80))
def library(): urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://localhost:{port}/")
def spawn(): subprocess.run(["/bin/sh", "-c", "true"])
def shell(): os.system("true")
def fork(): os.fork()
def become(): os.execv("/bin/sh", ["sh"])
def posix(): os.posix_spawn("/bin/sh", ["sh"], {})
answers = {}
for attack in (
    tcp, mapped, unix, udp, udp_message, udp_to_anyone, udp_connected, nonblocking, library,
    spawn, shell, fork, become, posix,
):
    guard.job_record.denied = None
    try:
        attack()
        answers[attack.__name__] = "done"
    except Blocked as blocked:
        answers[attack.__name__] = "blocked" if guard.job_record.denied == str(blocked) else "not noted"
answers["allowed"] = subprocess.run(["/bin/true"]).returncode
listener.setblocking(False)
try:
    listener.accept()
    answers["reached"] = True
except BlockingIOError:
    answers["reached"] = False
print(json.dumps(answers))
"""


def test_the_hook_denies_access_that_bypasses_the_transport() -> None:
    done = subprocess.run([sys.executable, "-c", _HOOKED], capture_output=True, timeout=60, check=True)
    answers = json.loads(done.stdout)
    assert answers.pop("allowed") == 0
    assert answers.pop("reached") is False
    assert len(answers) == 14
    assert set(answers.values()) == {"blocked"}, answers


def test_a_job_has_budgets() -> None:
    job_record = JobRecord("example.com")
    for _ in range(MAX_REQUESTS):
        job_record.asking("https://example.com/")
    with pytest.raises(OverBudget):
        job_record.asking("https://example.com/")
    assert job_record.spent is not None
    job_record = JobRecord()
    assert job_record.read(b"x" * MAX_BYTES)
    with pytest.raises(OverBudget):
        job_record.read(b"x")
    for _ in range(MAX_HOPS):
        job_record.following()
    with pytest.raises(OverBudget):
        job_record.following()


def test_another_site_is_asked_little_and_no_more_once_it_says_stop() -> None:
    job_record, sent = JobRecord("page.example"), 0
    for number in range(400):
        with contextlib.suppress(Refused):
            job_record.asking(f"https://victim.example/{number}.m3u8")
            sent += 1
    assert sent == MAX_FOREIGN_REQUESTS
    with pytest.raises(Refused):
        job_record.asking("https://another.victim.example:8443/")
    job_record.asking("https://page.example/")
    job_record.asking("https://other.example/")
    job_record.answered(429, {"retry-after": "3600"})
    with pytest.raises(Refused):
        job_record.asking("https://other.example/")


def test_the_server_hears_of_each_move_to_another_endpoint() -> None:
    heard: list[str] = []

    def may_visit(endpoint: str) -> Permission:
        heard.append(endpoint)
        return Permission()

    job_record = JobRecord("page.example", may_visit)
    for host in ("page", "page", "other", "other", "page"):
        job_record.asking(f"https://{host}.example/")
    assert heard == ["other.example", "page.example"]


def test_the_server_hears_of_a_first_request_elsewhere() -> None:
    heard: list[str] = []

    def may_visit(endpoint: str) -> Permission:
        heard.append(endpoint)
        return Permission()

    JobRecord("page.example", may_visit).asking("https://other.example/")
    assert heard == ["other.example"]


def test_a_site_of_many_hosts_is_one_site() -> None:
    job_record, sent = JobRecord("page.example"), 0
    for number in range(200):
        with contextlib.suppress(Refused):
            job_record.asking(f"https://h{number}.victim.example/{number}.m3u8")
            sent += 1
    assert sent == MAX_FOREIGN_REQUESTS


def test_the_hosts_of_a_job_fit_into_its_outcome() -> None:
    job_record = JobRecord("page.example")
    for number in range(MAX_REQUESTS):
        with contextlib.suppress(Refused):
            job_record.asking(f"https://{number}.{'a' * 63}.{'b' * 63}.{'c' * 63}.page.example:8443/")
    assert len(job_record.elsewhere()) == MAX_ENDPOINTS
    frame, _ = encode_outcome(Success(b"", "", Usage(elsewhere=job_record.elsewhere())))
    assert len(frame) < MAX_HEAD


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 120 ", 120.0),
        ("0", 0.0),
        ("99999999999999999999", 86_400.0),
        ("Mon, 23 Nov 2026 12:01:00 GMT", 60.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("Wed, 01 Jan 2031 00:00:00 GMT", 86_400.0),
        ("soon", None),
        ("Mon, 23 Nov 2026 12:01:00 +99999999999999999", None),
        ("-1", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, datetime(2026, 11, 23, 12, tzinfo=UTC)) == seconds


def test_what_responses_say_is_noted() -> None:
    job_record = JobRecord()
    job_record.answered(200, {"retry-after": "9"})
    assert job_record.statuses == [200]
    job_record.answered(429, {"retry-after": "5"})
    job_record.answered(503, {"retry-after": "3"})
    job_record.answered(403, {"cf-mitigated": "challenge"})
    assert job_record.statuses == [200, 429, 503, 403]
    assert job_record.endpoints[""].retry_after == 5.0
    assert job_record.challenged
