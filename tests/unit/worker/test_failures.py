"""Pure: the codes and sentences of yt-dlp's exceptions, built as yt-dlp builds them."""

from __future__ import annotations

import http.client
import http.cookiejar
import io
import socket
import ssl
from typing import Any, NoReturn

import pytest
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from yt_dlp import YoutubeDL
from yt_dlp.networking import Response
from yt_dlp.networking.exceptions import (
    HTTPError,
    IncompleteRead,
    NoSupportingHandlers,
    ProxyError,
    RequestError,
    SSLError,
    TransportError,
    UnsupportedRequest,
)
from yt_dlp.utils import DownloadError, ExtractorError, GeoRestrictedError, UnsupportedError, UserNotLive

from service.codes import Code
from service.wire import Permission, Visit
from service.worker.failures import classify, sentence
from service.worker.job_record import JobRecord, Refused

FORBIDDEN_IN_MESSAGES = ("http", "://", "/root", "--", "user:pass", "Traceback", "\n", "Error(")


def http_error(status: int) -> HTTPError:
    return HTTPError(Response(io.BytesIO(), "https://user:pass@site.example/x", {}, status=status))


def as_ytdlp_raises(error: Exception) -> BaseException:
    """`error` as it leaves YoutubeDL.extract_info: the outer DownloadError keeps only part of the story."""

    def fail() -> NoReturn:
        try:
            raise error
        except ExtractorError as caught:
            ydl.report_error(str(caught))
        raise AssertionError

    class Silence:
        def error(self, message: str) -> None: ...

        debug = warning = error

    with YoutubeDL({"quiet": True, "logger": Silence()}, auto_init=False) as ydl:
        try:
            fail()
        except DownloadError as caught:
            outer: BaseException = caught
            return outer
    raise AssertionError


def wrapped(cause: Exception, **given: Any) -> BaseException:
    """A failed download of a page, as InfoExtractor._request_webpage reports it."""
    try:
        try:
            raise cause
        except Exception as caught:
            raise ExtractorError(
                f"Unable to download webpage: {caught}", cause=caught, video_id="x", ie="generic", **given
            ) from None
    except ExtractorError as error:
        return as_ytdlp_raises(error)


def stated(text: str) -> BaseException:
    """An extractor's statement about a video."""
    return as_ytdlp_raises(ExtractorError(text, expected=True, video_id="x", ie="youtube"))


def code_of(error: BaseException, job_record: JobRecord | None = None) -> Code:
    call_result = classify(error, job_record or JobRecord())
    for text in FORBIDDEN_IN_MESSAGES:
        assert text not in call_result.message
    return call_result.code


def test_statuses() -> None:
    for status, code in (
        (400, Code.EXTRACTOR_BROKEN),
        (401, Code.LOGIN_REQUIRED),
        (402, Code.PAID),
        (403, Code.FORBIDDEN),
        (404, Code.NOT_FOUND),
        (407, Code.UPSTREAM_ERROR),
        (408, Code.UPSTREAM_TIMEOUT),
        (410, Code.REMOVED),
        (412, Code.BOT_CHECK),
        (414, Code.INVALID_URL),
        (418, Code.BOT_CHECK),
        (420, Code.RATE_LIMITED),
        (422, Code.EXTRACTOR_BROKEN),
        (429, Code.RATE_LIMITED),
        (430, Code.RATE_LIMITED),
        (451, Code.GEO_RESTRICTED),
        (500, Code.UPSTREAM_ERROR),
        (502, Code.UPSTREAM_ERROR),
        (503, Code.UPSTREAM_ERROR),
        (504, Code.UPSTREAM_TIMEOUT),
        (302, Code.UPSTREAM_ERROR),
        *((status, Code.UPSTREAM_ERROR) for status in (405, 406, 409, 423, 425, 444, 499)),
    ):
        assert code_of(wrapped(http_error(status))) is code, status
        assert code_of(http_error(status)) is code, status


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


NETWORK: list[tuple[Exception, Code]] = [
    (TransportError(cause=_caused(OSError("x"), socket.gaierror(-2, "Name or service not known"))), Code.DNS),
    (TransportError(cause=TimeoutError("timed out")), Code.UPSTREAM_TIMEOUT),
    (TransportError(cause=ConnectionResetError(104, "reset")), Code.UPSTREAM_NETWORK),
    (SSLError(cause=ssl.SSLError("handshake")), Code.UPSTREAM_NETWORK),
    (IncompleteRead(5, 10), Code.UPSTREAM_NETWORK),
    (ProxyError(cause=NewConnectionError(None, "refused")), Code.PROXY),  # type: ignore[arg-type]
    (ProxyError(cause=ConnectTimeoutError("slow")), Code.PROXY),
    (ProxyError(cause=http.client.RemoteDisconnected("site's reset")), Code.UPSTREAM_NETWORK),
    (ProxyError("Tunnel connection failed: 407 Proxy Authentication Required"), Code.PROXY),
    (ProxyError("Tunnel connection failed: 403 Forbidden"), Code.BLOCKED_TARGET),
    (ProxyError("Tunnel connection failed: 400 Bad Request"), Code.BLOCKED_TARGET),
    (ProxyError("Tunnel connection failed: 429 Too Many Requests"), Code.PROXY),
    (ProxyError("Tunnel connection failed: 500 Internal Server Error"), Code.UPSTREAM_NETWORK),
    (ProxyError("Tunnel connection failed: 502 Bad Gateway"), Code.UPSTREAM_NETWORK),
    (ProxyError("Tunnel connection failed: 504 Gateway Timeout"), Code.UPSTREAM_TIMEOUT),
    (UnsupportedRequest("Unsupported url scheme"), Code.INVALID_URL),
    (NoSupportingHandlers([], []), Code.INVALID_URL),
    (RequestError(cause=http.client.InvalidURL("bad port")), Code.INVALID_URL),
]


def test_network_errors() -> None:
    for error, code in NETWORK:
        assert code_of(error) is code, error
        assert code_of(wrapped(error)) is code, error


def test_what_a_site_states() -> None:
    for text, code in (
        ("Private video. Sign in if you've been granted access to this video", Code.PRIVATE),
        ("This video is private", Code.PRIVATE),
        ("Video unavailable. This video has been removed by the uploader", Code.REMOVED),
        (
            "Video unavailable. This video is no longer available because the account was terminated",
            Code.REMOVED,
        ),
        ("Video unavailable", Code.NOT_FOUND),
        ("The channel/playlist does not exist", Code.NOT_FOUND),
        ("Sign in to confirm your age. This video may be inappropriate for some users.", Code.AGE_RESTRICTED),
        ("Sign in to confirm you\u2019re not a bot. Use --cookies for the authentication", Code.BOT_CHECK),
        (
            "This content isn't available, try again later. Your account has been rate-limited",
            Code.RATE_LIMITED,
        ),
        ("This video is only available for registered users. Use --cookies", Code.LOGIN_REQUIRED),
        ("Join this channel to get access to members-only content", Code.PAID),
        ("This video requires payment to watch", Code.PAID),
        ("This video is DRM protected", Code.DRM),
        ("The uploader has not made this video available in your country", Code.GEO_RESTRICTED),
        ("Premieres in 3 hours", Code.UPCOMING),
        ("This live event will begin in 2 days.", Code.UPCOMING),
        ("The channel is not currently live", Code.NOT_LIVE),
        ("Requested format is not available. Use --list-formats for a list", Code.NO_MEDIA),
        ("The site mumbles", Code.NO_MEDIA),
    ):
        assert code_of(stated(text)) is code, text


def test_typed_exceptions() -> None:
    assert code_of(as_ytdlp_raises(GeoRestrictedError("No.", countries=["DE"]))) is Code.GEO_RESTRICTED
    assert code_of(as_ytdlp_raises(UserNotLive())) is Code.NOT_LIVE
    assert code_of(as_ytdlp_raises(UnsupportedError("https://site.example/x"))) is Code.UNSUPPORTED_URL
    assert code_of(RecursionError()) is Code.UNSUPPORTED_URL
    assert code_of(NoSupportingHandlers([], [RecursionError()])) is Code.UNSUPPORTED_URL
    assert code_of(MemoryError()) is Code.BUDGET_EXCEEDED
    assert code_of(http.cookiejar.LoadError("x")) is Code.INVALID_REQUEST


def test_only_404_says_that_the_site_does_not_know_the_video() -> None:
    for status in range(400, 600):
        assert (code_of(wrapped(http_error(status))) is Code.NOT_FOUND) is (status == 404), status


def test_a_page_without_formats() -> None:
    error = as_ytdlp_raises(ExtractorError("No video formats found!", video_id="x", ie="Bandcamp"))
    assert code_of(error) is Code.NO_MEDIA
    assert code_of(error, JobRecord(statuses=[200, 404])) is Code.NO_MEDIA
    assert code_of(error, JobRecord(statuses=[200, 412])) is Code.BOT_CHECK
    assert code_of(error, JobRecord(statuses=[200, 503])) is Code.UPSTREAM_ERROR


def test_a_bug_in_an_extractor() -> None:
    assert code_of(as_ytdlp_raises(ExtractorError("Unable to extract title"))) is Code.EXTRACTOR_BROKEN
    assert code_of(as_ytdlp_raises(ExtractorError("x", cause=KeyError("y")))) is Code.EXTRACTOR_BROKEN
    assert code_of(TypeError("yt-dlp's own")) is Code.EXTRACTOR_BROKEN


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ([429, 429, 200], Code.RATE_LIMITED),
        ([200, 403], Code.FORBIDDEN),
        ([200, 503], Code.UPSTREAM_ERROR),
        ([403, 200], Code.EXTRACTOR_BROKEN),
        ([200, 404], Code.EXTRACTOR_BROKEN),
    ],
)
def test_hidden_statuses_decide_where_yt_dlp_only_gave_up(statuses: list[int], code: Code) -> None:
    gave_up = as_ytdlp_raises(ExtractorError("Failed to extract any player response"))
    assert code_of(gave_up, JobRecord(statuses=statuses)) is code


def test_a_statement_outweighs_hidden_statuses() -> None:
    assert code_of(stated("Private video"), JobRecord(statuses=[429, 200])) is Code.PRIVATE


def test_a_challenge_is_a_bot_check_whatever_its_status() -> None:
    assert code_of(wrapped(http_error(403)), JobRecord(statuses=[403], challenged=True)) is Code.BOT_CHECK
    assert (
        code_of(wrapped(http_error(404)), JobRecord(statuses=[403, 404], challenged=True)) is Code.NOT_FOUND
    )


@pytest.mark.parametrize("error", [stated("Private video"), wrapped(http_error(404)), TypeError()])
def test_a_denial_outweighs_everything(error: BaseException) -> None:
    assert code_of(error, JobRecord(denied="an address inside a private network")) is Code.BLOCKED_TARGET
    assert code_of(error, JobRecord(spent="250 requests")) is Code.BUDGET_EXCEEDED


def test_how_long_to_wait() -> None:
    job_record = JobRecord("site.example")
    job_record.asking("https://site.example/")
    job_record.answered(429, {"retry-after": "7"})
    assert classify(wrapped(http_error(429)), job_record).retry_after == 7.0
    assert classify(stated("Private video"), job_record).retry_after is None


def test_the_endpoint_that_answered_is_the_culprit() -> None:
    job_record = JobRecord("site.example")
    job_record.asking("https://site.example/")
    job_record.answered(302, {})
    job_record.asking("https://evil.example/")
    job_record.answered(429, {"retry-after": "7"})
    found = classify(TypeError(), job_record)
    assert (found.culprit, found.retry_after) == ("evil.example", 7.0)
    assert job_record.elsewhere() == (Visit("evil.example", limited=True, retry_after=7.0),)
    assert job_record.site_requests == 1


def test_a_refusal_says_what_the_server_said() -> None:
    job_record = JobRecord("site.example", lambda endpoint: Permission(Code.CIRCUIT_OPEN, "not now", 9.0))
    with pytest.raises(Refused) as info:
        job_record.asking("https://closed.example/")
    found = classify(wrapped(TransportError(cause=info.value)), job_record)
    assert (found.code, found.message, found.retry_after) == (Code.CIRCUIT_OPEN, "not now", 9.0)
    assert found.culprit == "closed.example"
    assert classify(TypeError(), job_record).code is Code.CIRCUIT_OPEN, "also where yt-dlp swallowed it"
    assert job_record.elsewhere() == ()


def test_the_sites_words_are_passed_on_clean_and_short() -> None:
    said = 'Private video: "secret" at https://user:pass@site.example/x in /root/.cache/x\nUse --cookies'
    message = classify(stated(said), JobRecord()).message
    assert message == "the video is private (the site says: \"Private video: 'secret' at … in …\")"
    endless = classify(stated("This video is private " + "x" * 5000), JobRecord()).message
    assert len(endless) < 300
    assert classify(stated("private\x1b[31m\u202e\0"), JobRecord()).message.isprintable()


@pytest.mark.parametrize(
    ("said", "quoted"),
    [
        ("Password protected video, use --video-password <password>", "Password protected video"),
        ("Private; pass -u and -p", "Private"),
        ("Private. If using --cookies, export them first. Ask its owner", "Private. Ask its owner"),
        ("This is private \u2013 sign-in needed", "This is private \u2013 sign-in needed"),
    ],
)
def test_a_quoted_reason_gives_no_advice_that_only_a_command_line_can_follow(said: str, quoted: str) -> None:
    assert classify(stated(said), JobRecord()).message == f'the video is private (the site says: "{quoted}")'


def test_a_reason_that_is_all_advice_is_not_quoted() -> None:
    for said in ("use --cookies", "Please sign in with --cookies", "Use --cookies. \u2026"):
        assert "the site says" not in classify(stated(said), JobRecord()).message


def test_a_page_that_only_browsers_get_is_no_defect_of_the_extractor() -> None:
    assert code_of(ExtractorError("Unable to extract video")) is Code.EXTRACTOR_BROKEN
    went_without = JobRecord(unimpersonated=True)
    assert code_of(ExtractorError("Unable to extract video"), went_without) is Code.IMPERSONATION_NEEDED
    assert code_of(http_error(404), went_without) is Code.NOT_FOUND


def test_every_code_has_a_sentence() -> None:
    for code in Code:
        assert 10 < len(sentence(code)) < 120


def test_a_chain_that_bites_its_tail_ends() -> None:
    first, second = ExtractorError("a"), ExtractorError("b")
    first.__context__, second.__context__ = second, first
    first.cause = second
    assert code_of(first) is Code.EXTRACTOR_BROKEN
