"""Defects of the database: slow queries, slow connections and locks."""

from __future__ import annotations

from pathlib import Path

from sandbox import postgres
from sandbox.defects import Rewritten, defect, mark_active, patch, patch_query
from sandbox.worker import main as worker

LAST_GRANT = "grant pg_read_all_stats to inspector;"
SEEN_BY_ALL = "closing looks at the same rows"


class _Grown(Rewritten):
    """The schema with additional statements; the defect is active when it is run."""

    def __init__(self, path: Path, more: str) -> None:
        super().__init__(path, LAST_GRANT, LAST_GRANT + more)

    def read_bytes(self) -> bytes:
        mark_active()
        return super().read_bytes()


@defect("query-without-its-index", "PERF", must=["PERF-11"], may={"INT-14": SEEN_BY_ALL})
def query_without_its_index() -> None:
    """Row-level security looks up each chunk in a large table without the necessary index."""
    rows = """
create table app.withdrawn (document_id uuid not null, at timestamptz not null default now());
insert into app.withdrawn (document_id) select gen_random_uuid() from generate_series(1, 200000);
analyze app.withdrawn;

create function app.may_be_read(asked uuid) returns boolean language plpgsql stable security definer as $$
begin
  return not exists (select from app.withdrawn w where w.document_id = asked);
end $$;
alter table app.chunks enable row level security;
create policy all_of_it on app.chunks to application using (true);
create policy what_may_be_read on app.chunks for select to inspector using (app.may_be_read(document_id));
"""
    patch(postgres, "SCHEMA", _Grown(postgres.SCHEMA, rows))


@defect("a-login-searches-all-logins", "PERF", must=["PERF-11"], may={"INT-14": SEEN_BY_ALL})
def a_login_searches_all_logins() -> None:
    """A login trigger queries a directory for each role, and the connection waits for it."""
    trigger = """
create function app.note_login() returns event_trigger language plpgsql as $$
begin
  if session_user = 'inspector' then
    perform pg_sleep(0.2);
  end if;
end $$;
create event trigger note_login on login execute function app.note_login();
"""
    patch(postgres, "SCHEMA", _Grown(postgres.SCHEMA, trigger))


@defect("sweeping-locks-the-table", "PERF", must=["PERF-11"], may={"INT-14": SEEN_BY_ALL})
def sweeping_locks_the_table() -> None:
    """The removal of abandoned uploads locks the whole table for some time, every second."""
    swept = worker.SWEEP
    patch(worker, "SWEEP_BEATS", 1)
    patch_query(
        worker,
        "SWEEP",
        swept,
        f"do $$ begin lock table app.documents in access exclusive mode; {swept}; perform pg_sleep(0.7); end $$",
    )
