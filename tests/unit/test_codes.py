"""Pure tests of the table of codes, row by row, and of its readers."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from service.breaker.classification import call_result_of, call_result_of_exception
from service.codes import TRAITS, Blame, CallResult, Code, EgressBlame, Group, Retry, group_of
from service.dispatch.cache import Cache
from service.errors import ExtractionError
from service.web.statuses import codes_of
from service.wire import Failure, Job, Kind, Usage
from service.worker.failures import sentence

ASKED = Usage(requests=1, site_requests=1)
ROWS = pytest.mark.parametrize("code", Code)


def test_every_code_has_a_row() -> None:
    assert set(TRAITS) == set(Code)


@ROWS
def test_a_row_is_consistent(code: Code) -> None:
    it = TRAITS[code]
    assert HTTPStatus(it.status) >= 400
    assert it.sentence[:1].isalpha()
    assert not it.sentence.endswith(".")
    assert (it.egress is EgressBlame.WHOLE) is (it.blame is Blame.EGRESS)
    # What another egress may not have had is worth another attempt, where the first says nothing by itself.
    assert it.egress not in (EgressBlame.PAIR, EgressBlame.REACH) or it.retry is not Retry.NEVER
    # A failure that counts against the site is the site's, and one that is final is not tried again.
    assert it.counts is not CallResult.FAILURE or it.blame is Blame.SITE
    assert not (it.cacheable and it.retry is not Retry.NEVER)
    assert not it.cacheable or (it.status, it.counts) == (422, CallResult.SUCCESS)
    assert not it.quotes or it.status == 422


@ROWS
def test_the_status_names_the_code(code: Code) -> None:
    assert code in codes_of(TRAITS[code].status)


@ROWS
def test_no_answer_of_a_site_has_the_status_that_balancers_repeat(code: Code) -> None:
    """The site was not asked where its breaker is open, whose status the contract fixes."""
    it = TRAITS[code]
    assert it.status != 503 or it.blame is not Blame.SITE or code is Code.CIRCUIT_OPEN


@pytest.mark.parametrize("status", [200, 418])
def test_a_status_that_no_code_has_is_refused(status: int) -> None:
    with pytest.raises(LookupError, match=str(status)):
        codes_of(status)


@ROWS
def test_the_sentence_is_the_rows(code: Code) -> None:
    assert sentence(code) == TRAITS[code].sentence
    assert sentence(code, "it said so") == f'{TRAITS[code].sentence} (the site says: "it said so")'


@ROWS
def test_the_breaker_counts_as_the_row_says(code: Code) -> None:
    expected = CallResult.UNDECIDED if code is Code.DEADLINE else TRAITS[code].counts
    assert call_result_of(Failure(code, "", usage=ASKED)) is expected
    assert call_result_of_exception(ExtractionError(code, "")) is expected


@ROWS
def test_an_answer_counts_only_where_the_site_was_asked(code: Code) -> None:
    counted = call_result_of(Failure(code, "", usage=Usage(requests=3)))
    assert counted is not CallResult.SUCCESS


@ROWS
def test_the_cache_keeps_what_the_row_allows(code: Code) -> None:
    cache, job = Cache(1 << 20, 60.0), Job(Kind.EXTRACT, "https://example.com/")
    cache.keep_refusal(job, ExtractionError(code, "no"), 0.0)
    assert cache.statistics().entries == TRAITS[code].cacheable


@ROWS
def test_only_what_the_site_or_the_service_broke_is_a_failure(code: Code) -> None:
    it = TRAITS[code]
    assert (group_of(code) is Group.FAILED) is (it.blame is not Blame.CLIENT)
    assert group_of(code) is not Group.ANSWERED


def test_a_no_of_the_site_is_declined_and_a_site_that_stops_us_is_a_failure() -> None:
    assert group_of(None) is Group.ANSWERED
    for code in (Code.PRIVATE, Code.REMOVED, Code.GEO_RESTRICTED, Code.AGE_RESTRICTED, Code.NO_MEDIA):
        assert group_of(code) is Group.DECLINED
    for code in (Code.BOT_CHECK, Code.RATE_LIMITED, Code.EXTRACTOR_BROKEN, Code.QUEUE_FULL, Code.INTERNAL):
        assert group_of(code) is Group.FAILED
