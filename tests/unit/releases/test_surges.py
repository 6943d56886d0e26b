"""Pure: when a site's extractor breaks so much more often that it is time to look for a newer yt-dlp."""

from __future__ import annotations

from service.releases.surges import FEWEST, SITES, Surges

HOUR = 3600.0


def test_a_site_that_breaks_all_at_once_is_a_jump_and_a_few_failures_are_none() -> None:
    surges = Surges()
    answers = [surges.broken("site.test", 1.0 + number) for number in range(10)]
    assert answers.index(True) == FEWEST  # the first five fade a little, so it takes six
    assert all(answers[int(FEWEST) :])
    rare = Surges()
    assert not any(rare.broken("site.test", 1.0 + number * HOUR) for number in range(100))


def test_a_site_that_is_always_broken_is_no_news_until_it_is_far_worse() -> None:
    surges = Surges()
    for second in range(0, 100_000, 60):
        surges.broken("site.test", float(second))
    assert not surges.broken("site.test", 100_000.0)
    assert any(surges.broken("site.test", 100_000.0 + second) for second in range(0, 600, 5))


def test_sites_are_counted_apart_and_a_bounded_number_of_them() -> None:
    surges = Surges()
    assert not any(
        surges.broken(f"{number % (2 * SITES)}.test", float(number)) for number in range(4 * SITES)
    )
    assert len(surges._sites) == SITES
