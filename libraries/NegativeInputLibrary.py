"""Negative inputs of `variables/nonsense.yaml`: something wrong for each parameter of each route."""

from __future__ import annotations

from typing import Any, Literal

from acceptance.checks import input_validation, limits_enforced
from acceptance.checks.fixtures import UserData
from acceptance.checks.negative_inputs import expanded
from acceptance.errors import SuiteError
from acceptance.fixtures.documents import PDF
from acceptance.limits import limits_of
from acceptance.uploads import Upload
from robot.api.deco import library
from robot_run.keywords import Actor, Observed, getter, keyword, step, user_named
from robot_run.lifecycle import the_run


@library(scope="GLOBAL", version="1.0.0")
class NegativeInputLibrary:
    """Sends what must be refused, one thing wrong at a time, and the valid counterpart."""

    @getter()
    def get_uncovered_parameters(self) -> Observed:
        """Returns each name in the negative inputs that is none of a kind, or of a status of the contract.

        | Get Uncovered Parameters    ==    ${NO PROBLEMS}
        """
        return Observed(input_validation.negative_inputs().gaps(), "names that mean nothing")

    @step(within=120)
    async def send_negative_inputs(self, route: str, *, data: UserData, upload: Upload | None = None) -> int:
        """Calls a route with everything that is wrong for each parameter and the body; fails naming each not refused.

        - ``data``: of the user who calls; it fills the path.
        - ``upload``: whose signed address is called, for the route that takes bytes.

        Returns the number of calls, each of which had the exact status of the contract; 0 where it says too little.

        | ${calls} =    Send Negative Inputs    chat    data=${data}
        """
        return await input_validation.send_negative_inputs(the_run(), route, data, upload)

    @step()
    async def send_valid_input(self, route: str, *, data: UserData) -> bool:
        """Calls a route with its valid counterpart, so that a refusal was for what was wrong; removes what it made.

        Returns whether the route has one.

        | Send Valid Input    upload    data=${data}
        """
        return await input_validation.send_valid_input(the_run(), route, data.owner, data.identifiers)

    @step(within=300)
    async def upload_one_too_many(self, limit: Literal["jobs at once", "uploads a day"], *, user: Actor = None) -> int:
        """Uploads as a limit of the deployment allows, and one more, which must be refused.

        Returns how many were accepted. Of a limit above 10 it is seen that 10 jobs are accepted at once; so many
        uploads a day are not tried: 0.

        | Upload One Too Many    jobs at once    user=Alice
        """
        tried = limits_enforced.jobs_at_once if limit == "jobs at once" else limits_enforced.uploads_a_day
        return await tried(the_run(), user_named(user))

    @keyword()
    def get_negative_values(self, kind: str) -> dict[str, Any]:
        """Returns the wrong values of a kind of parameter, such as ``identifier`` or ``sequence``, by what is wrong.

        | &{identifiers} =    Get Negative Values    identifier
        """
        values = input_validation.negative_inputs().kinds[kind].nonsense
        return {what: expanded(value) for what, value in values.items()}

    @step()
    async def get_odd_file_names(self) -> dict[str, str]:
        """Returns names of PDF files that are odd and allowed, by what is odd; one at least.

        Each ends as it has to where the deployment knows a file's kind by that.

        | &{names} =    Get Odd File Names
        """
        names = input_validation.negative_inputs().kept_filenames
        if not names:
            raise SuiteError("no odd file name to try")
        kinds = (await limits_of(the_run())).kinds
        odd = {what: str(expanded(name)) for what, name in names.items()}
        longest = max(map(len, odd.values()))
        return {what: kinds.named(name, PDF, longest) if kinds else name for what, name in odd.items()}
