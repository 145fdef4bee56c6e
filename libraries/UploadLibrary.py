"""Documents on their way in: arriving whole, once, and up to the limit."""

from __future__ import annotations

from acceptance.checks import upload_integrity
from acceptance.uploads import Upload
from PeopleLibrary import user
from robot.api.deco import keyword, library
from robot_run.lifecycle import the_run

WITHIN = 60.0


@library(scope="GLOBAL", version="1.0.0")
class UploadLibrary:
    """Steps about uploads; documents are called by their names in `resources/documents/documents.yaml`."""

    @keyword("document ${document} arrives whole")
    def arrives_whole(self, document: str) -> None:
        """The stored bytes are those that were sent, and its owner sees the name, size, type and hash announced."""
        the_run().wait(upload_integrity.whole(the_run(), _stored(document)), within=WITHIN)

    @keyword("the database holds document ${document} for its owner")
    def is_recorded(self, document: str) -> None:
        """The document's row names its owner and what they announced (needs `sql`)."""
        the_run().wait(upload_integrity.recorded_for_owner(the_run(), _stored(document)), within=WITHIN)

    @keyword("${name} cannot upload the same content twice")
    def second_time_is_refused(self, name: str) -> None:
        """While it is processed, afterwards, under another name: refused, naming the first; one document, one job."""
        the_run().wait(upload_integrity.second_time_is_refused(the_run(), user(name)), within=WITHIN)

    @keyword("${one} and ${other} can both upload the same content")
    def everybody_may_send_it(self, one: str, other: str) -> None:
        """Each gets a document and a job of their own."""
        the_run().wait(upload_integrity.everybody_may_send_it(the_run(), [user(one), user(other)]), within=WITHIN)

    @keyword("of the same content sent ${times:\\d+} times at once by ${name} one is taken")
    def sent_at_once(self, times: int, name: str) -> None:
        """One call is answered with a job, each other one with a refusal that names it; one document, one job."""
        the_run().wait(upload_integrity.sent_at_once(the_run(), user(name), times), within=WITHIN)

    @keyword("documents at the limit of ${one}, ${two} and ${three} go through")
    def at_limit(self, one: str, two: str, three: str) -> None:
        """Every stage, in order, and the bytes come back whole; records the throughput of the uploads."""
        users = [user(one), user(two), user(three)]
        the_run().wait(upload_integrity.at_limit(the_run(), users), within=2 * WITHIN)

    @keyword("a document one byte over the limit is refused to ${name}")
    def refused_over_limit(self, name: str) -> None:
        """It is refused when it is announced, and nothing is left of it."""
        the_run().wait(upload_integrity.refused_over_limit(the_run(), user(name)), within=WITHIN)

    @keyword("bytes over the limit are refused to ${name} before they are sent")
    def refused_before_its_bytes(self, name: str) -> None:
        """The address of a small document answers the headers of a large one; the small one can then be sent."""
        the_run().wait(upload_integrity.refused_before_its_bytes(the_run(), user(name)), within=WITHIN)


def _stored(document: str) -> Upload:
    return the_run().wait(upload_integrity.stored(the_run(), document), within=WITHIN)
