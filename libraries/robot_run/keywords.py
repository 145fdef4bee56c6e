"""How keyword libraries run the core: decorators of keywords, one function for assertions, users by their names.

Whatever a keyword raises says whose fault it is: see `acceptance.errors`.
"""

from __future__ import annotations

import functools
import inspect
import traceback
import unicodedata
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from acceptance.errors import (
    Blocked,
    CapabilityMissing,
    ConfigurationError,
    EnvironmentUnavailable,
    NotApplicable,
    NotOffered,
    NotWritten,
    ProjectError,
    SuiteError,
    cut,
    shown,
    violation,
    visible,
)
from acceptance.fixtures.users import User
from acceptance.run import opened_run
from assertionengine import AssertionOperator, verify_assertion
from robot.api import FatalError, SkipExecution, deco, logger
from robot.errors import RobotError

from robot_run.lifecycle import the_run

Result = TypeVar("Result")
LISTED = 5  # entries of a list that are too much or missing
LONGEST = 1500  # characters of a value in a message
Actor = User | str | None  # a user, the name of one in this test, or the active one
Duration = timedelta | float  # `20`, `20 s` or `1 min`
REPORTED_SECONDS = 5.0  # behind a timeout, until its message is there


def keyword(
    name: str | None = None, *, tags: tuple[str, ...] = ()
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Make a method a keyword whose arguments are checked, and whose unexpected exceptions are called this project's.

    Args:
        name: the keyword's name, where it is not the method's; may hold embedded arguments.
        tags: keyword tags.
    """

    def decorate(method: Callable[..., Result]) -> Callable[..., Result]:
        signature, wanted = inspect.signature(method), _wanted_classes(method)

        @functools.wraps(method)
        def call(*args: Any, **kwargs: Any) -> Result:
            try:
                _check_arguments(signature, wanted, args, kwargs)
                return method(*args, **kwargs)
            except _EXPECTED:
                raise
            except Exception as error:  # noqa: BLE001 whatever it is, it says nothing of the deployment
                logger.info(traceback.format_exc())
                raise ProjectError(error) from None

        if hasattr(method, "__signature__"):  # what Robot Framework reads the arguments from
            call.__signature__ = method.__signature__  # type: ignore[attr-defined]
        decorated: Callable[..., Result] = deco.keyword(name, tags=tags)(call)
        return decorated

    return decorate


_EXPECTED = (
    AssertionError, Blocked, CapabilityMissing, ConfigurationError, EnvironmentUnavailable, FatalError, NotApplicable,
    NotOffered, NotWritten, RobotError, SkipExecution, SuiteError,
)  # fmt: skip


def _wanted_classes(method: Callable[..., Any]) -> dict[str, tuple[type, ...]]:
    """The parameters that take objects of our own classes alone, which Robot Framework does not check."""
    found = {}
    for name, hint in get_type_hints(inspect.unwrap(method)).items():
        classes = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        own = [one for one in classes if isinstance(one, type) and one.__module__.startswith("acceptance")]
        if own and all(one in own or one is type(None) for one in classes):
            found[name] = tuple(one for one in classes if isinstance(one, type))
    return found


def _check_arguments(
    signature: inspect.Signature, wanted: dict[str, tuple[type, ...]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    if not wanted:
        return
    for name, given in signature.bind(*args, **kwargs).arguments.items():
        several = signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL
        for value in (given if several else (given,)) if name in wanted else ():
            if not isinstance(value, wanted[name]):
                kinds = " or ".join(one.__name__ for one in wanted[name] if one is not type(None))
                raise SuiteError(f"argument '{name}': expected a value of type {kinds}, found {shown(value, 100)}")


def step(
    name: str | None = None, *, within: float = 60.0, tags: tuple[str, ...] = ()
) -> Callable[[Callable[..., Coroutine[Any, Any, Result]]], Callable[..., Result]]:
    """Make an asynchronous method a keyword that runs on the run's event loop.

    Args:
        name: the keyword's name, where it is not the method's; may hold embedded arguments.
        within: seconds after which the step is cancelled and fails; a longer `timeout` of the suite extends them.
        tags: keyword tags.
    """

    def decorate(method: Callable[..., Coroutine[Any, Any, Result]]) -> Callable[..., Result]:
        @functools.wraps(method)
        def call(self: object, *args: Any, **kwargs: Any) -> Result:
            return the_run().wait(method(self, *args, **kwargs), within=_bound(within, kwargs))

        return keyword(name, tags=tags)(call)

    return decorate


def _bound(within: float, given: Mapping[str, Any]) -> float:
    return max(within, seconds_of(given["timeout"]) + REPORTED_SECONDS) if "timeout" in given else within


@dataclass(frozen=True)
class Observed:
    """What a getter read: the value, its name in messages, such as `status of job 7f3`, and where to look."""

    value: Any
    what: str
    look: str = ""


def getter(*, within: float = 60.0, tags: tuple[str, ...] = ()) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a method that returns what it `Observed` a getter, which can assert.

    The keyword takes, behind the method's own positional arguments, an assertion operator and the expected value, and
    `message` by name; it returns the value. An asynchronous method runs on the run's event loop, as a step does.
    """

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        own = inspect.signature(method)
        asserting = [
            inspect.Parameter(name, kind, default=None)
            for name, kind in (
                ("assertion_operator", inspect.Parameter.POSITIONAL_OR_KEYWORD),
                ("assertion_expected", inspect.Parameter.POSITIONAL_OR_KEYWORD),
                ("message", inspect.Parameter.KEYWORD_ONLY),
            )
        ]
        signature = own.replace(parameters=sorted([*own.parameters.values(), *asserting], key=lambda one: one.kind))

        @functools.wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs).arguments
            operator, expected, message = (given.pop(one.name, None) for one in asserting)
            result = method(**given)
            waited = inspect.iscoroutine(result)
            observed = the_run().wait(result, within=_bound(within, given)) if waited else result
            return checked(observed.value, operator, expected, observed.what, message=message, look=observed.look)

        types = {"assertion_operator": AssertionOperator | None, "assertion_expected": Any, "message": str | None}
        call.__signature__ = signature  # type: ignore[attr-defined]
        call.__annotations__ = {**method.__annotations__, **types, "return": Any}
        return keyword(tags=tags)(call)

    return decorate


def checked(
    value: Any,
    operator: AssertionOperator | None,
    expected: Any,
    what: str,
    *,
    message: str | None = None,
    look: str = "",
) -> Any:
    """The value of a getter, compared where an operator is given.

    Args:
        what: names the value in the message, such as `status of job 7f3`.
        message: replaces the message of a failed comparison.
        look: where to look, such as `GET /documents, request 9ab`.

    Raises:
        Violation: the comparison does not hold.
    """
    logger.info(f"{what}: {shown(value)}" + (f"; {look}" if look else ""))
    run = opened_run()
    if run is not None:
        run.context.looks += operator is not None
    if isinstance(value, int | float) and isinstance(expected, str):
        with suppress(ValueError):  # `>    0` means the number
            expected = float(expected)
    try:
        return verify_assertion(value, operator, expected, what)
    except AssertionError:
        assert operator is not None
        if isinstance(value, list) and isinstance(expected, str) and operator.name == "equal":
            advice = "use `contains`, or compare with a list: ${{['…']}}"
            raise SuiteError(
                f"{what} is a list of {len(value)}, compared with the text {shown(expected)}: {advice}"
            ) from None
        wanted, seen = compared(expected, value) if operator.name == "equal" else (_text(expected), _text(value))
        wanted = f"{operator.name} {wanted}".removeprefix("equal ")
        raise violation(message or what, expected=wanted, observed=seen, look=look) from None


def compared(expected: Any, observed: Any) -> tuple[str, str]:
    """Two values that differ, in words: of lists and sets what is missing and what is too much, before the whole."""
    if isinstance(expected, list | tuple | set) and isinstance(observed, list | tuple | set) and expected and observed:
        wanted, seen = Counter(map(_text, expected)), Counter(map(_text, observed))
        missing, beside = list((wanted - seen).elements()), list((seen - wanted).elements())
        parts = [f"{word} {_some(texts)}" for word, texts in (("missing", missing), ("unexpected", beside)) if texts]
        parts = parts or ["the same in another order"]
        return cut(_text(expected)), f"{', '.join(parts)}; in all {len(observed)}: {cut(_text(observed))}"
    if isinstance(expected, str) and isinstance(observed, str) and _look_alike(expected, observed):
        return ascii(expected), ascii(observed)
    return _text(expected), _text(observed)


def _some(texts: list[str]) -> str:
    counted = [cut(text) + (f" ({count} times)" if count > 1 else "") for text, count in Counter(texts).items()]
    return "; ".join(counted[:LISTED]) + (f"; and {len(counted) - LISTED} more" if len(counted) > LISTED else "")


def _look_alike(one: str, other: str) -> bool:
    return unicodedata.normalize("NFKC", one).strip() == unicodedata.normalize("NFKC", other).strip()


def _text(value: Any) -> str:
    """A value in a message; of a list of lines, the lines."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return cut("; ".join(value) or "none", LONGEST)
    return f"'{cut(visible(value), LONGEST)}'" if isinstance(value, str) else shown(value, LONGEST)


def user_named(name: Actor) -> User:
    """The user that this test knows by a name; None is the active user, and a user stands for itself.

    Raises:
        SuiteError: no user of that name was created in this test.
    """
    if isinstance(name, User):
        return name
    context = the_run().context
    if name is None and context.active is None:
        raise SuiteError("no user is active: use 'Create User' before, or name one by 'user='")
    wanted = context.active if name is None else name
    if wanted not in context.users:
        known = ", ".join(context.users) or "none"
        raise SuiteError(
            f"no user '{wanted}' in this test (known: {known}): use 'Create User    {wanted}' before, or, for another"
            f" session of a user, 'Sign In    {next(iter(context.users), 'Alice')}    session={wanted}'"
        )
    return context.users[wanted]


def seconds_of(duration: Duration) -> float:
    """A duration in seconds, however the suite wrote it."""
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)


def know_user(name: str, user: User) -> User:
    """Make a user known to this test by a name; it becomes the active one."""
    context = the_run().context
    context.users[name], context.active = user, name
    return user
