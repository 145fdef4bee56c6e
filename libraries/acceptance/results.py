"""Results of the validator and the monitor; `not_measured` has the reason of each attribute that is None."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class StepError:
    """A failed step: expected and observed values, and the request to search the deployment's logs for.

    `request_id` is empty where no single request failed.
    """

    step: str
    expected: str
    observed: str
    request_id: str = ""


@dataclass
class IntegrationResult:
    """One document, from announcement to completion.

    Attributes:
        processing_time: seconds from the end of its upload to the completion of its job.
        status: `passed` when no step failed, else `failed`.
        errors: all failed steps.
        stages_completed: of parse, chunk, embed, finalize, those that the job's events completed, in order.
        performance_metrics: seconds of each step, by name, and `upload_throughput` in MB/s.
        not_measured: reason of each attribute that is None.
    """

    processing_time: float | None = None
    status: Literal["passed", "failed"] = "failed"
    errors: list[StepError] = field(default_factory=list)
    stages_completed: list[str] = field(default_factory=list)
    performance_metrics: dict[str, float] = field(default_factory=dict)
    not_measured: dict[str, str] = field(default_factory=dict)


@dataclass
class AuthResult:
    """Registration, sessions, and refused credentials.

    Attributes:
        login_success: a new user gets a session.
        session_management: refresh tokens rotate, used ones are refused, and a logout ends the sessions it should.
        security_validation: wrong passwords and forged tokens are refused.
        errors: all failed steps.
        performance_metrics: seconds of each step, by name.
        not_measured: reason of each attribute that is None.
    """

    login_success: bool = False
    session_management: bool | None = None
    security_validation: bool | None = None
    errors: list[StepError] = field(default_factory=list)
    performance_metrics: dict[str, float] = field(default_factory=dict)
    not_measured: dict[str, str] = field(default_factory=dict)


@dataclass
class PerformanceResult:
    """Responses and response times of concurrent users.

    Attributes:
        response_times: mean in milliseconds of the successful calls, by endpoint; `processing` is from the end of
            the upload to the completion of the document.
        error_rates: share of failed calls, from 0 to 1, by endpoint.
        throughput: successful calls per second, over all endpoints.
        concurrent_users: the most users active at one moment.
        passes_baseline: comparison with the recorded journey of as many users in the local baseline, by the rule of
            PERF-07: no call failed, and no endpoint's mean is slower by more than max(10 %, 10 ms) at 99 % confidence
            for all endpoints together (Welch's test, Holm's method). With one call per user, and concurrent calls that
            slow each other, only coarse differences are significant: True means no significant regression.
        baseline_comparison: milliseconds by which each endpoint is slower than the baseline; negative is faster.
        baseline_uncertainty: upper bound of the error of each of these, in milliseconds, at that confidence.
        errors: all failed calls.
        not_measured: reason of each attribute that is None.
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
    """Query times and statistics of the database. The network round trip is subtracted from all times.

    Attributes:
        query_times: 95th percentile in milliseconds, by named query.
        connection_pool: the most connections observed at once, by state; `open` is their total, `most` the server's
            limit.
        throughput: committed transactions per second, of all clients.
        error_rate: share of rolled back transactions, from 0 to 1.
        avg_response_time: mean in milliseconds over all named queries.
        errors: violations.
        not_measured: reason of each attribute that is None and each missing query.
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
    """The baseline of the deployment.

    Attributes:
        target_metrics: figures of the local integration, to match or beat, by name.
        thresholds: the limit of each performance figure in words (`at most 322.2 ms`), by `CRITERION.figure`, of the
            descriptor where it has one.
        local_integration_data: value, unit and description of each figure of the local integration.
        not_measured: reason of each attribute that is None.
    """

    target_metrics: dict[str, float] | None = None
    thresholds: dict[str, str] | None = None
    local_integration_data: dict[str, dict[str, float | str]] | None = None
    not_measured: dict[str, str] = field(default_factory=dict)
