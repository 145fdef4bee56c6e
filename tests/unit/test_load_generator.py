"""A load's generator that was too busy verifies nothing, and is no violation."""

from __future__ import annotations

import pytest
from acceptance.errors import EnvironmentUnavailable
from ArtilleryLibrary.figures import Ending

from tests.unit.test_load import judge, observed, result


def test_a_short_load_may_be_made_on_a_busy_machine() -> None:
    judge("PERF-01", observed(result(share=0.1, lag=99.0), share=0.1))
    judge("PERF-05", observed(result(share=0.1, lag=99.0), share=0.1))
    for lag, cpu in ((101.0, 0.2), (2.0, 0.9)):
        with pytest.raises(EnvironmentUnavailable, match="did not keep up"):
            judge("PERF-01", observed(result(share=0.1, lag=lag, cpu=cpu), share=0.1))


def test_one_look_at_a_generator_says_nothing_of_its_lag() -> None:
    short = result(share=0.1)
    short.log.health = short.log.health[:1]
    with pytest.raises(EnvironmentUnavailable, match="did not keep up"):
        judge("PERF-01", observed(short, share=0.1))


def test_what_a_busy_generator_broke_off_is_no_violation() -> None:
    run = observed(result(ending=Ending.STOPPED_EARLY, lag=200.0))
    with pytest.raises(EnvironmentUnavailable, match="did not keep up"):
        judge("PERF-05", run)
