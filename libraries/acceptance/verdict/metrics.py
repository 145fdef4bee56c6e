"""Figures: all observations of one name, aggregated and compared with the limit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from acceptance.evidence.histogram import Distribution, merged
from acceptance.evidence.reader import Bundle
from acceptance.evidence.records import WHY_FEW, Observation
from acceptance.verdict.criteria import Criterion, Limit
from acceptance.yaml_models import Data

_TEXTS = 3
Seen = tuple[str, Observation]  # the run, and what it observed


class Figure(Data):
    """What was observed under one name, and what it is held against.

    Args:
        value: a statistic of all samples together where they were kept, else the worst observation.
        observation: run and line (`run/writer:number`) of the worst observation.
        of: how many observations.
        statistic: what `value` is of the samples, where they were kept.
        margin: how far the value is from the threshold, as a share of the threshold; negative when it is broken.
        broken: how the limit is broken; `missing`: what is missing to say so.
    """

    name: str
    value: float | bool | str | None = None
    unit: str
    samples: int = 0
    of: int = 0
    observation: str = ""
    test: str = ""
    statistic: str | None = None
    must_be: str | None = None
    threshold: float | None = None
    least_samples: int | None = None
    margin: float | None = None
    broken: str = ""
    missing: str = ""


def figures_of(criterion: Criterion, seen: Sequence[Seen]) -> list[Figure]:
    """The figures of a criterion: those with a limit first."""
    by_name = {name: list(group) for name, group in groupby(sorted(seen, key=_order), key=lambda one: one[1].name)}
    why = "".join(f": {one.value}" for _, one in by_name.get(WHY_FEW, [])[:1])
    limited = [_limited(limit, by_name.get(limit.figure, []), why) for limit in criterion.limits]
    names = {limit.figure for limit in criterion.limits}
    return limited + [_plain(group) for name, group in by_name.items() if name not in names]


def observed(bundles: Iterable[Bundle], criterion: str) -> list[Seen]:
    """What the runs observed for a criterion."""
    return [(bundle.run, one) for bundle in bundles for one in bundle.observations if one.criterion == criterion]


def samples_of(seen: Sequence[Seen]) -> tuple[str, Distribution] | None:
    """The statistic that all observations give, and all their samples together, where all kept them."""
    kept = [(one.statistic, one.distribution) for _, one in seen if one.statistic and one.distribution]
    same = {(one.statistic, one.unit, one.distribution and one.distribution.resolution) for _, one in seen}
    if len(kept) != len(seen) or len(same) != 1:
        return None
    return kept[0][0], merged([distribution for _, distribution in kept])


def _order(one: Seen) -> tuple[str, str, str, int]:
    run, observation = one
    return (observation.name, run, observation.writer, observation.number)


def _limited(limit: Limit, seen: Sequence[Seen], why: str = "") -> Figure:
    asked = {"name": limit.figure, "unit": limit.unit, "least_samples": limit.least_samples}
    asked |= {"must_be": limit.must_be, "threshold": limit.threshold}
    if not seen:
        return Figure.model_validate(asked | {"missing": f"no observation of {limit.figure}"})
    fitting = [one for one in seen if one[1].unit == limit.unit and not isinstance(one[1].value, str)]
    strange = f"{limit.figure} is not a number in {limit.unit}" if len(fitting) < len(seen) else ""
    if not fitting:
        return Figure.model_validate(asked | {"missing": strange, "of": len(seen)})
    seen = fitting
    whole = samples_of(seen)
    least = limit.must_be in ("at least", "over")
    run, worst = (min if least else max)(seen, key=lambda one: float(one[1].value))
    value = whole[1].statistic(whole[0]) if whole else float(worst.value)
    samples = sum(one.samples for _, one in seen)
    found = asked | {
        "value": value,
        "samples": samples,
        "of": len(seen),
        "observation": f"{run}/{worst.reference}",
        "test": worst.test,
        "statistic": whole[0] if whole else None,
        "margin": _margin(limit, value),
    }
    too_few = f"{limit.figure}: {samples} samples, at least {limit.least_samples} needed{why}"
    found["missing"] = too_few if samples < limit.least_samples else strange
    certain = whole is None or whole[0] in ("min", "max")  # more samples would not make it better
    if not limit.kept_by(value) and (certain or not found["missing"]):
        found["broken"] = f"{limit.figure} is {_format_value(value, limit.threshold)} {limit.unit}, must be {limit}"
    return Figure.model_validate(found)


def _plain(seen: Sequence[Seen]) -> Figure:
    """What no limit asks for: texts as they are, of numbers the greatest."""
    units = sorted({one.unit for _, one in seen})
    whole = samples_of(seen)
    numbers = [one for one in seen if not isinstance(one[1].value, str)]
    run, main = max(numbers, key=lambda one: float(one[1].value)) if len(numbers) == len(seen) else seen[0]
    texts = list(dict.fromkeys(str(one.value) for _, one in seen))
    more = [f"… {len(texts) - _TEXTS} more"] if len(texts) > _TEXTS else []
    text = " | ".join([*texts[:_TEXTS], *more])
    value = whole[1].statistic(whole[0]) if whole else main.value
    return Figure(
        name=main.name,
        value=text if len(numbers) < len(seen) else value,
        unit=", ".join(units),
        samples=sum(one.samples for _, one in seen),
        of=len(seen),
        observation=f"{run}/{main.reference}",
        test=main.test,
        statistic=whole[0] if whole else None,
    )


def _format_value(value: float, threshold: float | None) -> str:
    """The value, with enough digits to differ from the threshold."""
    texts = [f"{value:.{digits}g}" for digits in (4, 6, 9, 17)]
    return next((text for text in texts if float(text) != threshold), texts[-1])


def _margin(limit: Limit, value: float) -> float | None:
    if not limit.threshold:
        return None
    room = value - limit.threshold if limit.must_be in ("at least", "over") else limit.threshold - value
    return room / abs(limit.threshold)
