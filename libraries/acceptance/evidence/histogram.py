"""Distributions that can be merged: what was measured so often that one figure hides it.

Few samples are kept as they are; many become an HDR histogram (three significant digits, http://hdrhistogram.org).
Means are of exact totals and percentiles of merged counts, never averages of averages.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Self

from hdrh.histogram import HdrHistogram
from pydantic import Field, model_validator

from acceptance.yaml_models import Data

RAW = 1_000  # so many samples are kept one by one
_HIGHEST = 10**12
_DIGITS = 3


class Distribution(Data):
    """Samples of one figure, in the unit of its observation.

    Args:
        count: how many samples.
        total: their sum, in steps of `resolution`; a whole number, so that merging is exact in any order.
        raw: the samples in order of size, where they are few.
        hdr: else an HDR histogram of samples / resolution, as its own base64 text.
        resolution: the smallest step that is told apart, in the unit of the observation.
    """

    count: int = Field(ge=1)
    total: int
    raw: tuple[float, ...] = ()
    hdr: str = ""
    resolution: float = Field(default=1e-6, gt=0)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.raw) == bool(self.hdr):
            raise ValueError("either raw samples or a histogram")
        if not math.isfinite(self.resolution) or not all(math.isfinite(value) and value >= 0 for value in self.raw):
            raise ValueError("samples and resolution are numbers of 0 or more")
        if self.hdr and _counted(self.hdr) != self.count:
            raise ValueError("the histogram does not hold so many samples")
        if self.raw and (len(self.raw) != self.count or self.total != _total(self.raw, self.resolution)):
            raise ValueError("count and total are not those of the raw samples")
        return self

    @classmethod
    def of(cls, samples: Iterable[float], *, resolution: float = 1e-6) -> Self:
        """The distribution of samples, none of them negative.

        Raises:
            ValueError: there is no sample, or one is negative or no number.
        """
        values = sorted(samples)
        if not values or not all(math.isfinite(value) and value >= 0 for value in values):
            raise ValueError(f"a distribution needs samples of 0 or more, found {values[:3] or 'none'}")
        total = _total(values, resolution)
        if len(values) <= RAW:
            return cls(count=len(values), total=total, raw=tuple(values), resolution=resolution)
        return cls(count=len(values), total=total, hdr=_encoded(_histogram(values, resolution)), resolution=resolution)

    def merged(self, other: Distribution) -> Distribution:
        """Both together; associative, and the same in either order.

        Raises:
            ValueError: they are of different resolution.
        """
        return merged([self, other])

    @property
    def mean(self) -> float:
        """The arithmetic mean, exact to the resolution."""
        return self.total * self.resolution / self.count

    def percentile(self, percent: float) -> float:
        """The smallest sample that so many percent do not exceed (nearest rank)."""
        if self.raw:
            return self.raw[max(1, math.ceil(percent / 100 * self.count)) - 1]
        return float(self._as_histogram().get_value_at_percentile(percent)) * self.resolution

    def statistic(self, name: str) -> float:
        """`mean`, `median`, `min`, `max`, or a percentile such as `p95`."""
        match name:
            case "mean":
                return self.mean
            case "median":
                return self.percentile(50)
            case "min":
                return self.raw[0] if self.raw else float(self._as_histogram().get_min_value()) * self.resolution
            case "max":
                return self.percentile(100)
            case _:
                return self.percentile(float(name.removeprefix("p")))

    def buckets(self, edges: Sequence[float]) -> list[int]:
        """How many samples are in each span [edge, next edge), the last one closed."""
        counts = [0] * (len(edges) - 1)
        for value, count in self._values():
            at = next((i for i in range(len(counts)) if value < edges[i + 1]), len(counts) - 1)
            counts[at] += count
        return counts

    def _values(self) -> Iterator[tuple[float, int]]:
        if self.raw:
            yield from ((value, 1) for value in self.raw)
        else:
            histogram = self._as_histogram()
            for index in range(histogram.counts_len):  # the package's own iterator is ten times slower
                if count := histogram.get_count_at_index(index):
                    value = histogram.get_highest_equivalent_value(histogram.get_value_from_index(index))
                    yield value * self.resolution, count

    def _as_histogram(self) -> HdrHistogram:
        if self.raw:
            return _histogram(self.raw, self.resolution)
        return HdrHistogram.decode(self.hdr)


def merged(distributions: Sequence[Distribution]) -> Distribution:
    """All of them together, at least one; the order makes no difference.

    Raises:
        ValueError: they are of different resolution.
    """
    resolution = distributions[0].resolution
    for one in distributions:
        if one.resolution != resolution:
            raise ValueError(f"resolutions differ: {resolution:g} and {one.resolution:g}")
    count = sum(one.count for one in distributions)
    raw = [value for one in distributions for value in one.raw]
    if len(raw) == count <= RAW:
        return Distribution.of(raw, resolution=resolution)
    together = _histogram(raw, resolution)
    for one in distributions:
        if one.hdr:
            together.add(HdrHistogram.decode(one.hdr))
    total = sum(one.total for one in distributions)
    return Distribution(count=count, total=total, hdr=_encoded(together), resolution=resolution)


def _counted(hdr: str) -> int:
    """How many samples a histogram holds; raises ValueError where it is none."""
    try:
        return int(HdrHistogram.decode(hdr).get_total_count())
    except Exception as error:  # noqa: BLE001 its decoder raises errors of several libraries
        raise ValueError(f"not a histogram: {type(error).__name__}") from None


def _steps(value: float, resolution: float) -> int:
    return round(value / resolution)


def _total(values: Iterable[float], resolution: float) -> int:
    return sum(_steps(value, resolution) for value in values)


def _histogram(values: Iterable[float], resolution: float) -> HdrHistogram:
    histogram = HdrHistogram(1, _HIGHEST, _DIGITS)
    for value in values:
        histogram.record_value(min(_steps(value, resolution), _HIGHEST))
    return histogram


def _encoded(histogram: HdrHistogram) -> str:
    return str(histogram.encode().decode())
