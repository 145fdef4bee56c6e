"""What a run takes and can verify, estimated by `variables/estimate.yaml`, which is recorded of the sandbox."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from acceptance.checks.preflight import not_described, not_in_health, plan_too_low
from acceptance.deployment.contract import Contract
from acceptance.deployment.descriptor import Descriptor, Providers
from acceptance.errors import CapabilityMissing, NotOffered
from acceptance.run import RequiredCapacity
from acceptance.verdict.criteria import Criteria, Criterion
from acceptance.yaml_models import PROJECT, Data, read_model

SHARED = "shared: "  # how the names of what several tests use begin; not tests themselves
UNLESS = {"short-lived-tokens": ", unless sessions last at most 60 s"}
PROVIDERS = "INT-15"  # a test of it for each provider that the descriptor names
EDGE = {  # the parts of the descriptor's section that a criterion rests on
    "CLOUD-01": ("cache", "stale_after", "origin_requests"),
    "CLOUD-02": ("cache", "forwards", "variants", "personal", "deployments"),
    "CLOUD-03": ("id", "middleware", "rewrites"),
}
ESTIMATE = PROJECT / "variables" / "estimate.yaml"


class Amounts(Data):
    """What tests send: requests with their polling, documents, calls that wait for a model, and new users."""

    requests: int = Field(default=0, ge=0)
    documents: int = Field(default=0, ge=0)
    model_calls: int = Field(default=0, ge=0)
    users: int = Field(default=0, ge=0)

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(**{word: value + getattr(other, word) for word, value in self})


class EstimatedTest(Data):
    """One test: the criteria that it is for, what it sends, and the places of contract and descriptor that it needs."""

    criteria: tuple[str, ...]
    amounts: Amounts
    reads: frozenset[str] = frozenset()


class Estimate(Data):
    """Every test, and every step that tests share, by its name."""

    tests: dict[str, EstimatedTest]

    @model_validator(mode="before")
    @classmethod
    def _from_file(cls, content: Any) -> Any:
        reads: dict[int, set[str]] = {}
        for numbers, places in content["reads"].items():
            for number in _numbers(numbers):
                reads.setdefault(number, set()).update(places)
        words = tuple(Amounts.model_fields)
        return {
            "tests": {
                name: {
                    "criteria": criteria,
                    "amounts": dict(zip(words, amounts, strict=True)),
                    "reads": reads.get(number, ()),
                }
                for number, (name, (criteria, *amounts)) in enumerate(content["tests"].items(), start=1)
            }
        }


class Prospect(Data):
    """What a run can say of one criterion: `yes`, `in part` or `no`, and why."""

    criterion: str
    verified: str
    why: str = ""


def read_estimate(path: Path = ESTIMATE) -> Estimate:
    """The estimate in a file."""
    return read_model(path, Estimate)


def prospects(
    criteria: Criteria, claims: Sequence[str], estimate: Estimate, descriptor: Descriptor, contract: Contract
) -> list[Prospect]:
    """For each claimed criterion, whether the run could verify it."""
    lost = lost_tests(estimate, descriptor, contract)
    unnamed = [f"providers.{word}" for word in Providers.model_fields if word not in descriptor.providers.offered]
    unsaid = {"PRE-01": not_described(descriptor), "PRE-03": not_in_health(contract), PROVIDERS: unnamed}
    if descriptor.edge is not None:
        edge = descriptor.edge
        unsaid |= {name: [f"edge.{part}" for part in parts if part not in edge.offered] for name, parts in EDGE.items()}
    return [
        _prospect(name, criteria.criteria[name], estimate, lost, descriptor, unsaid.get(name, [])) for name in claims
    ]


def lost_tests(estimate: Estimate, descriptor: Descriptor, contract: Contract) -> dict[str, list[str]]:
    """The tests that need what is not offered, with its places."""
    lost = {}
    for name, test in estimate.tests.items():
        absent = sorted({place for read in test.reads if (place := absent_place(read, descriptor, contract))})
        if absent:
            lost[name] = absent
    return lost


def amounts_of(estimate: Estimate, claims: Sequence[str], lost: Mapping[str, Any]) -> Amounts:
    """What the tests of these criteria send, without those that are lost."""
    kept = (test for name, test in estimate.tests.items() if name not in lost and {*test.criteria} & {*claims})
    return sum((test.amounts for test in kept), Amounts())


def _prospect(
    name: str, criterion: Criterion, estimate: Estimate, lost: Mapping[str, list[str]], descriptor: Descriptor,
    unsaid: Sequence[str],
) -> Prospect:  # fmt: skip
    if criterion.status == "planned":
        return Prospect(criterion=name, verified="no", why="planned, no suite yet")
    tests = [test for test, one in estimate.tests.items() if name in one.criteria and not test.startswith(SHARED)]
    reasons = [f"needs the capability '{need}'" for need in criterion.needs if need not in descriptor.capabilities]
    reasons += [
        f"needs the capability '{one}'{UNLESS.get(one, '')}"
        for one in criterion.asks
        if one not in descriptor.capabilities
    ]
    reasons += _of_the_load(name, descriptor)
    if name in EDGE and descriptor.edge is None:
        reasons.append("needs the section 'edge' of the descriptor")
    gone = [test for test in tests if test in lost]
    absent = list(dict.fromkeys([*unsaid, *sorted({place for test in gone for place in lost[test]})]))
    if absent:
        reasons.append(f"not offered: {', '.join(absent)}")
    none_named = name == PROVIDERS and not descriptor.providers.offered
    if none_named or (tests and len(gone) == len(tests)):
        return Prospect(criterion=name, verified="no", why=reasons[-1])
    if reasons and reasons[0].startswith("needs"):
        return Prospect(criterion=name, verified="no", why="; ".join(reasons))
    if absent:
        share = f"{len(tests) - len(gone)} of {len(tests)} tests in full; " if gone else ""
        return Prospect(criterion=name, verified="in part", why=share + reasons[-1])
    low = plan_too_low(descriptor.plan, RequiredCapacity()) if name == "PRE-02" else []
    return Prospect(criterion=name, verified="violated" if low else "yes", why="; ".join(low))


def _of_the_load(name: str, descriptor: Descriptor) -> Iterator[str]:
    if name.startswith("PERF"):
        try:
            descriptor.need_load()
        except CapabilityMissing as error:
            yield str(error)


def absent_place(read: str, descriptor: Descriptor, contract: Contract) -> str:
    """The place that is not offered, of a place that a test reads; empty where it is."""
    kind, _, service = read.partition(".")
    try:
        if kind == "services":
            getattr(descriptor.services, service)
        else:
            contract.value(read)
    except NotOffered as error:
        return error.place
    except (KeyError, AttributeError):  # recorded of another contract
        return ""
    return ""


def _numbers(ranges: str) -> Iterator[int]:
    for part in ranges.split():
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)
