"""Pure: the codes of sites' texts, over a table of classified texts, raised as yt-dlp raises them."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import Any

import pytest
from yt_dlp import YoutubeDL
from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.utils import ExtractorError, UserNotLive

from service.codes import Code
from service.worker.failures import classify
from service.worker.job_record import JobRecord

from ...support.raise_sites import Saying, corpus, raised_in
from .test_failures import as_ytdlp_raises, http_error

# Command-line options, which no client can use. "--" alone may be a dash.
_OPTION = re.compile(
    r"--\w|(?<![\w-])-[a-z]\b|\buse --|extractor.args?|cookies.from.browser|netrc|\byt-dlp\b|https?:", re.I
)


@cache
def extractor() -> Any:
    return InfoExtractor(YoutubeDL({"quiet": True}, auto_init=False))


def speak(how: str, text: str) -> None:
    """Raise `text` by the call that the corpus names."""
    match how:
        case "expected":
            raise ExtractorError(text, expected=True, video_id="x", ie="Site")
        case "defect":
            raise ExtractorError(text, video_id="x", ie="Site")
        case "login required":
            extractor().raise_login_required(text)
        case "geo restricted":
            extractor().raise_geo_restricted(text)
        case "not live":
            raise UserNotLive(text)
        case "no formats":
            extractor().raise_no_formats(text)
        case "no formats, expected":
            extractor().raise_no_formats(text, expected=True)
    raise AssertionError(how)


def error_of(saying: Saying) -> BaseException:
    """The exception that the worker gets, raised in the handler of a failed request where it says so."""
    how, _, status = saying.raised.partition(", after ")
    try:
        if not status:
            speak(how, saying.text)
        try:
            failed = http_error(int(status))
            raise ExtractorError("Unable to download JSON metadata", cause=failed) from failed
        except ExtractorError:
            speak(how, saying.text)
    except ExtractorError as error:
        return as_ytdlp_raises(error)
    raise AssertionError


@pytest.mark.parametrize("saying", [pytest.param(it, id=f"{it.where}: {it.text[:60]}") for it in corpus()])
def test_a_text_has_the_code_that_the_site_means(saying: Saying) -> None:
    call_result = classify(error_of(saying), JobRecord())
    assert call_result.code is Code(saying.code)
    _, _, quoted = call_result.message.partition(" (the site says: ")
    assert not _OPTION.search(quoted), quoted
    assert call_result.message.isprintable()


def test_the_corpus_is_a_table() -> None:
    sayings = corpus()
    assert len(sayings) >= 300
    twice = Counter((it.where, it.raised, it.text) for it in sayings)
    assert max(twice.values()) == 1, twice.most_common(3)


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ("raise ExtractorError('Gone', expected=True)", ["Gone"]),
        ("raise ExtractorError(f'{self.IE_NAME} said: {error}')", ["… said: …"]),
        ("raise ExtractorError('Error %s in %(where)s' % error)", ["Error … in …"]),
        ("raise ExtractorError('No {} here'.format(kind))", ["No … here"]),
        ("raise ExtractorError('It says ' + text)", ["It says …"]),
        ("self.raise_no_formats('Later' if live else 'Never')", ["Later", "Never"]),
        ("self.raise_login_required(msg=message or 'Log in')", ["Log in"]),
        ("def f():\n msg = 'Not here'\n raise GeoRestrictedError(msg)", ["Not here"]),
        ("raise ExtractorError(message)", []),
        ("raise ExtractorError('%s: %s' % (code, text))", []),
        ("raise ValueError('Gone')", []),
    ],
)
def test_the_texts_of_raise_sites_are_found(source: str, texts: list[str]) -> None:
    assert [*raised_in(source)] == texts
