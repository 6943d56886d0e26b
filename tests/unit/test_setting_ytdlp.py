"""Pure: the operator's options for yt-dlp, their checks, their sentences, and what is shown of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from service.config import Config, ConfigError
from service.ytdlp_options import YtdlpOptions, options_of

COOKIE = ".youtube.com\tTRUE\t/\tTRUE\t2147483647\tSID\tSECRET"


def test_a_sites_options_are_on_top_of_those_of_every_site() -> None:
    config = Config.load(
        ytdlp={"sleep": 1, "extractor_args": {"youtube": {"player-client": r"web, tv", "lang": "de"}}},
        site={
            "youtube.com": {"ytdlp": {"geo": "DE", "extractor_args": {"YouTube": {"lang": [r"a,b"]}}}},
            "vimeo.com": {"concurrency": 1},
        },
    )
    every = YtdlpOptions({"youtube": {"player_client": ("web", "tv"), "lang": ("de",)}}, sleep=1.0)
    own = YtdlpOptions({"youtube": {"player_client": ("web", "tv"), "lang": ("a,b",)}}, geo="DE", sleep=1.0)
    assert options_of(config.ytdlp_options, "youtube.com") == own
    assert options_of(config.ytdlp_options, "vimeo.com") == every
    assert own.in_force == (
        *("extractor_args.youtube.player_client", "extractor_args.youtube.lang"),
        *("geo", "sleep"),
    )


def test_a_comma_behind_a_backslash_does_not_split() -> None:
    config = Config.load(ytdlp={"extractor_args": {"a-b": {"c": r"1\,2,3"}}})
    assert config.ytdlp_options["*"].extractor_args == {"a-b": {"c": ("1,2", "3")}}


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"proxy": "x"}, "proxy is no option; there are cookies_file"),
        ({"extractor_args": {"youtube": {"lang": 1}}}, "values are strings"),
        ({"extractor_args": {"youtube": "lang=de"}}, "values are strings"),
        ({"extractor_args": {"you tube": {"lang": "de"}}}, "'you tube' is no name"),
        ({"user_agent": "a\r\nCookie: b"}, "user_agent is one line"),
        ({"language": "german"}, "language 'german' is not a tag"),
        ({"geo": "DEU"}, "geo 'DEU' is neither"),
        ({"geo": "192.0.2.1"}, "geo '192.0.2.1' is neither"),
        ({"impersonate": "/bin/chrome"}, "impersonate '/bin/chrome' is no browser"),
        ({"sleep": 2.6}, "sleep must be from 0 to 2.5 seconds"),
        ({"sleep": "long"}, "sleep: "),
        ({"ipv4_only": "perhaps"}, "ipv4_only: "),
        ({"cookies_shared": True}, "there is none"),
        ({"cookies_file": "/nowhere.txt"}, "/nowhere.txt cannot be read: No such file"),
    ],
)
def test_a_wrong_option_is_named_in_one_sentence(table: dict[str, Any], sentence: str) -> None:
    for given, where in (
        ({"ytdlp": table}, "[ytdlp]"),
        ({"site": {"youtube.com": {"ytdlp": table}}}, "[site.'youtube.com'.ytdlp]"),
    ):
        with pytest.raises(ConfigError) as info:
            Config.load(**given)
        assert str(info.value).startswith(f"{where}: ")
        assert sentence in str(info.value)
        assert "\n" not in str(info.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("SECRET", "line 1 of"),
        (f"# Netscape\n{COOKIE}\n\nSECRET", "line 4 of"),
        (f"{COOKIE}\u20ac", "line 1 of"),
        ("# nothing\n", "has no cookies"),
        (COOKIE + "x" * (256 << 10), "is over 256 KB"),
        (COOKIE.replace("youtube.com", "vimeo.com"), "has no cookie of youtube.com"),
    ],
)
def test_a_wrong_cookie_file_is_named_and_never_repeated(tmp_path: Path, content: str, sentence: str) -> None:
    file = tmp_path / "cookies.txt"
    file.write_text(content)
    with pytest.raises(ConfigError) as info:
        Config.load(site={"youtube.com": {"ytdlp": {"cookies_file": str(file)}}})
    assert sentence in str(info.value)
    assert "SECRET" not in str(info.value)


def test_the_options_of_all_sites_have_one_place() -> None:
    with pytest.raises(ConfigError, match=r"the options of all sites are in \[ytdlp\]"):
        Config.load(site={"*": {"ytdlp": {"geo": "DE"}}})


def test_what_may_be_a_token_is_masked(tmp_path: Path) -> None:
    file = tmp_path / "cookies.txt"
    file.write_text(COOKIE)
    table = {
        "cookies_file": str(file),
        "extractor_args": {"youtube": {"player_client": "web", "po_token": "web.gvs+SECRET"}},
    }
    config = Config.load(ytdlp=table, site={"youtube.com": {"ytdlp": table}})
    shown = {**table, "extractor_args": {"youtube": {"player_client": "web", "po_token": "***"}}}
    masked = config.masked()
    assert masked["ytdlp"] == masked["site"]["youtube.com"]["ytdlp"] == shown
    assert "SECRET" not in f"{config!r}{config.ytdlp_options!r}"


def test_another_file_is_not_shared_because_the_first_one_is(tmp_path: Path) -> None:
    file = tmp_path / "cookies.txt"
    file.write_text(COOKIE)
    config = Config.load(
        ytdlp={"cookies_file": str(file), "cookies_shared": True},
        site={"youtube.com": {"ytdlp": {"cookies_file": str(file)}}},
    )
    assert config.ytdlp_options["*"].cookies_shared
    assert not config.ytdlp_options["youtube.com"].cookies_shared
