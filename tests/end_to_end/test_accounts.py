"""End-to-end: the operator's cookie file, from the disk to the site."""

from __future__ import annotations

import json
from pathlib import Path

from tests.internet import Internet
from tests.support.running_service import Service

SITE = "cookies.example"


def cookies(value: str) -> str:
    return "\t".join((SITE, "FALSE", "/", "TRUE", "2147483647", "session", value))


def test_the_site_sees_the_account_whose_file_it_is(internet: Internet, tmp_path: Path) -> None:
    file = tmp_path / "cookies.txt"
    file.write_text(cookies("OPERATOR1"))
    options = {SITE: {"ytdlp": {"cookies_file": str(file), "user_agent": "SECRET"}}}
    settings = {"SITE": json.dumps(options), "MIN_WORKERS": 1}
    with Service.run(internet, settings=settings) as service:

        def title(**given: str) -> str:
            answer = service.extract(f"https://{SITE}/cookies", **given)
            assert answer.status_code == 200, answer.text
            assert "etag" not in answer.headers
            return str(answer.json()["title"])

        assert "OPERATOR1" in title()
        file.write_text(cookies("OPERATOR2"))
        assert "OPERATOR2" in title(), "the file is read anew, and the first result was not kept"
        theirs = title(cookies=cookies("CLIENT"))
        assert "CLIENT" in theirs
        assert "OPERATOR" not in theirs
        elsewhere = service.extract("https://other-cookies.example/cookies").json()["title"]
        assert "OPERATOR" not in elsewhere
        health = service.get("/health").json()
        assert health["options"] == {SITE: ["cookies_file", "user_agent"]}
        assert f"{SITE} (account)" in {each["site"] for each in health["circuitBreakers"]}
        assert "OPERATOR" not in service.log
        assert "SECRET" not in service.log
