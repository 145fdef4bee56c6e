"""The dialect `plain`: FastAPI without realtime, with sign-in at Supabase itself and a gateway before the front end.

Every route asks the application within, in the name of the caller, and translates its answer.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote
from uuid import UUID

import httpx
from fastapi import APIRouter, Depends, FastAPI, Query, Security
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox import frontend, serving
from sandbox.app import chat, edge, jobs, tokens, webhook
from sandbox.app import main as application
from sandbox.app.access import Bearer
from sandbox.app.errors import ApiError
from sandbox.app.fields import Body, Count, Percent, Text, described
from sandbox.balancer import Balancer, api_ports
from sandbox.services import Service
from sandbox.settings import API_INSTANCES, Settings
from sandbox.supabase import main as supabase

CONTRACT: Final = Path(__file__).parents[2] / "variables" / "contracts" / "plain.yaml"
HOOK: Final = "/hooks/parser"
CONFIGURED: Final[dict[str, Any]] = {
    "max_uploads_per_day_per_user": 3, "max_concurrent_jobs_per_user": 2, "parser_webhook": HOOK,
}  # fmt: skip
DOCUMENTS: Final = "/api/documents"
FORM_BYTES: Final = 65_536  # of a form around its file
GATEWAY_HEADER: Final = "x-gateway-key"
STAGES: Final = {
    "uploaded": "RECEIVED", "parse_queued": "PARSING", "parsed": "PARSED", "parse_validated": "TEXT_READY",
    "chunking": "SPLITTING", "chunks_stored": "SPLIT", "embedding_queued": "EMBEDDING_QUEUED",
    "embedding_in_progress": "EMBEDDING", "embeddings_stored": "EMBEDDED", "complete": "READY",
    "failed_parse": "PARSING_FAILED", "failed_chunking": "SPLITTING_FAILED", "failed_embedding": "EMBEDDING_FAILED",
}  # fmt: skip
STATES: Final = {
    "queued": "waiting", "working": "running", "retryable": "retrying", "done": "finished", "deadletter": "failed",
}  # fmt: skip
CHECKS: Final = {
    "database": "database", "authentication": "auth", "storage": "files", "parser": "parser", "model": "model",
}  # fmt: skip
LIMITS: Final = {
    "max_file_size_bytes": "file_bytes", "max_concurrent_jobs_per_user": "jobs_at_once",
    "max_uploads_per_day_per_user": "uploads_a_day",
}  # fmt: skip
PDF: Final = "application/pdf"
KINDS: Final = {".pdf": PDF, ".txt": "text/plain"}  # the application within knows the first alone
PASSED_ON: Final = (b"authorization", b"traceparent", b"content-type", webhook.HEADER.lower().encode())
PASSED_BACK: Final = ("retry-after", "www-authenticate")
ESCAPED: Final = re.compile(r"%(0[0-9A-Fa-f]|1[0-9A-Fa-f]|22)")  # what clients escape in the file name of a form
PAGE: Final = "<!doctype html><html lang=en><title>Documents</title><h1>Documents</h1><p>Ask what your documents say."
SESSION: Final = ("bad_jwt", "session_not_found")
BEARER: Final = "This endpoint requires a valid Bearer token"
FILE: Final = {"type": "string", "contentMediaType": "application/octet-stream"}
FORM_SCHEMA: Final = {"type": "object", "required": ["file"], "properties": {"file": FILE}}
FORM: Final = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM_SCHEMA}}}}

Stage = Annotated[str, described(enum=list(STAGES.values()))]
State = Annotated[str, described(enum=list(STATES.values()))]

router: Final = APIRouter()


class Refused(BaseModel):
    detail: str


REFUSED: Final[dict[str, Any]] = {"model": Refused}


class Condition(BaseModel):
    ok: bool


class Health(BaseModel):
    status: Literal["ok", "degraded"]
    env: str
    version: str
    checks: dict[str, Condition]


class Limits(BaseModel):
    file_bytes: int
    file_types: list[str]
    jobs_at_once: int
    uploads_a_day: int


class JobReference(BaseModel):
    id: UUID


class Uploaded(BaseModel):
    id: UUID
    job: JobReference


class Failure(BaseModel):
    message: str


class Job(BaseModel):
    id: UUID
    document: UUID
    stage: Stage
    state: State
    percent: Percent
    error: Failure | None


class JobList(BaseModel):
    items: list[Job]
    limit: int
    offset: int
    total: int


class Document(BaseModel):
    id: UUID
    name: str
    size: int
    type: str
    stage: Stage
    state: State


class Question(Body):
    question: Annotated[Text, Field(min_length=1, max_length=chat.MESSAGE_CHARACTERS, pattern=r"\S")]
    thread: Annotated[UUID | None, Field(strict=False)] = None


class Answer(BaseModel):
    """`sources` are the names of the documents that say so."""

    answer: str
    thread: UUID
    sources: list[str]
    model: str


class Thread(BaseModel):
    id: UUID
    title: str
    messages: Count


class ThreadList(BaseModel):
    threads: list[Thread]


@dataclass(frozen=True)
class Caller:
    """The application within, asked in the name of who calls."""

    within: httpx.AsyncClient
    headers: list[tuple[bytes, bytes]]

    async def ask(self, method: str, path: str, **request: Any) -> Any:
        """The JSON of its answer; its refusal in FastAPI's form."""
        given = [one for one in self.headers if one[0] != b"content-type" or "content" in request]
        answer = await self.within.request(method, path, headers=given, **request)
        if answer.is_error:
            raise refusal(answer)
        return answer.json() if answer.content else None


def anyone(request: Request) -> Caller:
    passed = [(name, value) for name, value in request.headers.raw if name in PASSED_ON]
    return Caller(request.app.state.within, [*passed, (b"x-request-id", request.state.request_id.encode())])


def signed_in(request: Request, bearer: Bearer) -> Caller:
    """The caller, before anything of the request is looked at; whether the session goes on is asked within."""
    tokens.verify(bearer.credentials if bearer else "", request.app.state.settings.jwt_secret)
    return anyone(request)


Anyone = Annotated[Caller, Depends(anyone)]
SignedIn = Annotated[Caller, Depends(signed_in)]


@router.get("/health")
async def health(caller: Anyone) -> Health:
    found = await caller.ask("GET", "/health")
    checks = {name: Condition(ok=found["services"][ours] == "healthy") for ours, name in CHECKS.items()}
    status: Literal["ok", "degraded"] = "ok" if found["status"] == "healthy" else "degraded"
    return Health(status=status, env=found["environment"], version=found["version"], checks=checks)


@router.get("/api/limits")
async def limits(caller: Anyone) -> Limits:
    found = await caller.ask("GET", "/api/upload-pipeline/upload/limits")
    return Limits(file_types=list(KINDS), **{name: found[ours] for ours, name in LIMITS.items()})


@router.post(
    DOCUMENTS, status_code=202, openapi_extra=FORM, responses=dict.fromkeys((409, 413, 415, 429, 503), REFUSED)
)
async def upload(request: Request, caller: SignedIn) -> Uploaded:
    """Take a document as the field `file` of a form, and process it."""
    name, content = file_of(request.headers.get("content-type", ""), await request.body())
    announcement = {"filename": name, "bytes_len": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    announcement["mime"] = PDF if kind_of(name) == PDF or (kind_of(name) and b"\0" not in content) else "none of these"
    announced = await caller.ask("POST", "/api/upload-pipeline/upload", json=announcement)
    try:
        stored = await request.app.state.storage.put(announced["signed_url"], content=content)
        stored.raise_for_status()
    except httpx.HTTPError as error:
        await caller.ask("DELETE", f"/documents/{announced['document_id']}")
        raise HTTPException(503, "The document could not be stored.", {"retry-after": "2"}) from error
    return Uploaded(id=announced["document_id"], job=JobReference(id=announced["job_id"]))


@router.get(DOCUMENTS + "/{document_id}", responses={404: REFUSED})
async def document(document_id: UUID, caller: SignedIn) -> Document:
    found = await caller.ask("GET", f"/documents/{document_id}/status")
    about = {"id": found["document_id"], "name": found["filename"], "size": found["bytes_len"]}
    return Document(
        **about, type=kind_of(found["filename"]), stage=STAGES[found["status"]], state=STATES[found["state"]]
    )


@router.get("/api/jobs")
async def job_list(
    caller: SignedIn,
    limit: Annotated[int, Query(ge=1, le=jobs.MOST_A_PAGE)] = 20,
    offset: Annotated[int, Query(ge=0, le=jobs.MOST_SKIPPED)] = 0,
) -> JobList:
    found = await caller.ask("GET", f"/api/upload-pipeline/jobs?limit={limit}&offset={offset}")
    return JobList(
        items=[job_of(one) for one in found["jobs"]], limit=limit, offset=offset, total=found["pagination"]["total"]
    )


@router.get("/api/jobs/{job_id}", responses={404: REFUSED})
async def job(job_id: UUID, caller: SignedIn) -> Job:
    return job_of(await caller.ask("GET", f"/api/upload-pipeline/jobs/{job_id}"))


@router.post("/api/ask", responses={404: REFUSED})
async def ask(question: Question, caller: SignedIn) -> Answer:
    asked = {"message": question.question, "conversation_id": question.thread and str(question.thread)}
    found = await caller.ask("POST", "/api/chat", json=asked)
    return Answer(
        answer=found["text"],
        thread=found["conversation_id"],
        sources=list(dict.fromkeys(source["title"] for source in found["sources"])),
        model=found["metadata"]["model"],
    )


@router.get("/api/threads")
async def threads(caller: SignedIn) -> ThreadList:
    found = (await caller.ask("GET", "/conversations"))["conversations"]
    return ThreadList(threads=[Thread(id=one.pop("conversation_id"), **one) for one in found])


@router.delete("/api/threads/{thread}", status_code=204, responses={404: REFUSED})
async def forget(thread: UUID, caller: SignedIn) -> None:
    await caller.ask("DELETE", f"/conversations/{thread}")


@router.post(HOOK + "/{job_id}", dependencies=[Security(webhook.SIGNATURE)], responses={401: REFUSED})
async def hook(job_id: str, request: Request, caller: Anyone) -> dict[str, bool]:
    path = f"/api/upload-pipeline/webhook/llamaparse/{quote(job_id, safe='')}"
    return dict(await caller.ask("POST", path, content=await request.body()))


def job_of(found: dict[str, Any]) -> Job:
    """A job in the words of this dialect."""
    return Job(
        id=found["job_id"],
        document=found["document_id"],
        stage=STAGES[found["status"]],
        state=STATES[found["state"]],
        percent=found["progress"]["total_pct"],
        error=found["last_error"] and Failure(message=found["last_error"]["message"]),
    )


def file_of(content_type: str, body: bytes) -> tuple[str, bytes]:
    """Name and bytes of the part `file` of a form; refuses a form that is cut off or has none, as FastAPI does."""
    kind, _, parameters = content_type.partition(";")
    boundary = re.search(r'boundary="?([^";,\s]+)', parameters)
    if kind.strip().lower() == "multipart/form-data" and boundary:
        *parts, end = (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode("latin-1"))
        for part in parts[1:] if end.startswith(b"--") else []:
            head, _, content = part.partition(b"\r\n\r\n")
            names = dict(re.findall(rb'[;\s](name|filename)="((?:\\.|[^"\\])*)"', head))
            if names.get(b"name") == b"file" and b"filename" in names:
                return name_of(names[b"filename"]), content
    raise HTTPException(422, [{"type": "missing", "loc": ["body", "file"], "msg": "Field required"}])  # type: ignore[arg-type]


def kind_of(name: str) -> str:
    """The media type that a file's name ends with; empty where it is none of those accepted."""
    return KINDS.get(Path(name).suffix.lower(), "")


def name_of(written: bytes) -> str:
    """A file name as its form meant it."""
    unescaped = re.sub(rb"\\([\\\"])", rb"\1", written).decode("utf-8", "surrogateescape")
    return ESCAPED.sub(lambda escaped: chr(int(escaped[1], 16)), unescaped)


def refusal(answer: httpx.Response) -> HTTPException:
    """A refusal of the application within, with FastAPI's list where the request is invalid."""
    headers = {name: answer.headers[name] for name in PASSED_BACK if name in answer.headers}
    try:
        body = answer.json()
        message: Any = body.get("error", body)["message"]
    except ValueError:  # a fault that its framework answers
        message = "Internal Server Error"
    if answer.status_code == 422:
        message = [{"type": "value_error", "loc": ["body"], "msg": message}]
    return HTTPException(answer.status_code, message, headers)


def render(error: ApiError, _: HTTPConnection) -> Response:
    """An error of the middleware and of the token."""
    return JSONResponse({"detail": error.message}, error.status, error.headers)


async def refuse(request: Request, error: Exception) -> Response:
    """FastAPI's form of every refusal, without the input; always ASCII, since a message may hold anything."""
    if isinstance(error, ApiError):
        return render(error, request)
    detail: Any = [{"type": "json_invalid", "loc": ["body"], "msg": "JSON decode error"}]
    if isinstance(error, RequestValidationError):
        detail = [{name: one[name] for name in ("type", "loc", "msg")} for one in error.errors()]
    elif isinstance(error, HTTPException) and error.status_code != 400:
        return Response(json.dumps({"detail": error.detail}), error.status_code, error.headers, "application/json")
    return Response(json.dumps({"detail": detail}), 422, media_type="application/json")


def build(within: ASGIApp, settings: Settings) -> FastAPI:
    """The routes of this dialect, on the application within."""
    app = FastAPI(title="Documents", version=settings.version, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.settings, app.state.storage, app.state.within = settings, edge.client(), calling(within)
    app.include_router(router)
    for kind in (ApiError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, refuse)
    return app


class Api:
    """The routes behind their middleware; the application within starts and ends with them."""

    def __init__(self, within: ASGIApp, settings: Settings) -> None:
        self._within, app = within, build(within, settings)
        self._routes = edge.Edge(app, settings.json_body_bytes, render=render)
        self._uploads = edge.Edge(app, settings.max_file_size + FORM_BYTES, render=render)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            answer: ASGIApp = self._within
        else:
            answer = self._uploads if scope["path"] == DOCUMENTS else self._routes
        await answer(scope, receive, send)


class Gateway:
    """The gateway before the front end, and the page behind it."""

    def __init__(self, within: ASGIApp, settings: Settings) -> None:
        self._within, self._key = within, settings.gateway_key
        self._page = HTMLResponse(PAGE, headers={"x-version": settings.version})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: ASGIApp = self._within
        given = Headers(scope=scope).get(GATEWAY_HEADER, "") if scope["type"] == "http" else self._key
        if not hmac.compare_digest(given.encode(), self._key.encode()):
            answer = edge.Refusal(JSONResponse({"message": f"{GATEWAY_HEADER} is missing or wrong"}, 401))
        elif scope.get("path") == "/":
            answer = self._page
        elif scope.get("path") in ("/start", "/api/edge/probe"):
            answer = edge.Refusal(JSONResponse({"detail": "Not Found"}, 404))
        await answer(scope, receive, send)


class Supabase:
    """Supabase's gateway before its authentication, which wants an API key; no session is refreshed or ended."""

    def __init__(self, within: ASGIApp, settings: Settings) -> None:
        self._within, self._calling = within, calling(within)
        self._keys = (settings.anon_key, settings.service_role_key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: ASGIApp = self._within
        if scope["type"] == "http" and scope["path"].startswith("/auth/v1/"):
            answer = await self._answer(Request(scope, receive))
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        key = request.headers.get("apikey", "").encode()
        if not any(hmac.compare_digest(key, known.encode()) for known in self._keys):
            message = "Invalid API key" if key else "No API key found in request"
            return edge.Refusal(JSONResponse({"message": message}, 401))
        if request.url.path == "/auth/v1/logout" or request.query_params.get("grant_type") == "refresh_token":
            return edge.Refusal(gotrue(404, "not_found", "404: Not Found"))
        target = request.scope["raw_path"] + (b"?" + request.scope["query_string"])
        url, headers = httpx.URL("http://within").copy_with(raw_path=target), request.headers.raw
        answer = await self._calling.request(request.method, url, headers=headers, content=request.stream())
        return translated(answer, "authorization" in request.headers)


def translated(answer: httpx.Response, has_bearer: bool) -> Response:
    """An answer of the authentication as GoTrue gives it to an application without refresh."""
    body = answer.json()
    if body.get("error_code") in SESSION:
        return gotrue(403, body["error_code"], body["msg"]) if has_bearer else gotrue(401, "no_authorization", BEARER)
    if isinstance(body.get("error"), dict):  # of the middleware
        body = {"message": body["error"]["message"]}
    body.pop("refresh_token", None)
    return JSONResponse(body, answer.status_code, {"x-request-id": answer.headers["x-request-id"]})


def gotrue(status: int, code: str, message: str) -> Response:
    return JSONResponse({"code": status, "error_code": code, "msg": message}, status)


def calling(within: ASGIApp) -> httpx.AsyncClient:
    """A client of an application in this process."""
    transport = httpx.ASGITransport(within, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://within", timeout=None)


def run_api(settings: Settings) -> None:
    serving.serve(Api(application.create_app(settings), settings), settings.listen())


def run_supabase(settings: Settings) -> None:
    serving.serve(Supabase(supabase.create_app(settings), settings), settings.listen())


def run_frontend(settings: Settings) -> None:
    balancer = Balancer(api_ports(settings))
    served = Gateway(frontend.application(settings), settings), settings.listen()
    serving.serve_all(served, beside=balancer.serve(settings.listen("api")))


RUNS: Final = {**dict.fromkeys(API_INSTANCES, run_api), "supabase": run_supabase, "frontend": run_frontend}
ANSWERS: Final = {
    "supabase": (("supabase", "/storage/v1/status"),),  # the rest wants a key
    "frontend": (("frontend", ""), ("api", "/health")),
}


def services(usual: Sequence[Service]) -> tuple[Service, ...]:
    """The services behind this layer, with the limits of this team."""

    def served(one: Service) -> Service:
        run = RUNS.get(one.name, one.run)
        return replace(one, run=lambda settings: run(replace(settings, **CONFIGURED)))

    return tuple(replace(served(one), answers=ANSWERS.get(one.name, one.answers)) for one in usual)


def describe(settings: Settings, usual: dict[str, Any]) -> dict[str, Any]:
    """The descriptor: no build, no worker, no storage and no realtime can be probed."""
    services = {name: dict(usual["services"][name]) for name in ("frontend", "api", "authentication", "database")}
    for service in services.values():
        service.pop("build", None)
    services["frontend"]["headers"] = {GATEWAY_HEADER: "gateway_key"}
    services["authentication"]["headers"] = {"apikey": "anon_key"}
    return {name: value for name, value in usual.items() if name not in ("build", "edge")} | {
        "name": "plain",
        "contract": str(CONTRACT),
        "services": services,
        "users": "signup",
        "plan": {},
        "secrets": usual["secrets"] | {"gateway_key": "SANDBOX_GATEWAY_KEY"},
    }
