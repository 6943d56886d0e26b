"""Sizes per resolution out of yt-dlp's metadata. Pure."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.formats import AV1, resolution
from service.sizes import KEYS, Accuracy, human_bytes, human_duration, report, subject, unmeasured


def video(itag: str, height: int, **given: Any) -> dict[str, Any]:
    return {"format_id": itag, "height": height, "vcodec": "av01", "acodec": "none", **given}


def audio(itag: str, **given: Any) -> dict[str, Any]:
    return {"format_id": itag, "vcodec": "none", "acodec": "opus", **given}


def youtube(*formats: dict[str, Any], **given: Any) -> dict[str, Any]:
    return {
        "id": "x",
        "title": "A title",
        "extractor_key": "Youtube",
        "duration": 212,
        "formats": [*formats],
        **given,
    }


def page(*formats: dict[str, Any], **given: Any) -> dict[str, Any]:
    return {**youtube(*formats), "extractor_key": "Generic", **given}


def measured(info: dict[str, Any], hint: float | None = None) -> dict[str, Any]:
    found = report(info, hint)
    assert found is not None
    return found


TRACK = audio("251", filesize=3_000_000)


def test_the_shape_is_the_contracts() -> None:
    found = measured(youtube(TRACK, video("399", 1080, filesize=15_500_000)))
    assert set(found["bytes"]) == set(KEYS)
    assert set(found["human"]) == {*KEYS, "duration"}
    assert found["bytes"]["s1080p"] == 18_500_000
    assert found["human"]["s1080p"] == "18.50 MB"
    assert found["accuracy"]["s1080p"] == "exact"
    assert found["formats"]["s1080p"] == "399+251"
    assert found["duration"] == 212
    assert found["human"]["duration"] == "3:32"
    assert found["bytes"]["s720p"] is None
    assert found["human"]["s720p"] is None
    assert {"s144p", "s2160p", "s4320p", "s1080p_299", "s1440p_400"} <= set(KEYS)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(("height", "itag"), AV1.items())
def test_youtubes_av1_comes_first(height: int, itag: str) -> None:
    rivals = [video(other, height, filesize=9_999_999) for other in ("136", "247", "303")]
    found = measured(youtube(TRACK, video(itag, height, filesize=1_000_000), *rivals))
    assert found["bytes"][f"s{height}p"] == 4_000_000


def test_without_av1_the_best_of_that_height_counts() -> None:
    found = measured(youtube(TRACK, video("136", 720, filesize=5), video("247", 720, filesize=7)))
    assert found["formats"]["s720p"] == "247+251"


def test_an_av1_format_of_unknown_size_gives_way() -> None:
    info = youtube(TRACK, video("247", 720, filesize=7), video("398", 720), duration=None)
    assert measured(info)["formats"]["s720p"] == "247+251"


def test_av1_itags_mean_nothing_on_other_sites() -> None:
    found = measured(page(video("399", 360, filesize=5), video("1", 1080, filesize=7)))
    assert found["formats"]["s1080p"] == "1"
    assert found["bytes"]["s1080p_399"] is None


def test_codec_variants() -> None:
    formats = [video(itag, 1080, filesize=int(itag)) for itag in ("299", "303", "399")]
    formats += [video(itag, 1440, filesize=int(itag)) for itag in ("308", "400")]
    sizes = measured(youtube(TRACK, *formats))["bytes"]
    for key in ("s1080p_299", "s1080p_303", "s1080p_399", "s1440p_308", "s1440p_400"):
        assert sizes[key] == 3_000_000 + int(key[-3:])
    assert sizes["s1080p"] == sizes["s1080p_399"]
    assert sizes["s1440p"] == sizes["s1440p_400"]


def test_audio_251_before_others_and_plain_before_variants() -> None:
    tracks = [audio("251-drc", filesize=1), audio("251", filesize=2), audio("141", filesize=4)]
    assert measured(youtube(*tracks, video("399", 1080, filesize=100)))["formats"]["s1080p"] == "399+251"
    dubbed = [audio("140", filesize=4), audio("251-1", filesize=2)]
    assert measured(youtube(*dubbed, video("399", 1080, filesize=100)))["formats"]["s1080p"] == "399+251-1"
    assert measured(youtube(audio("140", filesize=4), video("399", 1080, filesize=1)))["bytes"]["s1080p"] == 5


def test_on_other_sites_the_best_track_of_known_size_counts() -> None:
    tracks = [audio("low", filesize=1), audio("high", filesize=2), audio("unknown")]
    found = measured(page(*tracks, video("v", 720, filesize=10), duration=None))
    assert found["formats"]["s720p"] == "v+high"


@pytest.mark.parametrize("codec", ["mp4a.40.2", None])
def test_muxed_formats_get_no_audio_added(codec: str | None) -> None:
    muxed = video("18", 360, filesize=10, acodec=codec)
    assert measured(page(TRACK, muxed))["bytes"]["s360p"] == 10


def test_a_silent_video_is_its_own_size() -> None:
    assert measured(page(video("v", 360, filesize=10)))["bytes"]["s360p"] == 10


def test_where_a_size_comes_from() -> None:
    approximate = measured(page(video("v", 720, filesize_approx=9_000)))
    assert (approximate["bytes"]["s720p"], approximate["accuracy"]["s720p"]) == (9_000, "approximate")
    estimated = measured(page(video("v", 720, tbr=800, duration=212)))
    assert (estimated["bytes"]["s720p"], estimated["accuracy"]["s720p"]) == (21_200_000, "estimated")
    both = measured(page(video("v", 720, vbr=700, abr=100)))
    assert both["bytes"]["s720p"] == 21_200_000
    exact = measured(page(video("v", 720, filesize=1, filesize_approx=2, tbr=3)))
    assert exact["bytes"]["s720p"] == 1


def test_the_worse_half_decides_the_accuracy() -> None:
    found = measured(page(audio("a", tbr=100), video("v", 720, filesize=1)))
    assert found["accuracy"]["s720p"] == Accuracy.ESTIMATED


def test_the_hint_serves_where_the_site_gives_no_duration() -> None:
    formats = (video("v", 720, tbr=800),)
    assert measured(page(*formats, duration=None))["bytes"]["s720p"] is None
    hinted = measured(page(*formats, duration=None), 100)
    assert (hinted["bytes"]["s720p"], hinted["duration"]) == (10_000_000, 100)
    assert measured(page(*formats), 100)["duration"] == 212
    assert measured(page(*formats, duration=0), 100)["duration"] == 100


def test_fragments_tell_the_duration_of_a_manifest() -> None:
    fragments = [{"url": "init"}, *({"url": str(number), "duration": 6.0} for number in range(20))]
    found = measured(page(video("v", 720, tbr=800, fragments=fragments), duration=None), 10)
    assert (found["duration"], found["bytes"]["s720p"]) == (120, 12_000_000)


@pytest.mark.parametrize(
    ("width", "height", "rung"),
    [
        (1920, 1080, 1080),
        (None, 1080, 1080),
        (1080, 1920, 1080),  # portrait
        (1920, 804, 1080),  # wider than 16:9
        (640, 480, 480),  # 4:3
        (720, 576, 480),
        (960, 540, 480),
        (1600, 900, 1080),
        (1080, 1080, 1080),
        (7680, 4320, 4320),
        (160, 90, 144),
        (None, None, None),
        (1920, None, None),
        (0, 0, None),
    ],
)
def test_resolutions(width: int | None, height: int | None, rung: int | None) -> None:
    assert resolution({"width": width, "height": height}) == rung


def test_a_height_between_does_not_displace_the_right_one() -> None:
    found = measured(page(video("right", 480, filesize=1), video("between", 540, filesize=2)))
    assert found["formats"]["s480p"] == "right"
    assert measured(page(video("between", 540, filesize=2)))["formats"]["s480p"] == "between"


def test_storyboards_and_audio_are_no_video() -> None:
    storyboard = {
        "format_id": "sb0",
        "height": 90,
        "width": 160,
        "vcodec": "none",
        "acodec": "none",
        "filesize": 1,
    }
    assert set(measured(page(storyboard, TRACK))["bytes"].values()) == {None}


def test_the_best_says_something_where_no_resolution_is_known() -> None:
    direct = page(duration=None, formats=[], format_id="0", filesize=1_234_567)
    assert measured(direct)["best"]["human"] == "1.23 MB"
    merged = page(requested_formats=[video("v", 720, filesize=1), audio("a", filesize=2)])
    assert measured(merged)["best"]["bytes"] == 3
    assert (
        measured(page(requested_formats=[video("v", 720, filesize=1), audio("a")], duration=None))["best"]
        is None
    )


def rows(info: dict[str, Any], hint: float | None = None) -> dict[str, dict[str, Any]]:
    return {row["resolution"]: row for row in measured(info, hint)["resolutions"]}


def test_a_row_for_each_resolution_says_what_is_known_and_why_not() -> None:
    found = rows(page(video("v", 720, filesize=18_500_000, fps=50), video("w", 360), duration=None))
    assert found["720p"] == {
        "resolution": "720p",
        "bytes": 18_500_000,
        "human": "18.50 MB",
        "accuracy": "exact",
        "format": "v",
        "codec": "av01",
        "fps": 50,
    }
    assert (found["360p"]["codec"], found["360p"]["fps"]) == (None, None)
    assert found["360p"]["accuracy"] == found["144p"]["accuracy"] == "unknown"
    assert found["360p"]["reason"] != found["144p"]["reason"]
    assert "duration" in rows(page(video("v", 720, tbr=800), duration=None))["720p"]["reason"]
    assert "see best" in rows(page(video("v", 0, filesize=5)))["720p"]["reason"]
    assert rows(page(video("v", 720, _size_problem="its server answers 404")))["720p"]["reason"].endswith(
        "404"
    )
    live = page(video("v", 720, tbr=800), is_live=True, duration=None)
    assert rows(live)["720p"]["accuracy"] == "live"
    assert rows(live, 10)["720p"]["accuracy"] == "estimated"
    assert "live" in measured(live)["reason"]


def test_the_audio_alone() -> None:
    track = audio("251", filesize=3_000_000, abr=128.4, language="de")
    assert measured(youtube(track, audio("140", filesize=1), video("v", 720)))["audio"] == {
        "bytes": 3_000_000,
        "human": "3.00 MB",
        "accuracy": "exact",
        "format": "251",
        "codec": "opus",
        "bitrate": 128_400,
        "language": "de",
    }
    without = measured(page(video("v", 720, filesize=1)))["audio"]
    assert (without["bytes"], without["accuracy"]) == (None, "unknown")
    assert "audio alone" in without["reason"]


def test_the_bandwidth_of_hls_includes_its_audio() -> None:
    variant = video("v", 720, tbr=800, protocol="m3u8_native")
    rendition = audio("a", protocol="m3u8_native")
    found = measured(page(rendition, variant, requested_formats=[variant, rendition]))
    assert (found["bytes"]["s720p"], found["formats"]["s720p"]) == (21_200_000, "v+a")
    assert (found["best"]["bytes"], found["best"]["accuracy"]) == (21_200_000, "estimated")
    apart = {**rendition, "protocol": "https"}
    assert measured(page(apart, variant, requested_formats=[variant, apart]))["best"] is None


def test_what_is_worth_asking_a_server() -> None:
    def asked(info: dict[str, Any]) -> list[str]:
        found = subject(info)
        assert found is not None
        return [item["format_id"] for item in unmeasured(*found)]

    high, low, silent = video("h", 1080), video("l", 360, filesize=5), video("s", 360)
    assert asked(page(silent, low, high, requested_formats=[high])) == ["h"], "a rung needs one size"
    best_audio = audio("b")
    assert asked(page(audio("a"), best_audio, low, requested_formats=[low, best_audio])) == ["b"]
    assert asked(page(high, is_live=True)) == []
    assert asked(youtube(TRACK, video("399", 1080, tbr=8), requested_formats=[TRACK])) == []


def test_playlists() -> None:
    flat = {"_type": "url", "url": "https://site.example/1"}
    inline = page(video("v", 720, filesize=5))
    assert report({"_type": "playlist", "entries": [flat, None]}) is None
    assert measured({"_type": "playlist", "entries": [flat, inline]})["bytes"]["s720p"] == 5


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 KB"),
        (18_500_000, "18.50 MB"),
        (999_994, "999.99 KB"),
        (999_996, "1.00 MB"),
        (4_000_000_000, "4.00 GB"),
        (2_500_000_000_000_000, "2500.00 TB"),
    ],
)
def test_human_bytes(count: int, text: str) -> None:
    assert human_bytes(count) == text


@given(st.integers(0, 10**15))
def test_human_bytes_lose_less_than_a_hundredth(count: int) -> None:
    value, unit = human_bytes(count).split()
    scale = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}[unit]
    assert abs(float(value) * scale - count) <= max(scale * 0.00501, count * 1e-12)
    assert float(value) < 1000 or unit == "TB"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (9, "0:09"), (212, "3:32"), (3723, "1:02:03"), (59.6, "1:00"), (36000, "10:00:00")],
)
def test_human_duration(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


_numbers = st.one_of(st.none(), st.integers(-1, 10**10), st.floats(), st.text(max_size=2))
_formats = st.fixed_dictionaries(
    {},
    optional={
        "format_id": st.one_of(st.none(), st.sampled_from(["251", "399", "18", "x-1"])),
        "vcodec": st.sampled_from([None, "none", "av01"]),
        "acodec": st.sampled_from([None, "none", "opus"]),
        **dict.fromkeys(("filesize", "filesize_approx", "tbr", "vbr", "abr", "width", "height"), _numbers),
    },
)


@given(st.lists(_formats, max_size=6), _numbers, st.sampled_from(["Youtube", "Generic", None]))
def test_whatever_a_site_says_the_answer_keeps_its_shape(
    formats: list[dict[str, Any]], duration: Any, extractor: str | None
) -> None:
    found = report({"formats": formats, "duration": duration, "extractor_key": extractor})
    assert found is not None
    assert set(found["bytes"]) == set(KEYS)
    for key in KEYS:
        size = found["bytes"][key]
        known = size is not None
        assert not known or (isinstance(size, int) and size >= 0)
        assert (found["human"][key] is not None) == (found["accuracy"][key] is not None) == known
    json.dumps(found, allow_nan=False)


def test_a_live_video_is_not_measured_by_what_can_be_rewound() -> None:
    window = {"duration": 14_405, "is_live": True}
    weighed = video("v", 720, filesize=8_000_000, filesize_approx=8_000_000, tbr=800)
    fragments = [{"url": "https://cdn.example/1", "duration": 6.0}] * 5
    listed = video("w", 360, tbr=400, fragments=fragments)
    live = measured(page(audio("a", tbr=100), weighed, listed, requested_formats=[weighed], **window))
    assert live["live"] is True
    assert (live["duration"], live["human"]["duration"], live["best"]) == (None, None, None)
    assert not any(live["bytes"].values())
    hinted = measured(page(weighed, listed, **window), 10)
    assert (hinted["bytes"]["s720p"], hinted["bytes"]["s360p"]) == (1_000_000, 500_000)
    assert hinted["duration"] == 10
    assert measured(page(weighed, duration=10, was_live=True, is_live=False))["bytes"]["s720p"] == 8_000_000
    assert measured(page(weighed))["live"] is False
