"""The valid questions to the solver, and the valid answers of a script. Pure.

All that a script can do is answer wrongly. Its answers become part of media URLs, so they may only be
letters, no longer than YouTube's.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ..wire import Challenges, Solution

MAX_CHALLENGES = 128  # of one job; a page has one or two
_MAX_LENGTH = 512  # letters; signatures have a little over a hundred

# Addresses at which only YouTube's player scripts are served.
_PLAYER = re.compile(r"https://www\.youtube\.com/s/player/[0-9a-f]{8,40}/[\w./-]{1,100}\.js", re.ASCII)
_N = re.compile(r"[\w-]{1,256}", re.ASCII)


Answers = tuple[dict[str, str], dict[str, str]]  # to each n, and to each signature


class Misshapen(Exception):
    """An answer is not one."""


def objection(challenges: Challenges) -> str | None:
    """Why these may not be asked, or None."""
    if not _PLAYER.fullmatch(challenges.player) or ".." in challenges.player:
        return "the script is not where YouTube has its players"
    asked = (*challenges.n, *challenges.sig)
    if len(asked) > MAX_CHALLENGES or not all(0 < len(challenge) <= _MAX_LENGTH for challenge in asked):
        return "the challenges are not such"
    return None


def encode(challenges: Challenges) -> bytes:
    """What a script's process is sent."""
    return json.dumps({"n": challenges.n, "sig": challenges.sig}).encode()


def decode(answer: bytes, challenges: Challenges) -> Answers:
    """What it answered.

    Raises:
        Misshapen: it is not as it may be.
    """
    try:
        answers = json.loads(answer)
        n = _pair(challenges.n, answers["n"])
        sig = _pair(challenges.sig, answers["sig"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Misshapen("the answer is not one") from error
    if not all(_N.fullmatch(result) for result in n.values()):
        raise Misshapen("the answer to an n is not made of its letters")
    # A signature's letters are dropped and put into another order, and that is all.
    if not all(0 < len(each) <= len(asked) and {*each} <= {*asked} for asked, each in sig.items()):
        raise Misshapen("the answer to a signature is not made of its letters")
    return n, sig


def solution(answers: Answers, challenges: Challenges) -> Solution:
    """The part of `answers` that `challenges` are about."""
    n, sig = (
        {each: found[each] for each in asked if each in found}
        for found, asked in zip(answers, (challenges.n, challenges.sig), strict=True)
    )
    if len(n) == len({*challenges.n}) and len(sig) == len({*challenges.sig}):
        return Solution(n, sig)
    return Solution(n, sig, problem="the player script answers no such challenge", final=True)


def _pair(challenges: tuple[str, ...], answers: Any) -> dict[str, str]:
    """Each challenge and its answer, without those that have none."""
    if not isinstance(answers, list) or not all(isinstance(each, str | None) for each in answers):
        raise Misshapen("the answer is not one")
    pairs = zip(challenges, answers, strict=True)  # ValueError where there are more, or fewer
    return {asked: result for asked, result in pairs if result is not None}
