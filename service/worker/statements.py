"""The phrases of sites and extractors, and the code of each: the only module that classifies by text.

The tables list the most specific phrases first: YouTube puts "Sign in" before both the bot check and
the age gate. Each phrase is a regular expression that matches whole words only, so that "parental" is no
"rental". Case does not matter, and an ASCII apostrophe stands for both kinds.
"""

from __future__ import annotations

import re

from ..codes import Code

_Table = tuple[tuple[Code, tuple[str, ...]], ...]

_PLACE = r"(?:countr(?:y|ies)|regions?|locations?|territor(?:y|ies)|area)"
_LIVE = r"(?:live|live ?streams?|streams?|events?|broadcasts?|shows?|spaces?)"

# Expected errors: the site's statement about the video, or yt-dlp's about the URL.
_EXPECTED: _Table = (
    (
        Code.INVALID_URL,
        (
            r"looks truncated",
            r"forget to quote the URL",
            r"blob URL",
            r"doesn't make any sense",
            r"not a valid URL",
            r"invalid (?:\w+ ){0,3}URL",
            r"URL was given without",
            r"URL is missing",
            r"no \w+ in URL",
        ),
    ),
    (Code.UNSUPPORTED_URL, (r"unsupported URL", r"website is (?:not|no longer) supported")),
    (
        Code.EXTRACTOR_BROKEN,  # the site no longer takes yt-dlp's requests, or yt-dlp lacks a tool
        (r"on this app", r"supported in this application", r"PhantomJS", r"pycryptodomex?"),
    ),
    (
        Code.BOT_CHECK,
        (
            r"not a (?:ro)?bot",
            r"suspected as a bot",
            r"captcha",
            r"unusual traffic",
            r"(?:are|you're) (?:a )?human",
            r"cloudflare",
            r"being blocked",
            r"(?:blocked|rejected) by server",
            r"requests automated",
        ),
    ),
    (
        Code.UPSTREAM_ERROR,
        (
            r"needs to be reloaded",
            r"incomplete data received",
            r"unknown error",
            r"an error (?:has )?occurred",
            r"(?:under|scheduled) maintenance",
            r"error on server.side",
            r"(?:internal|server) error",
            r"something went wrong",
            r"temporarily unavailable",
            r"API returned an error",
        ),
    ),
    (
        Code.FORBIDDEN,
        (
            r"IP(?: address)? (?:is|has been|was) (?:blocked|banned|unable to access)",
            r"filtering software",
            r"TLS fingerprint",
            r"HTTP Error 403",
        ),
    ),
    (Code.RATE_LIMITED, (r"rate.?limit(?:ed|ing|s)?", r"too many requests", r"try again later")),
    (
        Code.AGE_RESTRICTED,
        (
            r"confirm your age",
            r"age.?(?:restrict(?:ed|ions?)|verif(?:y|ied|ication)|gated?|limit(?:ed|s)?)",
            r"inappropriate for some users",
            r"comfortable for some audiences",
            r"sensitive content",
            r"adult verification",
            r"users older than",
            r"only available after \d+",  # "20:00"
            r"only available from \d+:\d+",
            r"minimum age",
            r"blocked by FSK",
        ),
    ),
    (
        Code.LOGIN_REQUIRED,  # credentials and tokens; before "password" and "expired" of a video
        (
            r"not downloading private content",
            r"log ?in failed",
            r"(?:unable|failed) to log ?in",
            r"user ?(?:name|ID)\W+(?:and|or|and/or)?\W*password",
            r"invalid username",
            r"id or password",
            r"tokens? (?:has|have|is|are) (?:been )?(?:already )?(?:expired|invalidated)",
            r"(?:expired|invalid) (?:access |refresh )?tokens?",
            r"(?:sessions?|cookies) (?:has|have|is|are)? ?(?:been )?expired",
        ),
    ),
    (
        Code.PRIVATE,
        (
            r"private",
            r"password.?protected",
            r"protected by a pass(?:word|code)",
            r"(?:wrong|invalid|incorrect)(?: video)? pass(?:word|code)",
            r"protected (?:tweet|post|account)s?",
            r"audience you(?:'re| are) not in",
            r"made available to anyone",
        ),
    ),
    (
        Code.PAID,
        (
            r"members.only",
            r"(?:for|only) (?:\w+ )?members",
            r"join this channel",
            r"channel's members",
            r"purchased?",
            r"premium",
            r"paid",
            r"pay(?:ments?)?",
            r"rent(?:als?|ed)?",
            r"subscri(?:be|bed|bers?|ptions?)",
            r"supporter.only",
            r"not free",
            r"have tickets",
            r"VIP",
        ),
    ),
    (Code.DRM, (r"DRM",)),
    (Code.REMOVED, (r"removed for violating",)),  # YouTube goes on with "hate speech in your country"
    (
        Code.GEO_RESTRICTED,
        (
            rf"(?:your|this|certain|some) (?:current )?{_PLACE}",
            r"geo.?(?:restrict(?:ed|ions?)|block(?:ed|ing|s)?)",
            r"(?:available|licensed) (?:in|to users in) [\w ]+ only",
            r"only (?:available|licensed) to users in",
            r"withheld in (?!response\b)\w+",
            r"blocked by Indian censorship",
            r"blocked by decision of the Russian government",
        ),
    ),
    (
        Code.UPCOMING,
        (
            r"premieres? (?:in|on|at|will)",
            r"will (?:begin|start)",
            r"begins? in",
            r"upcoming",
            r"not (?:yet )?started",
            r"scheduled",
            r"release date",
            r"not yet available",
            r"(?:not|isn't) available yet",
            r"will be available (?:after|at|from|on)",
            r"only available from \d{4}",
        ),
    ),
    (
        Code.NOT_LIVE,
        (
            r"(?:not|isn't) (?:currently )?(?:live|streaming|broadcasting)",
            r"(?:is|it's|now|currently) offline",
            rf"{_LIVE} (?:has |have |was |is )?(?:already )?(?:ended|finished|over)",
            r"no active streams?",
        ),
    ),
    (
        Code.REMOVED,
        (
            r"removed",
            r"terminated",
            r"suspended",
            r"deleted",
            r"deactivated",
            r"no longer (?:available|exists?)",
            r"taken down",
            r"expired",
            r"copyright",
            r"violat(?:e[ds]?|ing|ions?)",
            r"withheld",
        ),
    ),
    (
        Code.NO_MEDIA,
        (r"does not have any videos?", r"requested format", r"no (?:video|media) formats", r"app-only"),
    ),
    (
        Code.LOGIN_REQUIRED,
        (
            r"log(?:ged)?.?in(?:to)?",
            r"sign(?:ed)?.?in",
            r"--cookies",
            r"--cookies-from-browser",
            r"cookies",
            r"registered users",
            r"authenticat(?:e|ed|ion)",
            r"authori[sz](?:ed|ation)",
            r"unauthori[sz]ed",
            r"credentials",
            r"auth token",
            r"access token",
            r"TV providers?",
            r"(?:your|an|unverified) account",
            r"account (?:is )?(?:needed|required)",
            r"not have (?:access|permission)",
        ),
    ),
    (
        Code.NO_MEDIA,  # the page is there, the video in it is not
        (r"not found in (?:the )?(?:web)?page",),
    ),
    (
        Code.NOT_FOUND,
        (
            r"not found",
            r"unavailable",
            r"(?:not|isn't|aren't) (?:currently )?available",
            r"(?:not|doesn't|don't|didn't) exist",
            r"no such",
            r"no [\w ]+ with id \S+ exists",
            r"not archived",
        ),
    ),
)

# Errors that extractors raise as defects although they quote the site; all others are real defects.
_UNEXPECTED: _Table = (
    (Code.NO_MEDIA, (r"no video formats found", r"no (?:video|media) in this (?:post|article|tweet)")),
    (Code.PAID, (r"requires payment", r"only for VIP accounts")),
    (Code.NOT_LIVE, (r"stream is not live",)),
    (Code.NOT_FOUND, (r"video not available",)),
    (Code.FORBIDDEN, (r"403 forbidden",)),
)

_Compiled = tuple[tuple[Code, re.Pattern[str]], ...]


def _compiled(table: _Table) -> _Compiled:
    return tuple(
        (code, re.compile(rf"(?<!\w)(?:{'|'.join(phrases)})(?!\w)", re.IGNORECASE)) for code, phrases in table
    )


_EXPECTED_PATTERNS, _UNEXPECTED_PATTERNS = _compiled(_EXPECTED), _compiled(_UNEXPECTED)

_ADVICE = re.compile(
    r"(?<![\w-])--?[a-z][\w-]*"
    r"|\b(?:extractor.args?|cookies.from.browser|netrc|yt-dlp|device_id|impersonat\w+)\b"
    r"|\buse --|\b(?:VPN|proxy server|please report|open (?:an )?issues?)\b|\bsee\s+http",
    re.IGNORECASE,
)


def said(text: object) -> Code | None:
    """The code that the text of an expected error states, or None."""
    return _match(_EXPECTED_PATTERNS, text)


def stated_by_defect(text: object) -> Code | None:
    """The code that the text of an error states although it is raised as a defect, or None."""
    return _match(_UNEXPECTED_PATTERNS, text)


def without_advice(text: str) -> str:
    """The first line of `text` without advice on command-line options, which no client can use.

    A sentence with an option ends at the last comma, semicolon or bracket before it; a condition is left out.
    """
    line, *_ = re.split(r"[\n\r]", text.strip(), maxsplit=1)
    return " ".join(filter(None, map(_unadvised, re.split(r"(?<=[.!?])\s+", line))))


def _unadvised(sentence: str) -> str:
    advice = _ADVICE.search(sentence)
    if advice is None:
        return sentence
    if sentence.startswith(("If ", "Otherwise", "Please ")):
        return ""
    *heads, _ = re.split(r"[,;(]", sentence[: advice.start()])
    return ",".join(heads).strip()


def _match(patterns: _Compiled, text: object) -> Code | None:
    plain = str(text).replace("\u2019", "'")
    return next((code for code, pattern in patterns if pattern.search(plain)), None)
