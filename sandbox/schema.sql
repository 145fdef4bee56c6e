-- The schema of the sandbox, run once by the superuser. Names in `app` and `storage` are those of variables/contract.yaml.

create schema auth;
create schema storage;
create schema app;

-- Authentication: tokens are kept as hashes only, and whatever belongs to a user goes with the user.

create table auth.users (
  id uuid primary key default gen_random_uuid(),
  email text not null unique,
  password_hash text not null,
  app_metadata jsonb not null default '{}',
  created_at timestamptz not null default now()
);

create table auth.sessions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users on delete cascade,
  created_at timestamptz not null default now(),
  revoked_at timestamptz
);
create index on auth.sessions (user_id);

create table auth.refresh_tokens (
  token_hash bytea primary key,
  session_id uuid not null references auth.sessions on delete cascade,
  created_at timestamptz not null default now(),
  used_at timestamptz
);
create index on auth.refresh_tokens (session_id);

-- Documents and their processing.

create table app.documents (
  id uuid primary key,
  user_id uuid not null references auth.users on delete cascade,
  filename text not null,
  bytes_len bigint not null,
  mime text not null,
  sha256 text not null,
  ocr boolean not null default false,
  storage_path text not null unique,
  upload_expires_at timestamptz not null,
  stored_at timestamptz,
  parser text,
  parser_job_id text,
  parsed_text text,
  created_at timestamptz not null default now()
);
create index on app.documents (user_id, sha256);   -- one a user: the upload decides, holding the user's lock

create table app.jobs (
  id uuid primary key default gen_random_uuid(),
  document_id uuid not null unique references app.documents on delete cascade,
  status text not null,
  state text not null check (state in ('queued', 'working', 'retryable', 'done', 'deadletter')),
  sequence integer not null default 0,
  attempts integer not null default 0,
  retry_count integer not null default 0,
  failures integer not null default 0,           -- retryable faults in a row: what the back-off grows with
  waiting boolean not null default false,        -- for the parser, without a lease
  woken boolean not null default false,          -- the parser called while the job was not waiting yet
  run_after timestamptz not null default now(),
  lease uuid,
  lease_until timestamptz,
  last_error jsonb,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index on app.jobs (run_after) where state in ('queued', 'working', 'retryable');

create table app.job_events (
  job_id uuid not null references app.jobs on delete cascade,
  sequence integer not null,
  status text not null,
  state text not null,
  at timestamptz not null default clock_timestamp(),
  primary key (job_id, sequence)
);

create table app.chunks (
  id uuid primary key default gen_random_uuid(),
  document_id uuid not null references app.documents on delete cascade,
  ordinal integer not null,
  start_offset integer not null,
  end_offset integer not null,
  text text not null,
  terms tsvector not null generated always as (to_tsvector('english', text)) stored,
  unique (document_id, ordinal)
);

create table app.vectors (
  chunk_id uuid primary key references app.chunks on delete cascade,
  model text not null,
  embedding vector not null
);

create table app.daily_uploads (
  user_id uuid not null references auth.users on delete cascade,
  day date not null,
  uploads integer not null,
  primary key (user_id, day)
);

create table app.workers (
  id text primary key,
  build text not null,
  at timestamptz not null
);

-- Conversations. A workflow is the work on one message; it is there before its conversation is.

create table app.conversations (
  id uuid primary key,
  user_id uuid not null references auth.users on delete cascade,
  title text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index on app.conversations (user_id);

create table app.messages (
  id bigint generated always as identity primary key,
  conversation_id uuid not null references app.conversations on delete cascade,
  role text not null check (role in ('user', 'assistant')),
  content text not null,
  sources jsonb not null default '[]',
  created_at timestamptz not null default now()
);
create index on app.messages (conversation_id);

create table app.workflows (
  id uuid primary key,
  user_id uuid not null references auth.users on delete cascade,
  conversation_id uuid references app.conversations on delete cascade,
  sequence integer not null default 0,
  begun_at timestamptz not null default now(),
  ended boolean not null default false,
  created_at timestamptz not null default now()
);
create index on app.workflows (begun_at) where not ended;
create index on app.workflows (user_id);
create index on app.workflows (conversation_id);

create table app.workflow_events (
  workflow_id uuid not null references app.workflows on delete cascade,
  sequence integer not null,
  type text not null,
  body jsonb not null,
  at timestamptz not null default clock_timestamp(),
  primary key (workflow_id, sequence)
);

-- Storage. The contents are not worth compressing again.

create table storage.objects (
  path text primary key,
  owner uuid not null references auth.users on delete cascade,
  content_type text not null,
  length bigint not null,
  sha256 text not null,
  content bytea not null,
  created_at timestamptz not null default now()
);
alter table storage.objects alter column content set storage external;
create index on storage.objects (owner);

-- Bytes are taken for a document that is there, as row-level security decides it in the cloud, and they set its job going.
create function app.take_object() returns trigger language plpgsql security definer set search_path = '' as $$
declare
  document uuid;
begin
  update app.documents d set stored_at = now() where d.storage_path = new.path and d.user_id = new.owner returning d.id into document;
  if document is null then
    raise insufficient_privilege using message = 'no document waits for this object';
  end if;
  update app.jobs j set run_after = now() where j.document_id = document;
  perform pg_notify('jobs', document::text);
  return new;
end $$;
create trigger take_object before insert on storage.objects for each row execute function app.take_object();

grant usage on schema app, auth to application;
grant select, insert, update, delete on all tables in schema app to application;
grant select on auth.sessions to application;

grant usage on schema auth, storage to service;
grant select, insert, update, delete on all tables in schema auth, storage to service;

grant usage on schema app, storage to inspector;
grant select on all tables in schema app to inspector;
grant select on storage.objects to inspector;
grant pg_read_all_stats to inspector;

-- The operator breaks things on purpose: ends the connections of others, locks tables, and opens as many as there may be.
grant pg_signal_backend, pg_read_all_stats to operator;
grant usage on schema app to operator;
do $$ begin
  execute format('grant %s on all tables in schema app to operator',
    case when current_setting('server_version_num')::int >= 170000 then 'maintain' else 'update' end);
end $$;
