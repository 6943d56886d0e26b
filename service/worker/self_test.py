"""What the template of a rehearsal does besides warming: it has yt-dlp solve JavaScript challenges.

`service/releases/rehearsal.py` starts such a template with a release that is not in use yet. The challenges
are solved by the release itself and the yt-dlp-ejs that it pins, not by the solver that workers share.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

from yt_dlp.extractor.youtube.jsc._director import initialize_jsc_director
from yt_dlp.extractor.youtube.jsc.provider import (
    JsChallengeRequest,
    JsChallengeType,
    NChallengeInput,
    SigChallengeInput,
)
from yt_dlp.networking import Response

from ..solver.ejs import SAMPLE
from ..template_wire import WorkerSettings
from .egress import Guard
from .extraction import Downloader, parameters, shared
from .job_record import JobRecord

_PLAYER = "https://www.youtube.com/s/player/0a1b2c3d/player_ias.vflset/en_US/base.js"
_N, _SIG = "ZdZIqFPQK-Ty8wId", "abcdefghijklmnop"


class Unsolved(Exception):
    """A challenge with a known answer was not solved, or wrongly; the text says which."""


def solve(settings: WorkerSettings) -> None:
    """Have yt-dlp solve a challenge of each kind, in a warm process. Raises Unsolved."""
    tables, guard = shared(settings), Guard(settings)
    guard.job_record = JobRecord("youtube.com")
    downloader = _Player(parameters(settings, 0, 60.0), tables, guard, settings.ca_file)
    with contextlib.closing(downloader):
        director = initialize_jsc_director(downloader.get_info_extractor("Youtube"))
        solved = director.bulk_solve(
            [
                JsChallengeRequest(JsChallengeType.N, NChallengeInput(_PLAYER, [_N])),
                JsChallengeRequest(JsChallengeType.SIG, SigChallengeInput(_PLAYER, [_SIG])),
            ]
        )
    found = {request.type: response.output.results for request, response in solved}
    for kind, answer in (
        (JsChallengeType.N, {_N: _N[::-1]}),
        (JsChallengeType.SIG, {_SIG: _SIG[2:]}),
    ):
        if found.get(kind) != answer:
            raise Unsolved(f"YouTube's JavaScript challenge {kind.value} is not solved by this yt-dlp")


class _Player(Downloader):
    """A Downloader whose internet is one player script."""

    def urlopen(self, req: Any) -> Any:
        return Response(io.BytesIO(SAMPLE), _PLAYER, {"Content-Type": "text/javascript"}, status=200)
