"""Defects of error responses: they disclose what is inside."""

from __future__ import annotations

import traceback
from dataclasses import replace

import psycopg

from sandbox.app import errors
from sandbox.app.errors import ApiError, Unavailable
from sandbox.defects import defect, mark_active, patch
from sandbox.supabase import storage

READ = "bodies of refusals are read there"


@defect("stack-trace-in-a-refusal", "ERR", must=["ERR-09"], may={"ERR-01": READ, "ERR-04": READ, "ERR-06": READ})
def stack_trace_in_a_refusal() -> None:
    """The handler of debugging is left on: whatever is unavailable is answered with its stack trace."""
    unavailable = errors.unavailable

    def debug(error: Unavailable) -> ApiError:
        mark_active()
        return replace(unavailable(error), message="".join(traceback.format_exception(error)))

    patch(errors, "unavailable", debug)


@defect("database-message-passed-on", "ERR", must=["ERR-09"], may={"ERR-01": READ})
def database_message_passed_on() -> None:
    """The message of the database driver, with its address, is added to the message for the user."""
    unavailable = errors.unavailable

    def explain(error: Unavailable) -> ApiError:
        refusal = unavailable(error)
        if not isinstance(error.__cause__, psycopg.Error):
            return refusal
        mark_active()
        return replace(refusal, message=f"{refusal.message} ({error.__cause__})")

    patch(errors, "unavailable", explain)


@defect("model-message-passed-on", "ERR", must=["ERR-09"], may={"ERR-03": READ})
def model_message_passed_on() -> None:
    """What the model's provider answers is passed on to the user, as its client words it."""
    unavailable = errors.unavailable

    def explain(error: Unavailable) -> ApiError:
        refusal = unavailable(error)
        if error.service != "model" or error.__cause__ is None:
            return refusal
        mark_active()
        return replace(refusal, message=f"{type(error.__cause__).__name__}('{error.__cause__}')")

    patch(errors, "unavailable", explain)


@defect("refused-upload-names-a-path", "ERR", must=["ERR-09"], may={"ERR-07": READ})
def refused_upload_names_a_path() -> None:
    """A refused upload is answered with the place where its bytes would lie."""
    forbidden = storage.forbidden

    def explain() -> ApiError:
        mark_active()
        return replace(forbidden(), message="PermissionError: '/var/lib/storage/documents/incoming' is not writable")

    patch(storage, "forbidden", explain)
