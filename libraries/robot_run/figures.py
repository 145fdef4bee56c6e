"""Getters of figures: the value, or its comparison by an operator of the assertion engine."""

from __future__ import annotations

from acceptance.performance.figures import Figure
from assertionengine import AssertionOperator, verify_assertion
from robot.api import logger

# as the criteria word their limits
WORDS = {"equal": "", "less than": "under ", "<=": "at most ", "greater than": "over ", ">=": "at least "}


def checked_figure(figure: Figure, operator: AssertionOperator | None, expected: float | None) -> float:
    """The value of a figure, logged with its samples, and compared where an operator is given.

    Raises:
        Violation: the comparison does not hold.
        EnvironmentUnavailable: it does not hold, which is no fault of the deployment.
    """
    if operator is None:
        logger.info(str(figure))
        return figure.value
    words = f"{WORDS.get(operator.name, f'{operator.name} ')}{expected:g} {figure.unit}"
    logger.info(f"{figure}, expected {words}")
    try:
        verify_assertion(figure.value, operator, expected, figure.what)
    except AssertionError:
        raise figure.broken(words) from None
    return figure.value
