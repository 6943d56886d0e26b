"""End-to-end: a page that leads to another site is judged there, and blames nobody else."""

from __future__ import annotations

from tests.internet import Internet
from tests.support.running_service import Service

# A page of YouTube's that sends yt-dlp on to a site of the client's choice.
LEADS_TO = "https://consent.youtube.com/m?continue=https%3A%2F%2F"


def test_a_page_that_leads_elsewhere_is_judged_there(internet: Internet) -> None:
    with Service.run(internet, settings={"SCALING": "fixed:2"}) as service:
        limited = "429-after.fail-9.example"
        first = service.extract(f"{LEADS_TO}{limited}%2F1")
        assert (first.status_code, first.json()["code"]) == (429, "RATE_LIMITED")
        asked = internet.counters().of(limited)
        assert service.extract(f"{LEADS_TO}{limited}%2F2").json()["code"] == "RATE_LIMITED"
        assert internet.counters().of(limited) == asked, "it is left in peace, whoever leads there"
        assert service.extract("https://youtu.be/dQw4w9WgXcQ").status_code == 200

        assert service.extract("https://html5.example/1").status_code == 200
        service.post("/api/v1/admin/circuit-breaker/open", {"site": "html5.example"})
        held = service.extract(f"{LEADS_TO}html5.example%2F2").json()
        assert held["code"] == "CIRCUIT_OPEN"
        assert held["error"].startswith("Html5.example")
