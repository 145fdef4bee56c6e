"""`make bench`: its arithmetic, what it says of a limit, and the page that it leaves. Nothing is measured here."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.bench import load, subscribers
from tests.bench.__main__ import main
from tests.bench.figures import Figure, error, gap_deviation, none_lost, percentile, ratio, share, told
from tests.bench.load import by_phase, read_record
from tests.bench.measured import BenchError, Tell, run_measured
from tests.bench.page import Part, page, summary
from tests.bench.sandbox import proportional_megabytes
from tests.bench.surroundings import processor

KEPT = ratio("CPU", 1.0, 4.0, "s", at_most=0.45)
BROKEN = ratio("CPU", 2.0, 4.0, "s", at_most=0.45)


@pytest.mark.parametrize(
    ("figure", "kept", "shown"),
    [
        (ratio("a", 9, 20, "s", at_most=0.45), True, "0.450"),
        (ratio("a", 9.1, 20, "s", at_most=0.45), False, "0.455"),
        (error("a", 51.0, 50.0, share=0.01, least_ms=1), True, "+1.00 ms"),
        (error("a", 51.1, 50.0, share=0.01, least_ms=1), False, "+1.10 ms"),
        (error("a", 48.9, 50.0, share=0.01, least_ms=1), False, "-1.10 ms"),
        (error("a", 203.9, 200.0, share=0.02, least_ms=2), True, "+3.90 ms"),
        (error("a", 195.9, 200.0, share=0.02, least_ms=2), False, "-4.10 ms"),
        (share("a", 99, 100, at_least=0.99), True, "99.0%"),
        (share("a", 98, 100, at_least=0.99), False, "98.0%"),
        (share("a", 102, 100, at_least=0.99), False, "102.0%"),
        (share("a", 0, 0, at_least=0.99), False, "0.0%"),
        (none_lost("a", 0, 20), True, ""),
        (none_lost("a", 1, 20), False, ""),
        (none_lost("a", -1, 20), False, ""),
        (none_lost("a", 0, 0), False, ""),
        (told("a", 3.0, 2.0, unit="s"), None, "1.50"),
    ],
)
def test_a_limit_is_kept_or_it_is_not(figure: Figure, kept: bool | None, shown: str) -> None:
    assert (figure.kept, figure.ratio) == (kept, shown)


@pytest.mark.parametrize(
    ("ours", "other"), [(0.0, 4.0), (4.0, 0.0), (-1.0, 4.0), (float("nan"), 4.0), (1, float("inf"))]
)
def test_what_was_not_measured_is_no_ratio(ours: float, other: float) -> None:
    with pytest.raises(ValueError, match="is no ratio"):
        ratio("CPU", ours, other, "s", at_most=0.45)


def test_a_line_says_figure_ratio_limit_and_verdict() -> None:
    assert str(KEPT) == "kept      CPU: 1.00 s against 4.00 s, 0.250 (limit ≤ 0.45)"
    assert str(BROKEN) == "NOT KEPT  CPU: 2.00 s against 4.00 s, 0.500 (limit ≤ 0.45)"
    assert str(told("log", 1234.5, unit="kB")) == "told      log: 1,234 kB"


def test_gaps_deviate_from_those_of_their_phase() -> None:
    assert gap_deviation([(10, [0.0, 0.1, 0.2]), (5, [0.3, 0.5])]) == pytest.approx(0, abs=1e-9)
    assert gap_deviation([(10, [0.0, 0.103, 0.199])]) == pytest.approx(3.536, abs=1e-3)  # off by 3 and by 4 ms
    with pytest.raises(ValueError, match="no gap"):
        gap_deviation([(10, [0.0]), (5, [0.3])])


def test_users_belong_to_phases_by_number_and_where_some_are_missing_by_time() -> None:
    phases = [("a", 2, 1), ("b", 1, 3)]
    assert by_phase([5.0, 6.0, 7.0, 7.3, 7.7], phases) == [(1.0, [5.0, 6.0]), (3.0, [7.0, 7.3, 7.7])]
    assert by_phase([5.0, 6.0, 7.0, 7.7], phases) == [(1.0, [5.0, 6.0]), (3.0, [7.0, 7.7])]
    assert by_phase([], phases) == [(1.0, []), (3.0, [])]


@pytest.mark.parametrize(("percent", "value"), [(99, 99), (50, 50), (100, 100), (0, 1)])
def test_a_percentile_is_a_value_that_was_seen(percent: float, value: float) -> None:
    assert percentile([*range(1, 101)], percent) == value
    with pytest.raises(ValueError, match="nothing was measured"):
        percentile([], percent)


def test_the_servers_record_gives_arrivals_and_times(tmp_path: Path) -> None:
    lines = [("/first/login", 2.0, 2.05), ("/user", 2.1, 2.3), ("/first/login", 1.0, 1.06)]
    (tmp_path / "r").write_text("".join(json.dumps(line) + "\n" for line in lines))
    served = read_record(tmp_path / "r")
    assert served.arrivals == (1.0, 2.0)
    assert served.times == pytest.approx((50, 200, 60))
    assert (served.mean, served.p99) == pytest.approx((310 / 3, 200))


def test_plain_artillery_and_ours_are_given_the_same_script() -> None:
    text = json.loads(load.script_text("http://127.0.0.1:1", load.PHASES))
    assert [phase["arrivalRate"] for phase in text["config"]["phases"]] == [5, 10, 5]
    assert [len(scenario["flow"]) for scenario in text["scenarios"]] == [3, 3, 3]
    assert all(one["flow"][0]["post"]["url"].startswith(load.FIRST) for one in text["scenarios"])


def test_as_many_subscribers_of_artillery_as_of_ours() -> None:
    [phase] = subscribers.script("ws://127.0.0.1:1", 1000)["config"]["phases"]
    assert phase["duration"] * phase["arrivalRate"] == 1000


def test_a_process_is_measured_or_it_is_an_error(tmp_path: Path) -> None:
    done = run_measured([sys.executable, "-c", "print(sum(range(10**6)))"], tmp_path, within=60)
    assert done.cpu > 0
    assert done.output == "499999500000\n"
    with pytest.raises(BenchError, match="ended with status 3: no"):
        run_measured([sys.executable, "-c", "print('no'); raise SystemExit(3)"], tmp_path, within=60)
    with pytest.raises(BenchError, match=r"not ended after 0\.2 s"):
        run_measured([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, within=0.2)


def test_memory_that_cannot_be_read_is_no_figure() -> None:
    with pytest.raises(BenchError, match="no process can be read"):
        proportional_megabytes([2**30])


def test_the_processor_is_named(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Made Up 9\n")
    assert processor(tmp_path / "cpuinfo") == "Made Up 9"
    assert processor(tmp_path / "missing")


def test_the_page_shows_each_figure_with_its_limit() -> None:
    parts = [Part("load", (KEPT, BROKEN)), Part("log", (), "BenchError: a | b\nc")]
    text = page(parts, {"cores": "2", "Node": "24"}, datetime(2026, 1, 2, 3, 4, tzinfo=UTC), whole=True)
    assert "on 2026-01-02 03:04 UTC" in text
    assert "**2 limits are not kept, or were not measured.**" in text
    assert "| CPU | 1.00 s | 4.00 s | 0.250 | ≤ 0.45 | kept |" in text
    assert "| CPU | 2.00 s | 4.00 s | 0.500 | ≤ 0.45 | NOT KEPT |" in text
    assert "| log: not measured | BenchError: a \\| b c |  |  |  | NOT KEPT |" in text
    assert "cores 2, Node 24." in text
    assert "A trial" not in text


def test_a_trial_says_so() -> None:
    text = page([Part("load", (KEPT,))], {}, datetime.now(UTC), whole=False)
    assert "**A trial of a part or at a smaller scale" in text
    assert "**Every limit (1) is kept.**" in text


def test_without_a_limit_none_is_kept() -> None:
    assert summary([Part("log", (told("log", 1.0, unit="MB"),))]) == "No limit was held against anything."


def fine(folder: Path, scale: float, tell: Tell) -> Iterator[Figure]:
    yield KEPT


def broken(folder: Path, scale: float, tell: Tell) -> Iterator[Figure]:
    yield BROKEN


def failing(folder: Path, scale: float, tell: Tell) -> Iterator[Figure]:
    yield KEPT
    raise BenchError("Node is missing")


def test_a_part_that_fails_loses_neither_its_figures_nor_the_next_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    into = tmp_path / "page.md"
    assert main(["--into", str(into)], {"one": failing, "two": broken}) == 1
    assert into.read_text().count("≤ 0.45 | kept |") == 1
    assert "| one: not measured | BenchError: Node is missing |" in into.read_text()
    assert "| 0.500 | ≤ 0.45 | NOT KEPT |" in into.read_text()
    assert "2 limits are not kept, or were not measured" in capsys.readouterr().out


@pytest.mark.parametrize(("measure", "status"), [(fine, 0), (broken, 1), (failing, 1)])
def test_the_status_says_whether_every_limit_is_kept(tmp_path: Path, measure: object, status: int) -> None:
    assert main(["--into", str(tmp_path / "page.md")], {"one": measure}) == status  # type: ignore[dict-item]


def test_a_trial_keeps_nothing_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept = tmp_path / "benchmarks.md"
    monkeypatch.setattr("tests.bench.__main__.PAGE", kept)
    monkeypatch.setattr("tests.bench.__main__.PROJECT", tmp_path)
    assert main(["--scale", "0.5"], {"one": fine}) == main(["--only", "one"], {"one": fine}) == 0
    assert not kept.exists()
    assert main([], {"one": fine}) == 0
    assert kept.exists()
