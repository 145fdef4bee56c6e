"""What a run can verify and what it takes is said before it, by contract, descriptor and a recording."""

import os
import subprocess
from pathlib import Path
from textwrap import dedent

import pytest
from acceptance import outlook
from acceptance.checks.preflight import Probe
from acceptance.deployment.contract import Contract, read_contract
from acceptance.deployment.descriptor import Budget, Descriptor, EdgeNetwork, Pace, Plan, Providers, Services
from acceptance.estimate import (
    Amounts,
    Estimate,
    EstimatedTest,
    Prospect,
    amounts_of,
    lost_tests,
    prospects,
    read_estimate,
)
from acceptance.limits import UPLOADS, DeploymentLimits
from acceptance.outlook import Outlook, lines
from acceptance.runner.runner import claims_of
from acceptance.verdict.criteria import CRITERIA, read_criteria
from acceptance.yaml_models import PROJECT

from tests.estimate import __main__ as estimating
from tests.unit.conftest import descriptor_at

CONTRACT, ALL = read_contract(), read_criteria(CRITERIA)
SMALL = Estimate.model_validate(
    {
        "tests": {
            "A": [["INT-02"], 30, 1, 2, 3],
            "B": [["INT-02", "INT-01"], 5, 0, 0, 1],
            "C": [["INT-08"], 7, 1, 0, 0],
        },
        "reads": {"1 3": ["routes.refresh.answer.access_token"], "2-3": ["routes.login"], "3": ["services.realtime"]},
    }
)


def described(**fields: object) -> Descriptor:
    capabilities = frozenset({"short-lived-tokens", "webhook-secret", "sql", "admin-api"})
    return descriptor_at("http://127.0.0.1:9").model_copy(update={"capabilities": capabilities, **fields})


def read(folder: Path, text: str) -> Contract:
    (folder / "contract.yaml").write_text(dedent(text))
    return read_contract(folder / "contract.yaml")


def told(descriptor: Descriptor, contract: Contract = CONTRACT, *claims: str) -> dict[str, Prospect]:
    found = prospects(ALL, claims or ("INT-01", "INT-02", "INT-08"), SMALL, descriptor, contract)
    return {one.criterion: one for one in found}


def test_every_test_of_the_suites_is_in_the_estimate_with_what_it_needs() -> None:
    estimate = read_estimate()
    integration = claims_of("integration", ALL)
    assert {name for test in estimate.tests.values() for name in test.criteria} >= {*integration}
    assert amounts_of(estimate, integration, {}).documents > 50
    sessions = [test for name, test in estimate.tests.items() if "Refreshing Gives New Tokens" in name]
    assert "errors.refused_refresh" in sessions[0].reads


def test_where_all_is_offered_all_can_be_verified() -> None:
    assert {one.verified for one in told(described()).values()} == {"yes"}
    assert amounts_of(SMALL, ["INT-02"], {}) == Amounts(requests=35, documents=1, model_calls=2, users=4)


def test_what_is_not_offered_takes_the_tests_that_need_it(tmp_path: Path) -> None:
    contract = read(tmp_path, "routes: {refresh: absent}")
    found = told(described(), contract)
    assert (found["INT-02"].verified, found["INT-02"].why) == (
        "in part",
        "1 of 2 tests in full; not offered: routes.refresh",
    )
    assert (found["INT-08"].verified, found["INT-08"].why) == ("no", "not offered: routes.refresh")
    assert found["INT-01"].verified == "yes"
    lost = lost_tests(SMALL, described(), contract)
    assert amounts_of(SMALL, ["INT-02"], lost) == Amounts(requests=5, users=1)


def test_services_left_out_are_not_offered() -> None:
    services = Services.model_validate({"api": {"url": "http://a"}})
    found = told(described(services=services), CONTRACT, "INT-08", "PRE-01")
    assert found["INT-08"].why == "not offered: services.realtime"
    assert found["PRE-01"].verified == "in part"
    assert "services.worker" in found["PRE-01"].why


def test_providers_that_the_descriptor_does_not_name_are_not_offered() -> None:
    three = "providers.parser, providers.model, providers.embedding"
    found = told(described(providers=Providers()), CONTRACT, "INT-15")["INT-15"]
    assert (found.verified, found.why) == ("no", f"not offered: {three}")
    found = told(described(providers=Providers(model="m")), CONTRACT, "INT-15")["INT-15"]
    assert (found.verified, found.why) == ("in part", "not offered: providers.parser, providers.embedding")


def test_what_the_descriptor_says_of_the_edge_is_what_can_be_known() -> None:
    found = told(described(), CONTRACT, "CLOUD-01")["CLOUD-01"]
    assert (found.verified, found.why) == ("no", "needs the section 'edge' of the descriptor")
    edge = EdgeNetwork.model_validate({"cache": "header:x-cache", "stale_after": {"path": "/", "seconds": 5}})
    found = told(described(edge=edge), CONTRACT, "CLOUD-01")["CLOUD-01"]
    assert (found.verified, found.why) == ("in part", "not offered: edge.origin_requests")


def test_a_capability_that_is_missing_and_a_criterion_that_is_planned_are_named() -> None:
    found = told(described(capabilities=frozenset()), CONTRACT, "INT-02", "SEC-01", "PRE-02")
    assert (found["INT-02"].verified, found["INT-02"].why) == (
        "no", "needs the capability 'short-lived-tokens', unless sessions last at most 60 s",
    )  # fmt: skip
    assert found["SEC-01"].why == "planned, no suite yet"
    low = told(described(plan=Plan(realtime_connections=10)), CONTRACT, "PRE-02")["PRE-02"]
    assert (low.verified, low.why[:34]) == ("violated", "plan.realtime_connections is 10, t")
    bounded = told(described(budget=Budget(documents=3)), CONTRACT, "PERF-01")["PERF-01"]
    assert "budget of the descriptor bound the run" in bounded.why


def test_the_table_has_a_row_for_each_criterion_and_what_holds_the_run_back() -> None:
    bounds = {"pace": Pace(requests_per_second=2), "budget": Budget(documents=5)}
    seen = Outlook(
        described(**bounds),
        ["PRE-02: secret 'x' is not set"],
        [Probe("api", build="b", seconds=0.5), Probe("worker", "gone")],
        DeploymentLimits({UPLOADS: 3}),
        [
            Prospect(criterion="INT-02", verified="in part", why="word " * 60),
            Prospect(criterion="INT-08", verified="yes"),
        ],
        Amounts(requests=240, documents=9, users=1),
    )
    text = list(lines(seen))
    assert text[0] == "the run would not start: PRE-02: secret 'x' is not set"
    assert "api                  answered in 0.50 s, build b" in text
    assert "worker               gone" in text
    assert "INT-02    in part    word word" in "\n".join(text)
    assert "of 2 claimed criteria: 1 in part, 1 yes; what cannot be met can still be violated" in text
    assert "requests             about 240; at least 2 minutes at 2 a second" in text
    assert "documents            about 9; the budget allows 5; what it does not leave is not verified" in text
    assert f"users                about 3; {UPLOADS} is 3" in text
    assert max(map(len, text)) <= outlook.WIDTH


@pytest.mark.parametrize(("requests", "apart"), [(100, False), (85, False), (70, True), (130, True)])
def test_an_estimate_that_is_a_fifth_off_is_wrong(requests: int, apart: bool) -> None:
    rest = EstimatedTest(criteria=("INT-08",), amounts=Amounts(requests=900))
    one, other = (EstimatedTest(criteria=("INT-02",), amounts=Amounts(requests=count)) for count in (100, requests))
    said = Estimate.model_construct(tests={"A": one, "B": rest})
    assert bool(estimating.apart(said, {"renamed": other})) == apart


def test_an_estimate_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "estimate.yaml").write_text(estimating.text_of(SMALL.tests))
    assert read_estimate(tmp_path / "estimate.yaml") == SMALL


def test_a_test_that_ran_without_something_does_not_need_it(tmp_path: Path) -> None:
    contract = read(tmp_path, "routes: {refresh: absent}")
    found = estimating.without_needless(SMALL.tests, {"A": ""}, described(), contract)
    assert {name: sorted(test.reads) for name, test in found.items()} == {
        "A": [], "B": ["routes.login"], "C": ["routes.login", "services.realtime"],
    }  # fmt: skip
    found = estimating.without_needless(SMALL.tests, {"A": "", "C": "routes.refresh"}, described(), contract)
    assert "routes.refresh.answer.access_token" in found["C"].reads


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ((), "-m tests check"),
        (("DEPLOYMENT=staging",), "-m acceptance check --deployment 'staging' "),
        (("DEPLOYMENT=staging", "RUN=full"), "-m acceptance check --deployment 'staging' --run 'full'"),
    ],
)
def test_make_check_is_of_a_deployment_that_is_named(words: tuple[str, ...], command: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("DEPLOYMENT", "RUN", "MAKEFLAGS")}
    answer = subprocess.run(
        ["make", "-n", "check", *words], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    assert command in answer.stdout
