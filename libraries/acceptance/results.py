"""What the validator gives back. What was not measured is None, and `not_measured` says why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class StepError:
    """A step that failed: what was expected, what was seen, and the request to search the deployment's logs for.

    `request_id` is empty where the failure was of no single request.
    """

    step: str
    expected: str
    observed: str
    request_id: str = ""


@dataclass
class IntegrationResult:
    """One document, from its announcement to its end.

    Attributes:
        processing_time: seconds from when its bytes were stored to when its job was complete.
        status: `passed` when no step failed, else `failed`.
        errors: every step that failed.
        stages_completed: of parse, chunk, embed, finalize, those whose end the job's events told, in their order.
        performance_metrics: seconds that each step took, by its name, and `upload_throughput` in MB/s.
        not_measured: for each attribute that is None, the reason.
    """

    processing_time: float | None = None
    status: Literal["passed", "failed"] = "failed"
    errors: list[StepError] = field(default_factory=list)
    stages_completed: list[str] = field(default_factory=list)
    performance_metrics: dict[str, float] = field(default_factory=dict)
    not_measured: dict[str, str] = field(default_factory=dict)


@dataclass
class AuthResult:
    """Accounts, sessions, and who is refused.

    Attributes:
        login_success: a new user got a session of their own.
        session_management: refresh tokens rotate, used ones are refused, and a logout ends what it should.
        security_validation: wrong passwords and forged tokens are refused.
        errors: every step that failed.
        performance_metrics: seconds that each step took, by its name.
        not_measured: for each attribute that is None, the reason.
    """

    login_success: bool = False
    session_management: bool | None = None
    security_validation: bool | None = None
    errors: list[StepError] = field(default_factory=list)
    performance_metrics: dict[str, float] = field(default_factory=dict)
    not_measured: dict[str, str] = field(default_factory=dict)


@dataclass
class PerformanceResult:
    """What users at once were answered, and how quickly.

    Attributes:
        response_times: mean in milliseconds of the successful calls, by endpoint; `processing` is from when the bytes
            of a document were stored to when it was complete.
        error_rates: share of the calls that failed, from 0 to 1, by endpoint.
        throughput: successful calls in a second, over all endpoints.
        concurrent_users: the most users that were at it at one moment.
        passes_baseline: whether it is as good as the recorded visit of as many users of the local baseline, by the rule
            of PERF-07: no call failed, and no endpoint's mean is slower by more than max(10 %, 10 ms) for certain,
            that is at 99 % confidence for all endpoints together (Welch's test, Holm's method). There is one call of
            each user, and calls of the same moment slow each other, so that only coarse differences are certain: True
            says that nothing surely got worse, not that nothing did.
        baseline_comparison: milliseconds by which each endpoint is slower than the baseline; negative is quicker.
        baseline_uncertainty: milliseconds by which each of these may at most be too great, at that confidence.
        errors: every call that failed.
        not_measured: for each attribute that is None, the reason.
    """

    response_times: dict[str, float] = field(default_factory=dict)
    error_rates: dict[str, float] = field(default_factory=dict)
    throughput: float | None = None
    concurrent_users: int = 0
    passes_baseline: bool | None = None
    baseline_comparison: dict[str, float] | None = None
    baseline_uncertainty: dict[str, float] = field(default_factory=dict)
    errors: list[StepError] = field(default_factory=list)
    not_measured: dict[str, str] = field(default_factory=dict)


@dataclass
class DatabaseMetrics:
    """How the database answers, and what it counts of itself. The line's round trip is taken off all times.

    Attributes:
        query_times: 95th percentile in milliseconds, by named query.
        connection_pool: the most connections that were seen at once, by state; `open` is all of them, `most` the
            server's limit.
        throughput: committed transactions in a second, of whoever uses the database.
        error_rate: share of its transactions that were rolled back, from 0 to 1.
        avg_response_time: mean in milliseconds over all named queries.
        errors: what was not as it should be.
        not_measured: for each attribute or query that is None or missing, the reason.
    """

    query_times: dict[str, float] = field(default_factory=dict)
    connection_pool: dict[str, int] | None = None
    throughput: float | None = None
    error_rate: float | None = None
    avg_response_time: float | None = None
    errors: list[StepError] = field(default_factory=list)
    not_measured: dict[str, str] = field(default_factory=dict)


@dataclass
class PerformanceBaseline:
    """What the deployment is held against.

    Attributes:
        target_metrics: the local integration's figures, to match or beat, by name.
        thresholds: the limit of each performance figure in words (`at most 322.2 ms`), by `CRITERION.figure`, with the
            deployment's own where its descriptor has one.
        local_integration_data: of each figure of the local integration its value, its unit, and what it is about.
        not_measured: for each attribute that is None, the reason.
    """

    target_metrics: dict[str, float] | None = None
    thresholds: dict[str, str] | None = None
    local_integration_data: dict[str, dict[str, float | str]] | None = None
    not_measured: dict[str, str] = field(default_factory=dict)
