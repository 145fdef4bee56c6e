"""Recovery, timed from outside: since the fault was undone until every probe is answered as documented."""

from __future__ import annotations

import time
from collections.abc import Awaitable

from acceptance import chat
from acceptance.errors import NoAnswer, Violation
from acceptance.experiments.steady_state import health_problems, quick_routes, token_for
from acceptance.fixtures.users import User
from acceptance.polling import together, wait_until
from acceptance.run import Run

EVERY_SECONDS = 0.1


async def until_recovered(run: Run, user: User, since: float, within: float, question: str = "") -> None:
    """Wait until every probe is answered as documented and health calls everything well.

    Probes are the quick routes, a sign-in, and the health document. They are sent together, again and again; where all
    are answered, a question is asked.

    Args:
        question: of a document that the user has; empty: none is asked.
        since: when the fault was undone, by the monotonic clock.
        within: seconds from then on.

    Raises:
        AssertionError: it does not recover in time; names the probes that still fail.
    """
    await wait_until(
        lambda: _failing(run, user, question), lambda problems: not problems, what="recovery: every probe is answered",
        within=max(0.0, since + within - time.monotonic()), every=EVERY_SECONDS, describe="; ".join,
    )  # fmt: skip


async def _failing(run: Run, user: User, question: str) -> list[str]:
    """What is wrong with the probes, a line each."""
    calls = [run.client.call(route, token=token_for(run, route, user)) for route in quick_routes(run)]
    if run.contract.offers("routes.login"):
        calls.append(run.client.call("login", body={"email": user.email, "password": user.password}))
    looks = [_answered(call) for call in calls]
    looks += [health_problems(run)] if run.contract.offers("routes.health") else []
    problems = [problem for found in await together(*map(_problems, looks)) for problem in found]
    if not problems and question and run.contract.offers("routes.chat"):
        return await _problems(_answered(chat.send(run, user, question)))
    return problems


async def _answered(call: Awaitable[object]) -> list[str]:
    """No problem: the call was answered as documented, or it raises."""
    await call
    return []


async def _problems(look: Awaitable[list[str]]) -> list[str]:
    """What a look finds wrong; that it was not answered, or otherwise than documented, is one problem."""
    try:
        return await look
    except (Violation, NoAnswer) as error:
        return [str(error)]
