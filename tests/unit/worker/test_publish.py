"""Pure: the published fields of subtitles in fragments, as yt-dlp makes them from a manifest."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

from yt_dlp import YoutubeDL
from yt_dlp.extractor.common import InfoExtractor

from service.worker.publish import publish

SITE = "https://cdn.example/"
MANIFEST = """<MPD type="static" mediaPresentationDuration="PT12S"><Period>
<AdaptationSet mimeType="application/mp4" lang="de">
<SegmentTemplate timescale="1" duration="6" startNumber="1" initialization="$RepresentationID$-init.mp4"
media="$RepresentationID$-$Number$.m4s"/><Representation id="t" bandwidth="1000" codecs="stpp"/>
</AdaptationSet></Period></MPD>"""


def test_a_track_in_fragments_keeps_what_is_needed_to_fetch_it() -> None:
    with YoutubeDL({"quiet": True, "cachedir": False}, auto_init="no_verbose_header") as downloader:
        _, subtitles = InfoExtractor(downloader)._parse_mpd_formats_and_subtitles(
            fromstring(MANIFEST), "dash", SITE, f"{SITE}manifest.mpd"
        )
    (track,) = publish({"subtitles": subtitles})["subtitles"]["de"]
    assert track["protocol"] == "http_dash_segments"
    assert track["manifest_url"] == track["url"] == f"{SITE}manifest.mpd"
    assert track["fragment_base_url"] == SITE
    paths = [fragment.get("url") or fragment["path"] for fragment in track["fragments"]]
    assert [path.rpartition("/")[2] for path in paths] == ["t-init.mp4", "t-1.m4s", "t-2.m4s"]


def test_a_track_has_no_more_than_that() -> None:
    track = {"url": f"{SITE}t.vtt", "ext": "vtt", "filesize": 100, "http_headers": {"Cookie": "a=1"}}
    fragments = [{"url": "https://user:secret@cdn.example/1", "cookies": "a=1", "duration": 6.0}]
    published = publish({"requested_subtitles": {"de": {**track, "fragments": fragments}}})
    assert published["requested_subtitles"]["de"] == {
        "ext": "vtt",
        "url": f"{SITE}t.vtt",
        "filesize": 100,
        "fragments": [{"url": "https://cdn.example/1", "duration": 6.0}],
    }
