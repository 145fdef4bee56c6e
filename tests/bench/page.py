"""The page that a benchmark leaves: for whoever asks what this costs, and whether its figures can be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.bench.figures import Figure

HOW = {
    "load": "one script of 240 s with three scenarios of three requests, by plain Artillery (`artillery run`) and by"
    " this library, against a server on loopback that answers after 50 ms (one request in fifty: 200 ms) and keeps its"
    " own record. CPU is of all processes, start included; arrivals and gaps are the server's record; an error is the"
    " first byte as it is told minus the server's time from the last byte read to the first byte written (in"
    " the column *other*: plain Artillery's error). On two processors plain Artillery has one worker,"
    " which waits busily for each user; on more it divides the users among workers, whose users come together. Ours has"
    " one worker everywhere. The limit is held against both: on the processors that are here, and on eight (shown).",
    "subscribers": "1,000 WebSockets over 50 jobs, 20 messages each, by Artillery's engine (`ws`, 100 users a second, a"
    " step for each message) and by the process that the suites use, with its start and what reading it"
    " costs the run. Lost: what the server sent and nobody counted."
    " Most of Artillery's CPU is its start and its busy waiting while users arrive.",
    "steps": "50 tests of four steps (sign up, sign in again, what the token says of its end, log out) with listener,"
    " redaction and evidence as QA have them, and the same in pytest and httpx, on one sandbox; runners' clocks.",
    "log": "`make acceptance RUN=integration`, the log as it is left.",
    "sandbox": "from the command to the descriptor; memory is the proportional set size of its processes.",
}
HEADING = "| figure | ours | other | ratio or error | limit | kept |\n|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Part:
    """Figures of a part, and why there are no more of them; empty where there are all."""

    name: str
    figures: tuple[Figure, ...]
    failed: str = ""

    @property
    def lines(self) -> list[str]:
        """For the console."""
        return [*map(str, self.figures), *([f"NOT MEASURED  {self.name}: {self.failed}"] if self.failed else [])]

    @property
    def wrong(self) -> list[str]:
        """What is not as it should be."""
        broken = [str(figure) for figure in self.figures if figure.kept is False]
        return [*broken, *([self.failed] if self.failed else [])]


def summary(parts: Sequence[Part]) -> str:
    """Whether every limit is kept, in a sentence; without any limit nothing is."""
    wrong = sum(len(part.wrong) for part in parts)
    if wrong:
        return f"{wrong} limits are not kept, or were not measured."
    limits = sum(figure.kept is not None for part in parts for figure in part.figures)
    return f"Every limit ({limits}) is kept." if limits else "No limit was held against anything."


def page(parts: Sequence[Part], about: Mapping[str, str], when: datetime, *, whole: bool) -> str:
    """The page as Markdown; of a trial (not whole) it says that it is one."""
    return "\n".join(_lines(parts, about, when, whole)) + "\n"


def _lines(parts: Sequence[Part], about: Mapping[str, str], when: datetime, whole: bool) -> Iterator[str]:
    yield "# What this costs, and how exact it is"
    yield ""
    yield f"Written by `make bench` on {when:%Y-%m-%d %H:%M} UTC; not by hand."
    if not whole:
        yield "\n**A trial of a part or at a smaller scale: these are not the figures that the limits are meant for.**"
    yield f"\n**{summary(parts)}**\n"
    yield HEADING
    for part in parts:
        for one in part.figures:
            cells = (one.name, one.ours, one.other, one.ratio, one.limit, "" if one.kept is None else one.verdict)
            yield _row(*cells)
        if part.failed:
            yield _row(f"{part.name}: not measured", part.failed, "", "", "", "NOT KEPT")
    yield "\n## How it is measured\n"
    yield from (f"* **{part.name}**: {HOW[part.name]}" for part in parts if part.name in HOW)
    yield "\n## Where\n"
    yield ", ".join(f"{name} {value}" for name, value in about.items()) + "."


def _row(*cells: str) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"
