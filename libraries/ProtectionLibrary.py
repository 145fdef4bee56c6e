"""Protected routes: who has no right gets in nowhere, and changes nothing by trying."""

from __future__ import annotations

from typing import Literal

from acceptance.checks import authorization, signed_urls, webhooks
from robot.api.deco import keyword, library
from robot_run.lifecycle import the_run

WITHIN = 120.0
Credential = Literal["none", "garbage", "wrong_signature", "expired", "alg_none", "other_user"]


@library(scope="GLOBAL", version="1.0.0")
class ProtectionLibrary:
    """Tries the matrix of the contract on what Alice really has: a document, its job, a conversation and a workflow."""

    @keyword
    def an_upload_address_is_left_to_expire(self) -> None:
        """Begin what `Expired Address Stores Nothing` looks at, so that it waits less."""
        the_run().wait(signed_urls.leave_to_expire(the_run()))

    @keyword
    def the_matrix_covers_every_route_of_the_contract(self) -> None:
        """Whatever the contract gains must be tried too: a route, a WebSocket, or a kind of bad credential."""
        the_run().wait(authorization.matrix_covers_the_contract(the_run()))

    @keyword
    def nothing_opens_with(self, credential: Credential) -> None:
        """Every route and WebSocket refuses each credential of this kind with exactly its status; nothing changes."""
        the_run().wait(authorization.nothing_opens_with(the_run(), credential), within=WITHIN)

    @keyword
    def the_owner_is_let_in(self) -> None:
        """Alice reads all that is hers, on REST and realtime."""
        the_run().wait(authorization.the_owner_is_let_in(the_run()), within=WITHIN)

    @keyword
    def public_routes_need_no_credential(self) -> None:
        """They answer their success, whatever credential comes with the call."""
        the_run().wait(authorization.public_routes_need_no_credential(the_run()), within=WITHIN)

    @keyword
    def badly_signed_webhooks_change_nothing(self) -> None:
        """Unsigned and wrongly signed ones are refused, of a finished job and of one that waits for its bytes."""
        the_run().wait(webhooks.bad_signatures_change_nothing(the_run()), within=WITHIN)

    @keyword
    def repeated_webhooks_change_nothing(self) -> None:
        """Signed ones of a finished job are taken and move nothing; needs the capability `webhook-secret`."""
        the_run().wait(webhooks.repeats_change_nothing(the_run()), within=WITHIN)

    @keyword
    def repeated_webhooks_do_not_disturb_the_processing(self) -> None:
        """A document completes under them, each status once; needs the capability `webhook-secret`."""
        the_run().wait(webhooks.repeats_while_working_change_nothing(the_run()), within=WITHIN)

    @keyword
    def forged_addresses_store_nothing(self) -> None:
        """Without a signature, with a wrong one, or of another path; the right one still works afterwards."""
        the_run().wait(signed_urls.forged_addresses_store_nothing(the_run()), within=WITHIN)

    @keyword
    def used_address_stores_nothing(self) -> None:
        """Neither the same bytes nor others; what was stored stays."""
        the_run().wait(signed_urls.used_address_stores_nothing(the_run()), within=WITHIN)

    @keyword
    def expired_address_stores_nothing(self) -> None:
        """It works until it expires, and not longer; skipped where that takes more than a minute."""
        the_run().wait(signed_urls.expired_address_stores_nothing(the_run()), within=WITHIN)
