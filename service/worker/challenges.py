"""YouTube's JavaScript challenges, as a worker sees them: it asks the solver, and solves where that does not.

yt-dlp's interface for providers is the door: this one takes the place of its deno provider, which it falls
back on. What is left unsolved is noted in the job's record, as yt-dlp only warns and leaves formats out.
"""

from __future__ import annotations

import functools
import hashlib
import socket
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

from yt_dlp.extractor.youtube.jsc._builtin.deno import DenoJCP
from yt_dlp.extractor.youtube.jsc._builtin.ejs import EJSBaseJCP, ScriptType, ScriptVariant
from yt_dlp.extractor.youtube.jsc._director import validate_provider_response, validate_response
from yt_dlp.extractor.youtube.jsc._registry import _jsc_providers
from yt_dlp.extractor.youtube.jsc.provider import (
    JsChallengeProviderError,
    JsChallengeProviderResponse,
    JsChallengeResponse,
    JsChallengeType,
    NChallengeOutput,
    SigChallengeOutput,
    register_provider,
)
from yt_dlp.utils import version_tuple

from ..solver import ejs
from ..wire import HEADER, MAX_HEAD, Challenges, Solution, decode_solution, encode_challenges, lengths
from .visits import exactly

Solve = Callable[[Challenges, bytes], Solution]

_OUTPUTS = {JsChallengeType.N: NChallengeOutput, JsChallengeType.SIG: SigChallengeOutput}


class SolverJCP(DenoJCP):  # type: ignore[misc]  # yt-dlp is untyped
    """Asks the solver first."""

    def bulk_solve(self, requests: list[Any]) -> Iterator[Any]:
        """As yt-dlp has it; notes why any of `requests` is left."""
        left = list(requests)
        reason = "no answer"
        try:
            for response in super().bulk_solve(requests):
                if not validate_provider_response(response) or response.error:
                    reason = _reason(response.error)
                elif validate_response(response.response, response.request) is not True:
                    reason = "an answer of the wrong shape"
                elif response.request in left:
                    left.remove(response.request)
                yield response
        except Exception as error:
            reason = _reason(error)
            raise
        finally:
            if left:
                self.ie._downloader.job_record.unsolved = reason

    def _real_bulk_solve(self, requests: list[Any]) -> Iterator[Any]:
        solve = self.ie._downloader.solve
        for player, group in groupby(requests, lambda request: request.input.player_url):
            asked = list(group)
            solution = self._ask(solve, player, asked) if solve is not None and ejs_name() else None
            if solution is None or (solution.problem and not solution.final):
                yield from super()._real_bulk_solve(asked)
                continue
            for request in asked:
                answers = solution.n if request.type is JsChallengeType.N else solution.sig
                found = {each: answers[each] for each in request.input.challenges if each in answers}
                if len(found) == len(request.input.challenges):
                    output = _OUTPUTS[request.type](found)
                    yield JsChallengeProviderResponse(request, JsChallengeResponse(request.type, output))
                else:
                    error = JsChallengeProviderError(solution.problem, expected=True)
                    yield JsChallengeProviderResponse(request, error=error)

    def _ask(self, solve: Solve, player: str, requests: list[Any]) -> Solution:
        """The solver's word, with the script fetched where it wants that."""
        kinds = {
            kind.value: tuple(
                each for request in requests if request.type is kind for each in request.input.challenges
            )
            for kind in _OUTPUTS
        }
        challenges = Challenges(player, ejs_name(), **kinds)
        solution = solve(challenges, b"")
        if solution.fetch:
            code = self._get_player(requests[0].video_id, player)
            solution = solve(challenges, code.encode("utf-8", "replace"))
        return solution


def _reason(error: object) -> str:
    """One of few: it labels a metric."""
    text = str(error)
    if isinstance(error, str):  # yt-dlp-ejs's own
        return "the player script is not understood"
    if "Failed to load player" in text:
        return "the player script could not be fetched"
    if isinstance(error, JsChallengeProviderError) and error.expected:
        return text
    return "the runtime failed"


def solver_on(sock: socket.socket) -> Solve:
    """Asks the server on the worker's socket, which is otherwise unused during a job."""

    def solve(challenges: Challenges, script: bytes) -> Solution:
        sock.sendall(encode_challenges(challenges, len(script)) + script)
        header = exactly(sock, HEADER.size)
        return decode_solution(exactly(sock, lengths(header, max_head=MAX_HEAD, max_body=0)[0]))

    return solve


@functools.cache
def ejs_name() -> str:
    """Names the yt-dlp-ejs that is installed; empty where yt-dlp would not use it."""
    try:
        found = ejs.load()
    except ejs.EjsMissing:
        return ""
    if (
        version_tuple(found.version, lenient=True)[:2]
        != version_tuple(EJSBaseJCP._SCRIPT_VERSION, lenient=True)[:2]
    ):
        return ""
    for kind, code in ((ScriptType.LIB, found.lib), (ScriptType.CORE, found.core)):
        if hashlib.sha3_512(code).hexdigest() != EJSBaseJCP._ALLOWED_HASHES[kind][ScriptVariant.MINIFIED]:
            return ""
    return found.name


def install() -> None:
    """Put it in the place of yt-dlp's deno provider. Safe to call twice."""
    if _jsc_providers.value.pop(DenoJCP.PROVIDER_KEY, None) is not None:
        register_provider(SolverJCP)
