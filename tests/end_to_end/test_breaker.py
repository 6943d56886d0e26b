"""End-to-end: what opens and closes the breaker of a real service, and what does not."""

from __future__ import annotations

from tests.internet import Internet
from tests.support.running_service import Service, eventually

SETTINGS = {"CB_FAILURE_THRESHOLD": 3, "CB_VOLUME_THRESHOLD": 3, "CB_COOLDOWN_MS": 500, "SCALING": "fixed:2"}
# Found at youtube.com by its pattern, and answered by another site.
ELSEWHERE = "https://consent.youtube.com/m?continue=https%3A%2F%2Fhtml5.example%2F%3F"
MALFORMED = "https://www.youtube.com/watch?v=abc"  # refused by the extractor itself


def state(service: Service) -> str:
    breakers = service.get("/api/v1/metrics").json()["circuitBreakers"]
    return next(str(one["state"]) for one in breakers if one["site"] == "youtube.com")


def test_only_the_site_itself_closes_its_breaker(internet: Internet) -> None:
    with Service.run(internet, settings=SETTINGS) as service:
        for number in range(3):
            assert service.extract(f"https://youtu.be/botcheck___?t={number}").status_code == 429
        eventually(lambda: state(service) == "HALF_OPEN")
        for number in range(4):
            assert service.extract(f"{ELSEWHERE}{number}").status_code == 200
            assert service.extract(f"{MALFORMED}{number}").json()["code"] == "INVALID_URL"
        assert state(service) == "HALF_OPEN"
        for number in range(2):
            assert service.extract(f"https://youtu.be/dQw4w9WgXcQ?t={number}").status_code == 200
        assert state(service) == "CLOSED"
