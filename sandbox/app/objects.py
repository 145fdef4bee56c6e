"""The storage service as the application calls it, with the service key."""

from __future__ import annotations

from typing import Any, Final

import httpx

from sandbox.app import edge
from sandbox.app.database import bounded
from sandbox.app.errors import Unavailable
from sandbox.settings import Settings

BUCKET: Final = "documents"
CALL_SECONDS: Final = 6.0


class ObjectStorage:
    """The client of one process. Every failure raises Unavailable."""

    def __init__(self, settings: Settings) -> None:
        key = settings.service_role_key
        self._url, self._public_url = settings.storage_link, settings.storage_url
        self._http = edge.client()
        self._http.headers.update({"apikey": key, "authorization": f"Bearer {key}"})

    async def close(self) -> None:
        await self._http.aclose()

    async def sign(self, document: dict[str, Any]) -> str:
        """A signed address to which exactly this document can be uploaded, once, until it expires."""
        claims = {
            "owner": str(document["user_id"]),
            "length": document["bytes_len"],
            "sha256": document["sha256"],
            "content_type": document["mime"],
            "expires_at": document["expires_at"].timestamp(),
        }
        answer = await self._call("POST", f"/object/upload/sign/{BUCKET}/{document['path']}", json=claims)
        try:
            return self._public_url + str(answer.json()["url"])
        except (ValueError, TypeError, KeyError) as error:
            raise Unavailable("storage") from error

    async def fetch(self, path: str, mime: str) -> bytes:
        """The stored bytes, of this type: anything else is not from the storage."""
        answer = await self._call("GET", f"/object/authenticated/{BUCKET}/{path}")
        if answer.headers.get("content-type") != mime:
            raise Unavailable("storage")
        return answer.content

    async def remove(self, path: str) -> None:
        """Remove the stored bytes; missing ones are no error."""
        await self._call("DELETE", f"/object/{BUCKET}/{path}")

    async def _call(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            answer = await bounded(self._http.request(method, self._url + path, **request), CALL_SECONDS)
            answer.raise_for_status()
        except (httpx.HTTPError, TimeoutError) as error:
            raise Unavailable("storage") from error
        return answer
