"""Files that are media and files that are not, and transcripts (contract: a real worker and yt-dlp)."""

from __future__ import annotations

import json

import pytest

from service.codes import Code
from service.wire import Failure, Job, Kind, Outcome, Success
from tests.internet.media import MP4_SIZE
from tests.support.lone_worker import LoneWorker

SITE = "https://files.example"
VIDEO = "https://www.youtube.com/watch?v=dQw4w9WgXcQ"


def succeeded(outcome: Outcome) -> Success:
    assert isinstance(outcome, Success), outcome
    return outcome


def refused(outcome: Outcome) -> Failure:
    assert isinstance(outcome, Failure), outcome
    return outcome


@pytest.mark.parametrize(
    ("path", "ext", "length"),
    [
        ("attachment", "mp4", MP4_SIZE),
        ("typed", "mp4", MP4_SIZE),
        ("octets", "mp4", MP4_SIZE),
        ("song", "mp3", 2004),
        ("named", "mkv", 2000),
    ],
)
def test_media_by_what_it_is(worker: LoneWorker, path: str, ext: str, length: int) -> None:
    info = json.loads(succeeded(worker.run(Job(Kind.EXTRACT, f"{SITE}/{path}"))).body)
    assert (info["direct"], info["ext"]) == (True, ext)
    size = json.loads(succeeded(worker.run(Job(Kind.SIZE, f"{SITE}/{path}"))).body)
    assert (size["best"]["bytes"], size["best"]["accuracy"]) == (length, "exact")


@pytest.mark.parametrize("path", ["data.json", "said.srt", "said.vtt", "picture.png", "archive", "text"])
@pytest.mark.parametrize("kind", [Kind.EXTRACT, Kind.SIZE])
def test_what_is_no_media(worker: LoneWorker, path: str, kind: Kind) -> None:
    assert refused(worker.run(Job(kind, f"{SITE}/{path}"))).code is Code.NO_MEDIA


def transcript(worker: LoneWorker, url: str, form: str, language: str = "") -> str:
    job = Job(Kind.SUBTITLES, url, format=form, language=language)
    return succeeded(worker.run(job)).body.decode()


def test_a_transcript_in_each_form(worker: LoneWorker) -> None:
    url = f"{SITE}/subtitled"
    assert transcript(worker, url, "txt") == "Guten & schönen\nTag\n"
    assert json.loads(transcript(worker, url, "json")) == [
        {"start": 1.0, "end": 3.0, "text": "Guten & schönen"},
        {"start": 3.5, "end": 5.0, "text": "Tag"},
    ]
    srt = transcript(worker, url, "srt")
    assert srt.startswith("1\n00:00:01,000 --> 00:00:03,000\nGuten & schönen\n\n2\n")
    vtt = transcript(worker, url, "vtt")
    assert vtt.startswith("WEBVTT\n\n1\n00:00:01.000 --> 00:00:03.000\nGuten")


def test_the_language_of_a_transcript(worker: LoneWorker) -> None:
    assert transcript(worker, VIDEO, "txt").startswith("Hello in en")
    assert transcript(worker, VIDEO, "txt", "de") == "Hello in de\nand welcome\n"
    missing = refused(worker.run(Job(Kind.SUBTITLES, f"{SITE}/subtitled", format="txt", language="xx")))
    assert missing.code is Code.NO_SUBTITLES
    assert "'xx'; there are de" in missing.message


@pytest.mark.parametrize(("path", "code"), [("html5", Code.NO_SUBTITLES), ("feed.xml", Code.IS_A_LIST)])
def test_where_nothing_is_said(worker: LoneWorker, path: str, code: Code) -> None:
    assert refused(worker.run(Job(Kind.SUBTITLES, f"{SITE}/{path}", format="txt"))).code is code
