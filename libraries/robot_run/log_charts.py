"""Charts of observations in log.html."""

from __future__ import annotations

from acceptance.evidence.records import Observation, Series
from acceptance.report import charts
from robot.api import logger

LEAST_SAMPLES = 20  # with fewer, a chart adds nothing to the figure


def log_chart(record: Observation | Series) -> None:
    """Log the chart of a series, or of the samples of an observation."""
    if isinstance(record, Series):
        chart = charts.lines(record, paint=charts.LOG)
    elif record.distribution is not None and record.samples >= LEAST_SAMPLES:
        title = f"{record.criterion}: {record.name.replace('_', ' ')}"
        chart = charts.histogram(title, record.distribution, record.unit, paint=charts.LOG)
    else:
        return
    logger.info(charts.for_log(chart), html=True)
