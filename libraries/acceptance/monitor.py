"""Response times of a deployment in three lines, without suites.

    with CloudPerformanceMonitor("sandbox") as monitor:
        print(asyncio.run(monitor.monitor_response_times()))
        print(asyncio.run(monitor.monitor_database_performance()).query_times)

A deployment that has to be provisioned is provisioned once for all that happens within `with`; without it, for each
call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from statistics import fmean

from acceptance.errors import ConfigurationError
from acceptance.performance import database, endpoint_latency
from acceptance.performance.endpoint_latency import Percentile, percentile
from acceptance.performance.pg_stats import counted
from acceptance.recordings import BASELINE, Baseline
from acceptance.results import DatabaseMetrics, PerformanceBaseline, StepError
from acceptance.run import Run
from acceptance.session import FAILURES, DeploymentSession, failed_step
from acceptance.verdict.criteria import CRITERIA, area, read_criteria
from acceptance.yaml_models import read_model

AREA = "PERF"


class CloudPerformanceMonitor(DeploymentSession):
    """Measures a deployment without load.

    Args:
        deployment: a name in `variables/deployments/`, or the path of a descriptor.
        folder: holds the resource ledger, for `make clean-up`; by default a new one in `results/`.

    Attributes:
        percentiles: of each endpoint, after `monitor_response_times`: p50, p95 and p99 in milliseconds with the
            interval of the true one.
        errors, not_measured: errors of the response times, and the reason for each endpoint without one; the other
            results carry their own.
    """

    ROLE = "monitor"

    def __init__(self, deployment: str = "sandbox", *, folder: Path | None = None) -> None:
        super().__init__(deployment, folder=folder)
        self.percentiles: dict[str, list[Percentile]] = {}
        self.errors: list[StepError] = []
        self.not_measured: dict[str, str] = {}

    async def monitor_response_times(self) -> dict[str, float]:
        """Mean in milliseconds of at least 100 calls of each endpoint that changes nothing, of `chat` 10.

        One call at a time over a connection that is kept, whole answers, after a warm-up that does not count. An
        endpoint without a mean is in `not_measured`.
        """
        self.percentiles, self.errors, self.not_measured = {}, [], {}
        means: dict[str, float] = {}
        endpoints = (*endpoint_latency.READING, endpoint_latency.MODEL_BOUND)
        try:
            async with self._run(self.errors) as run:
                times = await endpoint_latency.measure(run)
        except FAILURES as error:
            self.errors.append(failed_step("response times", error, expected="figures"))
            self.not_measured = dict.fromkeys(endpoints, f"{error}")
            return means
        self.errors += [StepError(name, "the contract's answer", seen) for name, seen in times.failed.items()]
        for name in endpoints:
            samples = [] if name in times.failed else times.totals(name)
            if samples:
                means[name] = fmean(samples)
                self.percentiles[name] = [percentile(samples, percent) for percent in endpoint_latency.PERCENTS]
            else:
                self.not_measured[name] = times.failed.get(name, "the deployment keeps no connection open")
        return means

    async def monitor_database_performance(self) -> DatabaseMetrics:
        """The contract's named queries, 100 times each, and the database's own counters meanwhile (needs `sql`)."""
        metrics = DatabaseMetrics()
        try:
            async with self._run(metrics.errors) as run:
                seen = await database.measured(run)
        except FAILURES as error:
            metrics.errors.append(failed_step("database", error, expected="figures"))
            names = ("query_times", "connection_pool", "throughput", "error_rate", "avg_response_time")
            metrics.not_measured = dict.fromkeys(names, f"{error}")
            return metrics
        answered = {name: seen.net(name) for name, raw in seen.queries.items() if raw}
        metrics.query_times = {name: database.p95(samples) for name, samples in answered.items()}
        if answered:
            metrics.avg_response_time = fmean(one for samples in answered.values() for one in samples)
        else:
            metrics.not_measured["avg_response_time"] = "no query was answered"
        wrong = seen.broken | seen.given_up
        metrics.errors += [StepError(f"query {name}", "answers in time", reason) for name, reason in wrong.items()]
        metrics.not_measured |= {name: reason for name, reason in wrong.items() if name not in answered}
        found = counted(seen.readings, seen.transactions)
        metrics.connection_pool = found.connections
        metrics.throughput, metrics.error_rate = found.throughput, found.error_rate
        fields = {"connections": "connection_pool", "throughput": "throughput", "error_rate": "error_rate"}
        metrics.not_measured |= {fields[name]: why for name, why in found.not_measured.items() if name in fields}
        return metrics

    async def get_performance_baseline(self) -> PerformanceBaseline:
        """The local integration's figures, and what this deployment must keep; nothing is asked of the deployment."""
        baseline = PerformanceBaseline()
        try:
            local = (await asyncio.to_thread(read_model, BASELINE, Baseline)).local
            baseline.local_integration_data = {name: figure.model_dump() for name, figure in local.items()}
            numbers = {name: figure.value for name, figure in local.items()}
            baseline.target_metrics = {name: float(one) for name, one in numbers.items() if not isinstance(one, str)}
        except ConfigurationError as error:
            baseline.not_measured |= dict.fromkeys(("target_metrics", "local_integration_data"), f"{error}")
        try:
            with ExitStack() as stack:
                opened = await self._deployed(stack)
                criteria, _ = read_criteria(CRITERIA).with_thresholds(opened.descriptor.thresholds)
            baseline.thresholds = {
                f"{name}.{limit.figure}": str(limit)
                for name, criterion in criteria.criteria.items()
                if area(name) == AREA
                for limit in criterion.limits
            }
        except ConfigurationError as error:
            baseline.not_measured["thresholds"] = f"{error}"
        return baseline

    @asynccontextmanager
    async def _run(self, errors: list[StepError]) -> AsyncIterator[Run]:
        with ExitStack() as stack:
            async with self._run_in(await self._deployed(stack), errors) as run:
                yield run
