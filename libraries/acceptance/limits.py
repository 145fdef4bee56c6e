"""What the deployment allows: by its `limits` route, else by the descriptor; what neither says is taken as enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from acceptance.deployment.descriptor import StatedLimits
from acceptance.errors import CapabilityMissing, NotOffered
from acceptance.fixtures.documents import FileKinds
from acceptance.fixtures.users import User
from acceptance.run import Run

ROUTE = "routes.limits"
UPLOADS = "max_uploads_per_day_per_user"
JOBS = "max_concurrent_jobs_per_user"
TYPES = "supported_mime_types"
KINDS = f"limits.{TYPES}"  # as it is named where a document is of another kind
JOBS_AT_ONCE = 3  # of a user, where the deployment allows so many


@dataclass(frozen=True)
class DeploymentLimits:
    """Limits by the contract's words for them."""

    values: Mapping[str, int]
    kinds: FileKinds | None = None  # of files that may be uploaded; None: not known

    def get(self, word: str) -> int | None:
        """A limit; None where it is not known."""
        return self.values.get(word)

    def __getitem__(self, word: str) -> int:
        """A limit; raises NotOffered where neither route nor descriptor says it."""
        if word not in self.values:
            raise NotOffered(f"{ROUTE}.answer.{word}")
        return self.values[word]

    def at_most(self, word: str, wanted: int) -> int:
        """As much as is wanted, within a limit."""
        return min(wanted, self.values.get(word, wanted))


async def limits_of(run: Run) -> DeploymentLimits:
    """The limits of the deployment, asked for once in a run."""
    return await run.once("limits", lambda: _read(run))


async def _read(run: Run) -> DeploymentLimits:
    stated: dict[str, Any] = run.descriptor.limits.model_dump(exclude_none=True)
    if run.contract.offers(ROUTE):
        response = await run.client.call("limits")
        stated |= {word: response[word] for word in StatedLimits.model_fields if word in response.paths}
    kinds = FileKinds.stated(stated.pop(TYPES, ()))
    return DeploymentLimits(stated, kinds)


async def need_upload(run: Run, user: User) -> None:
    """Raises CapabilityMissing where the limit leaves the user no upload today, or the budget no document."""
    run.client.throttle.need("documents")
    limit = (await limits_of(run)).get(UPLOADS)
    if limit is not None and user.uploads >= limit:
        raise CapabilityMissing("uploads", f"of which {UPLOADS} allows {limit}: {user.email} has had them")


async def owners(run: Run, user: User, documents: int) -> list[User]:
    """Who uploads each of so many documents: the user, and new users where the limit leaves the user too few."""
    limit = (await limits_of(run)).get(UPLOADS)
    if limit is None:
        return [user] * documents
    found = [user] * max(0, limit - user.uploads)
    while len(found) < documents:
        found += [await run.users.signed_in()] * limit
    return found[:documents]
