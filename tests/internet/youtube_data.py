"""The data of a normal YouTube video, of realistic shape and size. Pure; `PLACEHOLDER` stands for its id."""

# ruff: noqa: E501, SIM905 - rows of data are easier to read whole

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

PLACEHOLDER = "@VIDEO@ID@@"
VISITOR = "CgtwbGFjZWhvbGRlcijk2vO9BjIKCgJERRIEEgAgOg=="
DURATION = 212
CHANNEL = "UCuAXFkgsw1L7xaCfnd5JJOw"
TITLE = "A normal video (Official Video)"
PLAYER_ID = "@PLAYER@"  # stands for the id of the player's release
STS = 20655
CHALLENGE_N = f"{PLACEHOLDER}-wG9"  # of each video another one
_AV1 = 'video/mp4; codecs="av01.0.{}"'
_VP9 = 'video/webm; codecs="vp9"'
_AVC = 'video/mp4; codecs="avc1.{}"'


@dataclass(frozen=True, slots=True)
class Stream:
    """One row of the format table; `rate` is the average in bits per second."""

    itag: int
    mime: str
    rate: int
    quality: str
    height: int = 0
    fps: int = 0

    @property
    def size(self) -> int:
        return self.rate * DURATION // 8


STREAMS = (
    Stream(313, _VP9, 12_000_000, "hd2160", 2160, 30),
    Stream(401, _AV1.format("12M.08"), 9_100_000, "hd2160", 2160, 30),
    Stream(402, _AV1.format("16M.08"), 18_000_000, "highres", 4320, 30),
    Stream(271, _VP9, 5_900_000, "hd1440", 1440, 30),
    Stream(308, _VP9, 8_900_000, "hd1440", 1440, 60),
    Stream(400, _AV1.format("12M.08"), 4_700_000, "hd1440", 1440, 30),
    Stream(137, _AVC.format("640028"), 2_900_000, "hd1080", 1080, 30),
    Stream(299, _AVC.format("64002a"), 4_300_000, "hd1080", 1080, 60),
    Stream(248, _VP9, 1_600_000, "hd1080", 1080, 30),
    Stream(303, _VP9, 2_700_000, "hd1080", 1080, 60),
    Stream(399, _AV1.format("08M.08"), 1_400_000, "hd1080", 1080, 30),
    Stream(136, _AVC.format("4d401f"), 1_100_000, "hd720", 720, 30),
    Stream(298, _AVC.format("4d4020"), 1_900_000, "hd720", 720, 60),
    Stream(247, _VP9, 860_000, "hd720", 720, 30),
    Stream(302, _VP9, 1_500_000, "hd720", 720, 60),
    Stream(398, _AV1.format("05M.08"), 780_000, "hd720", 720, 30),
    Stream(135, _AVC.format("4d401e"), 610_000, "large", 480, 30),
    Stream(244, _VP9, 460_000, "large", 480, 30),
    Stream(397, _AV1.format("04M.08"), 430_000, "large", 480, 30),
    Stream(134, _AVC.format("4d401e"), 330_000, "medium", 360, 30),
    Stream(243, _VP9, 280_000, "medium", 360, 30),
    Stream(396, _AV1.format("01M.08"), 240_000, "medium", 360, 30),
    Stream(133, _AVC.format("4d4015"), 170_000, "small", 240, 30),
    Stream(242, _VP9, 150_000, "small", 240, 30),
    Stream(395, _AV1.format("00M.08"), 130_000, "small", 240, 30),
    Stream(160, _AVC.format("4d400c"), 88_000, "tiny", 144, 30),
    Stream(278, _VP9, 73_000, "tiny", 144, 30),
    Stream(394, _AV1.format("00M.08"), 66_000, "tiny", 144, 30),
    Stream(139, 'audio/mp4; codecs="mp4a.40.5"', 48_800, "AUDIO_QUALITY_LOW"),
    Stream(140, 'audio/mp4; codecs="mp4a.40.2"', 129_500, "AUDIO_QUALITY_MEDIUM"),
    Stream(249, 'audio/webm; codecs="opus"', 50_900, "AUDIO_QUALITY_LOW"),
    Stream(250, 'audio/webm; codecs="opus"', 67_200, "AUDIO_QUALITY_LOW"),
    Stream(251, 'audio/webm; codecs="opus"', 131_000, "AUDIO_QUALITY_MEDIUM"),
)
PROGRESSIVE = Stream(18, 'video/mp4; codecs="avc1.42001E, mp4a.40.2"', 430_000, "medium", 360, 30)

_LANGUAGES = """
    af ak sq am ar hy as ay az bn eu be bho bs bg my ca ceb zh-Hans zh-Hant co hr cs da dv nl en eo et
    ee fil fi fr gl lg ka de el gn gu ht ha haw iw hi hmn hu is ig id ga it ja jv kn kk km rw ko kri ku
    ky lo la lv ln lt lb mk mg ms ml mt mi mr mn ne nso no ny or om ps fa pl pt pa qu ro ru sm sa gd sr
    sn sd si sk sl so st es su sw sv tg ta tt te th ti ts tr tk uk ur ug uz vi cy fy xh yi yo zu
""".split()


def media_url(stream: Stream, **more: str) -> str:
    """A googlevideo URL of realistic length."""
    query = {
        "expire": "1924992000", "ei": "k3VzaPDxMr-1mLAPqaCx2Q8", "ip": "203.0.113.7", "id": "o-" + "AJ4xQ9" * 7,
        "itag": str(stream.itag), "source": "youtube", "requiressl": "yes", "xpc": "EgVo2aDSNQ==",
        "met": "1924970400,", "mh": "7c", "mm": "31,29", "mn": "sn-4g5e6nsz,sn-4g5ednsl", "ms": "au,rdu", "mv": "m",
        "mvi": "3", "pl": "24", "rms": "au,au", "initcwndbps": "4086250", "spc": "l3OVKaVYEvEvLzcCHi" * 3,
        "svpuc": "1", "mime": stream.mime.partition(";")[0], "rqh": "1", "gir": "yes", "clen": str(stream.size),
        "dur": f"{DURATION}.091", "lmt": "1717051812678016", "mt": "1924969921", "fvip": "4", "keepalive": "yes",
        "c": "ANDROID_VR", "txp": "4532434", **more,
        "sparams": "expire,ei,ip,id,itag,source,requiressl,xpc,spc,svpuc,mime,rqh,gir,clen,dur,lmt",
        "sig": "AJfQdSswRQIgYjXp" * 6, "lsparams": "met,mh,mm,mn,ms,mv,mvi,pl,rms,initcwndbps",
        "lsig": "APaTxxMwRgIhALv3" * 6,
    }  # fmt: skip
    return "https://rr3---sn-4g5e6nsz.googlevideo.com/videoplayback?" + urlencode(query, safe="@")


def scrambled_signature(itag: int) -> str:
    """The signature of one format, as its cipher has it."""
    return "".join(chr(ord("A") + (index + itag) % 26) for index in range(104))


def streaming_data(kind: str) -> dict[str, Any]:
    """The player's streamingData; empty for `none`. The kinds are those of `youtube.Scene.streams`."""
    if kind == "none":
        return {}
    if kind == "live":
        return {
            "expiresInSeconds": "21540",
            "hlsManifestUrl": "https://www.youtube.com/api/manifest/hls_variant/id/@VIDEO@ID@@/index.m3u8",
        }
    rows = [row for row in STREAMS if kind != "low" or row.height <= 480]
    data: dict[str, Any] = {
        "expiresInSeconds": "21540",
        "formats": [_format(PROGRESSIVE, "plain" if kind == "mixed" else kind)],
        "adaptiveFormats": [_format(row, "challenge" if kind == "mixed" else kind) for row in rows],
    }
    if kind == "sabr":
        data["serverAbrStreamingUrl"] = media_url(PROGRESSIVE)
    if kind == "drm":
        data["licenseInfos"] = [{"drmFamily": "WIDEVINE", "url": "https://www.youtube.com/api/drm/widevine"}]
    return data


def _format(stream: Stream, kind: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "itag": stream.itag,
        "mimeType": stream.mime,
        "bitrate": stream.rate * 5 // 4,
        "averageBitrate": stream.rate,
        "lastModified": "1717051812678016",
        "quality": stream.quality if stream.height else "tiny",
        "projectionType": "RECTANGULAR",
        "approxDurationMs": f"{DURATION}091",
        "contentLength": str(stream.size),
    }
    if stream.height:
        label = f"{stream.height}p{stream.fps if stream.fps > 30 else ''}"
        row |= {
            "width": stream.height * 16 // 9, "height": stream.height, "fps": stream.fps, "qualityLabel": label
        }  # fmt: skip
        row |= {"initRange": {"start": "0", "end": "699"}, "indexRange": {"start": "700", "end": "1227"}}
    if not stream.height or stream is PROGRESSIVE:
        quality = "AUDIO_QUALITY_LOW" if stream is PROGRESSIVE else stream.quality
        row |= {"audioQuality": quality, "audioSampleRate": "44100", "audioChannels": 2}
    if kind == "nolength":
        del row["contentLength"]
    if kind == "challenge":
        url = media_url(stream, n=CHALLENGE_N).replace("&sig=", "&unsigned=")
        row["signatureCipher"] = f"s={scrambled_signature(stream.itag)}&sp=sig&url={quote(url, safe='@')}"
    elif kind == "drm":
        row["drmFamilies"] = ["WIDEVINE"]
    elif kind != "sabr":
        row["url"] = media_url(stream)
    return row


def video_details() -> dict[str, Any]:
    return {
        "videoId": PLACEHOLDER,
        "title": TITLE,
        "lengthSeconds": str(DURATION),
        "keywords": ["normal", "video", "official", "music"],
        "channelId": CHANNEL,
        "isOwnerViewing": False,
        "shortDescription": _DESCRIPTION,
        "isCrawlable": True,
        "thumbnail": {"thumbnails": thumbnails()},
        "allowRatings": True,
        "viewCount": "1634567890",
        "author": "A Normal Channel",
        "isPrivate": False,
        "isUnpluggedCorpus": False,
        "isLiveContent": False,
    }


def microformat() -> dict[str, Any]:
    return {
        "thumbnail": {"thumbnails": thumbnails()[-1:]},
        "title": {"simpleText": TITLE},
        "description": {"simpleText": _DESCRIPTION},
        "lengthSeconds": str(DURATION),
        "ownerProfileUrl": "http://www.youtube.com/@normalchannel",
        "externalChannelId": CHANNEL,
        "isFamilySafe": True,
        "availableCountries": ["DE", "FR", "GB", "IE", "JP", "US"],
        "isUnlisted": False,
        "viewCount": "1634567890",
        "category": "Music",
        "publishDate": "2009-10-24T23:57:33-07:00",
        "uploadDate": "2009-10-24T23:57:33-07:00",
        "ownerChannelName": "A Normal Channel",
    }


def captions() -> dict[str, Any]:
    """Four languages by hand and one automatic track, translatable."""
    manual = [("en", "English"), ("de", "German"), ("es", "Spanish"), ("ja", "Japanese")]
    tracks = [_track(code, name, "") for code, name in manual]
    tracks.append(_track("en", "English (auto-generated)", "asr"))
    return {
        "playerCaptionsTracklistRenderer": {
            "captionTracks": tracks,
            "translationLanguages": [
                {"languageCode": code, "languageName": {"simpleText": f"Language {code}"}}
                for code in _LANGUAGES
            ],
        }
    }


def _track(code: str, name: str, kind: str) -> dict[str, Any]:
    query = {
        "v": PLACEHOLDER, "ei": "k3VzaPDxMr", "caps": "asr", "opi": "112496729", "xoaf": "5", "hl": "en",
        "ip": "0.0.0.0", "ipbits": "0", "expire": "1924992000", "sparams": "ip,ipbits,expire,v,ei,caps,opi,xoaf",
        "signature": "7D3A" * 10, "key": "yt8", "lang": code, **({"kind": kind} if kind else {}),
    }  # fmt: skip
    return {
        "baseUrl": "https://www.youtube.com/api/timedtext?" + urlencode(query, safe="@"),
        "name": {"simpleText": name},
        "vssId": f"a.{code}" if kind else f".{code}",
        "languageCode": code,
        "isTranslatable": True,
        **({"kind": kind} if kind else {}),
    }


def storyboards() -> dict[str, Any]:
    sizes = "48#27#100#10#10#0#default#rs$A|80#45#108#10#10#2000#M$M#rs$B|160#90#108#5#5#2000#M$M#rs$C"
    spec = f"https://i.ytimg.com/sb/{PLACEHOLDER}/storyboard3_L$L/$N.jpg?sqp=-oaymwENSDfyq4|{sizes}"
    return {"playerStoryboardSpecRenderer": {"spec": spec}}


def thumbnails(video: str = PLACEHOLDER) -> list[dict[str, Any]]:
    sizes = (
        ("default", 120, 90),
        ("mqdefault", 320, 180),
        ("hqdefault", 480, 360),
        ("maxresdefault", 1920, 1080),
    )
    return [
        {"url": f"https://i.ytimg.com/vi/{video}/{name}.jpg", "width": width, "height": height}
        for name, width, height in sizes
    ]


_DESCRIPTION = "A normal video, as normal as can be.\n\nhttps://www.example.com\n\n0:00 Intro\n0:43 Chorus\n1:25 Verse\n2:50 End"
