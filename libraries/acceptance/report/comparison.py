"""What changed between two runs, as text for a console of 100 columns."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from textwrap import shorten, wrap

from acceptance.report.markdown import count, words
from acceptance.report.rows import is_claimed
from acceptance.verdict.diff import Comparison, Difference, Edited, Ended, Moved
from acceptance.verdict.gate import Gate

WIDTH = 100
LISTED = 20  # of a long list
PLAIN = 10  # figures without a limit, those that changed most
REASON = 300  # characters
DIGEST = 12  # characters of a SHA-256
_ENDINGS = {
    "fail": "now failing",
    "flaky": "now flaky",
    "skip": "now skipped",
    "": "gone",
    "new": "new",
    "pass": "now passing",
}
_GOOD = {"fail": 0, "flaky": 1, "skip": 1, "pass": 2}


def lines(comparison: Comparison) -> list[str]:
    """What changed, the most important first; of what did not change, the count alone."""
    return [_clip(line) for line in _all(comparison)]


def in_sum(comparison: Comparison) -> str:
    """One sentence: what got worse and what got better."""
    one, other = comparison.one, comparison.other
    worse, better = (list(_counts(comparison, better=better)) for better in (False, True))
    parts = [f"the verdict went from {one.verdict} to {other.verdict}"] if one.verdict != other.verdict else []
    parts += [f"worse: {', '.join(worse)}"] if worse else []
    parts += [f"better: {', '.join(better)}"] if better else []
    if comparison.unclaimed:
        parts.append(f"{_count(len(comparison.unclaimed), 'criterion')} no longer claimed")
    sentence = "; ".join(parts) if parts else "no verdict, criterion or test got worse or better"
    sentence += _still_kept(comparison)
    apart = [word for word in ("deployment", "build") if getattr(one, word) != getattr(other, word)]
    return f"In sum: {sentence}" + (f" (not the same {' and '.join(apart)})." if apart else ".")


def _still_kept(comparison: Comparison) -> str:
    """Of figures that changed a lot and yet keep their threshold, how many, and the one that got worse the most."""
    kept = [one for one in comparison.figures if one.kept_before and one.kept_after and one.worse is not None]
    if not kept:
        return ""
    most = max(kept, key=lambda one: one.worse or 0.0)
    changed = f"; {_count(len(kept), 'figure')} changed and kept {'its' if len(kept) == 1 else 'their'} threshold"
    worse = f", most {most.criterion} {words(most.name)}: {_percent(most.percent)}" if (most.worse or 0.0) > 0 else ""
    return changed + worse


def _all(comparison: Comparison) -> Iterator[str]:
    one, other = comparison.one, comparison.other
    for word in ("deployment", "build"):
        before, after = getattr(one, word), getattr(other, word)
        if before != after:
            yield f"Not the same {word}: {before or 'unknown'} -> {after or 'unknown'}"
    for word, gate in (("before", one), ("after", other)):
        yield f"{word:8}{gate.run}"
        yield from _wrapped(gate.line, 8)
    yield from _claims(comparison)
    yield from _criteria(comparison.criteria)
    yield from _figures(comparison.figures)
    yield from _tests(comparison)
    yield from _edited("Thresholds", comparison.thresholds, WIDTH)
    yield from _edited("Decisions", comparison.decisions, DIGEST)
    yield ""
    equal = [
        count(many, "criterion" if kind == "criteria" else kind[:-1], kind)
        for kind, many in comparison.equal.items()
        if many
    ]
    yield f"Equal: {', '.join(equal) or 'nothing'}"
    yield from _wrapped(in_sum(comparison), 0)


def _claims(comparison: Comparison) -> Iterator[str]:
    one, other = comparison.one, comparison.other
    if one.scope != other.scope:
        yield f"scope   {one.scope} -> {other.scope}"
    if one.claimed != other.claimed:
        yield f"claims  {one.claimed} -> {other.claimed} of {other.required} required"
    for word, names in (("claimed only before", comparison.unclaimed), ("claimed only after", comparison.claimed)):
        if names:
            yield from _wrapped(f"{word}: {', '.join(names)}", 8)


def _criteria(moved: Sequence[Moved]) -> Iterator[str]:
    if moved:
        yield from ("", "Criteria")
    for row in moved:
        step = f"{words(row.before)} -> {words(row.after)}"
        yield f"  {row.id:9} {step:28} {row.title}"
        if row.reason:
            was = "was: " if row.better else ""
            yield from _wrapped(was + shorten(row.reason, REASON, placeholder=" …"), 12)


def _figures(changed: Sequence[Difference]) -> Iterator[str]:
    if not changed:
        return
    limited = [figure for figure in changed if figure.limit or figure.difference is None]
    plain = [figure for figure in changed if figure not in limited]
    kept = limited + plain[:PLAIN]
    table = [("", "", "before", "after", "difference", "", "")]
    table += [
        (
            figure.criterion,
            shorten(words(figure.name), 30, placeholder="…"),
            _value(figure.before, figure.unit),
            _value(figure.after, figure.unit),
            "" if figure.difference is None else f"{figure.difference:+.4g}",
            _percent(figure.percent),
            _side(figure),
        )
        for figure in kept
    ]
    widths = [max(len(row[column]) for row in table) for column in range(6)]
    yield from ("", "Figures")
    for row in table:
        names = "  ".join(text.ljust(width) for text, width in zip(row[:2], widths[:2], strict=True))
        values = "  ".join(text.rjust(width) for text, width in zip(row[2:6], widths[2:], strict=True))
        yield f"  {names}  {values}  {row[6]}".rstrip()
    if len(plain) > PLAIN:
        yield f"  and {len(plain) - PLAIN} more without a limit, that changed less"


def _side(figure: Difference) -> str:
    if not figure.limit:
        return ""
    before, after = figure.kept_before, figure.kept_after
    if after is None:
        return f"{figure.limit}: not verified"
    if after:
        return f"{figure.limit}: {'kept again' if before is False else 'kept'}"
    return f"{figure.limit}: {'BROKEN as before' if before is False else 'BROKEN'}"


def _tests(comparison: Comparison) -> Iterator[str]:
    by_ending: dict[str, list[Ended]] = {ending: [] for ending in _ENDINGS}
    come, gone = _by_claims(comparison)
    for test in comparison.tests:
        if test.test in come | gone:
            continue
        by_ending["new" if test.before == "" and test.after == "pass" else test.after].append(test)
    if comparison.tests or comparison.slower:
        yield from ("", "Tests")
    for ending, tests in by_ending.items():
        if ending == "new" and len(tests) > LISTED:
            yield f"  {_ENDINGS[ending]:12} {_count(len(tests), 'test')}"
            continue
        for test in tests[:LISTED]:
            new = " (new)" if test.before == "" and ending != "new" else ""
            yield f"  {_ENDINGS[ending]:12} {_end_of(test.test, WIDTH - 15 - len(new))}{new}"
            if ending in ("fail", "flaky", "skip") and test.message:
                yield from _wrapped(shorten(test.message, REASON, placeholder=" …"), 15)
        yield from _more(tests, 15)
    for names, word, why in ((come, "new", "more"), (gone, "gone", "less")):
        if names:
            yield f"  {word:12} {_count(len(names), 'test')}, since {why} is claimed"
    for slow in comparison.slower[:LISTED]:
        times = f" {slow.before:.1f} s -> {slow.after:.1f} s"
        yield f"  {'much slower':12} {_end_of(slow.test, WIDTH - 15 - len(times))}{times}"
    yield from _more(comparison.slower, 15)


def _by_claims(comparison: Comparison) -> tuple[set[str], set[str]]:
    """Tests that are new and pass, or are gone, only because more or less is claimed."""
    new = {test.test for test in comparison.tests if (test.before, test.after) == ("", "pass")}
    gone = {test.test for test in comparison.tests if not test.after}
    return new & _only(comparison.other, comparison.claimed), gone & _only(comparison.one, comparison.unclaimed)


def _only(gate: Gate, criteria: Collection[str]) -> set[str]:
    """Tests of these criteria and of no other that the gate's runs claim."""
    own = {test.name for row in gate.criteria if row.id in criteria for test in row.tests}
    others = [row for row in gate.criteria if is_claimed(row) and row.id not in criteria]
    return own - {test.name for row in others for test in row.tests}


def _edited(title: str, edited: Sequence[Edited], width: int) -> Iterator[str]:
    if edited:
        yield from ("", title)
    for one in edited:
        yield f"  {one.name}: {one.before[:width] or 'none'} -> {one.after[:width] or 'none'}"


def _counts(comparison: Comparison, *, better: bool) -> Iterator[str]:
    criteria = sum(row.better is better for row in comparison.criteria)
    sides = [(figure.kept_before, figure.kept_after) for figure in comparison.figures]
    crossed = sides.count((False, True) if better else (True, False))
    steps = [_GOOD[test.after] - _GOOD[test.before or "pass"] for test in comparison.tests if test.after]
    tests = sum(step > 0 if better else step < 0 for step in steps)
    if criteria:
        yield _count(criteria, "criterion")
    if crossed:
        yield f"{_count(crossed, 'figure')} {'within the limit again' if better else 'beyond the limit'}"
    if tests:
        yield _count(tests, "test")
    gone = sum(test.after == "" for test in comparison.tests) - len(_by_claims(comparison)[1])
    if gone and not better:
        yield f"{_count(gone, 'test')} gone"
    if comparison.slower and not better:
        yield f"{_count(len(comparison.slower), 'test')} much slower"


def _count(many: int, what: str) -> str:
    return count(many, what, "criteria" if what == "criterion" else "")


def _value(value: float | None, unit: str) -> str:
    return "none" if value is None else f"{value:.4g} {unit}"


def _percent(percent: float | None) -> str:
    if percent is None:
        return ""
    return f"{percent:+.1f} %" if abs(percent) < 10 else f"{percent:+.0f} %"


def _more(things: Sequence[object], indent: int) -> Iterator[str]:
    if len(things) > LISTED:
        yield f"{'':{indent}}and {len(things) - LISTED} more"


def _wrapped(text: str, indent: int) -> list[str]:
    return wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * indent)


def _end_of(name: str, width: int) -> str:
    """The end of a long name, which is more specific than its beginning."""
    return name if len(name) <= width else "…" + name[1 - width :]


def _clip(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"
