"""Patterns of unregistered secrets: headers, cookies, tokens, fields named after their content."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

MASK = "<redacted>"
MASK_IN_MARKUP = "&lt;redacted&gt;"
TOKEN = r"[\w\-.~+/%=]"

_HIDDEN = f"(?:{MASK}|{MASK_IN_MARKUP})"
_HEADER = r"(?:(?:proxy-)?authorization|(?:set-)?cookie|apikey|x-api-key)"
_FIELD = (
    r"(?:access_token|refresh_token|password|(?:client_)?secret|service_role_key|anon_key"
    r"|x-amz-signature|x-amz-security-token)"
)
_SPEAKING = r"[\w.\-]*(?:authorization|cookie|token|session|secret|password|api-?key)[\w.\-]*"
_QUOTE = r"(?:\\*['\"]|&(?:quot|apos|\#x27|\#39);)"
_BETWEEN = rf"{_QUOTE}?\s*[:=]\s*b?{_QUOTE}?|{_QUOTE}\s*,\s*b?{_QUOTE}"
_SCHEME = r"(?:bearer|basic|token|apikey|digest)"
_NO_VALUE = rf"(?!\$\{{|(?:none|null|undefined|expected|observed|{_SCHEME})(?!{TOKEN}))"
_PAIR = rf"{TOKEN}+=(?:{TOKEN}|{_HIDDEN})+"  # a cookie, however short
_VALUE = rf"(?:{TOKEN}{{6}}|{TOKEN}{{0,5}}{_HIDDEN})(?:{TOKEN}|{_HIDDEN})*"

# "password": "…", and "name": "Authorization", "value": "…" as in HAR files, also where the JSON is text within JSON.
# A value whose closing quote was cut off is no quoted one: of it, what looks like a token is hidden, and no more.
_QUOTED = re.compile(
    rf"""(?P<keep>(?P<quote>\\*(?P<bare>["']))(?=[acnprsx])(?:
        (?:{_HEADER}|{_FIELD})(?P=quote)\s*:\s*(?P=quote)
        |name(?P=quote)\s*:\s*(?P=quote){_SPEAKING}(?P=quote)\s*,\s*(?P=quote)value(?P=quote)\s*:\s*(?P=quote)
    ))(?!\$\{{)(?P<hide>(?:(?!(?<!\\)(?:(?P=quote)|(?P=bare))).)+)(?=(?P=quote)|(?P=bare))""",
    re.IGNORECASE | re.VERBOSE,
)
_QUOTED_IN_MARKUP = re.compile(_QUOTED.pattern.replace(".)+)(?=", "[^<\\n])+)(?="), re.IGNORECASE | re.VERBOSE)
_BEGUN = re.compile(rf"{_HIDDEN}(?!{TOKEN})")  # hidden already, and cut off behind it
_COOKIES = re.compile(r'\\*"cookies\\*"\s*:\s*\[\s*\{[^\]]*\]')  # of a HAR: each is a secret
_COOKIE = re.compile(r'(?P<keep>(?P<quote>\\*")value(?P=quote)\s*:\s*(?P=quote))(?P<hide>(?:(?!(?<!\\)(?P=quote)).)+)')
_BARE = re.compile(
    rf"""(?P<keep>{_HEADER}(?:{_BETWEEN})(?:{_SCHEME}\s+)?
        |\bbearer\s+
        |(?<!-){_FIELD}{_QUOTE}?\s*[:=]\s*{_QUOTE}?
        |[?&]token=)
    {_NO_VALUE}(?P<hide>(?:{_VALUE}|{_PAIR})(?:;\s*{_PAIR})*)
    |(?P<jwt>\b(?-i:eyJ)[A-Za-z0-9_\-]{{8,}}(?:\.[A-Za-z0-9_\-]*){{0,2}})
    |(?P<picture>data:(?:image/(?:png|jpe?g|gif|webp)|video/\w+|application/pdf);base64,)[\w+/=%]{{1000,}}""",
    re.IGNORECASE | re.VERBOSE,
)
# What nothing but a secret looks like: signed tokens, private keys, providers' keys, addresses with a password.
_UNMISTAKABLE = re.compile(
    r"""\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*
        |-----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----
        |\bsk-[\w-]{20,}|\bsk-[\w-]{2,12}\*{3,}\w*|\bllx-\w{16,}|\bsb(?:p|_secret|_publishable)_\w{16,}|\brnd_\w{16,}
        |\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{30,}|\bgh[opsur]_\w{20,}|\bxox[abposr]-[\w-]{10,}
        |\b[a-z][a-z0-9+]+://[^\s:/@"'<>]*:[^\s/@"'<>]+@[\w.-]+""",
    re.VERBOSE,
)
# Trying a pattern everywhere is slow: every match contains one of these words, which are searched first.
_WORDS = ("authorization", "cookie", "token", "session", "secret", "password", "apikey", "api-key", "_key", "x-amz-")
_BEGINNINGS = (
    *("authorization", "cookie", "apikey", "x-api-key", "bearer", "access_token", "refresh_token", "password"),
    *("secret", "service_role_key", "anon_key", "x-amz-", "?token=", "&token=", "eyj", "data:"),
)


def hide_shapes(text: str, mask: str = MASK) -> str:
    """`text` without what looks like a secret; pictures in it are hidden too, since they cannot be searched."""

    def hidden(match: re.Match[str]) -> str:
        found = match.groupdict()
        if found["hide"] in (MASK, MASK_IN_MARKUP) or _BEGUN.match(found["hide"] or ""):
            return match[0]
        kept = found["keep"] or found.get("picture") or ""
        return f'{kept}"{mask}"' if kept.rstrip().endswith('":') else f"{kept}{mask}"

    if next(_places(text, _WORDS), None) is not None:
        text = (_QUOTED_IN_MARKUP if mask == MASK_IN_MARKUP else _QUOTED).sub(hidden, text)
    if '"cookies' in text:
        text = _COOKIES.sub(lambda found: _COOKIE.sub(hidden, found[0]), text)
    done, pieces = 0, []
    for at in sorted(_places(text, _BEGINNINGS)):
        match = _BARE.match(text, at) if at >= done else None
        if match:
            pieces += [text[done:at], hidden(match)]
            done = match.end()
    return "".join((*pieces, text[done:]))


def unmistakable(text: str) -> Iterator[str]:
    """Each part of a text that has the shape of a secret, and of nothing else."""
    return (found[0] for found in _UNMISTAKABLE.finditer(text))


def _places(text: str, words: Iterable[str]) -> Iterator[int]:
    """Positions of these words, case-insensitive."""
    lower = text.replace("İ", "i").lower()  # of all letters, this one alone would become two
    for word in words:
        at = lower.find(word)
        while at >= 0:
            yield at
            at = lower.find(word, at + 1)
