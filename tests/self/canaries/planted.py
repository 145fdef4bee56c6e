"""Files with a secret in them, as tools leave them in the folder of a run."""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import tarfile
import zipfile
from pathlib import Path
from urllib.parse import quote_plus

from PIL import Image
from PIL.PngImagePlugin import PngInfo

FOREIGN = "canary-foreign-1357"  # nobody registers it; it is known by where it stands
BORN = "Aa1!canary born <2468> & more"


def plant_all(folder: Path, secret: str) -> None:
    """One file of each kind, in `folder`; each but `screenshot.png` holds the secret in its bytes."""
    (folder / "browser" / "traces").mkdir(parents=True)
    (folder / "load").mkdir()
    (folder / "browser" / "page.har").write_text(json.dumps(_har(secret), indent=1))
    (folder / "browser" / "traces" / "trace.zip").write_bytes(_trace(secret))
    (folder / "browser" / "screenshot.png").write_bytes(picture())
    (folder / "browser" / "speaking.png").write_bytes(picture(secret))
    (folder / "load" / "artillery.log").write_text(f"errors.login: password={secret}\n")
    (folder / "load" / "report.json").write_text(json.dumps({"aggregate": {"errors": {f"sent {secret}": 1}}}))
    (folder / "load" / "events.jsonl").write_text(
        "".join(json.dumps({"at": number, "body": json.dumps({"token": secret})}) + "\n" for number in range(3))
    )
    (folder / "load" / "shard-1.log.gz").write_bytes(gzip.compress(f"sent {quote_plus(secret)}".encode()))
    (folder / "load" / "shards.tar.gz").write_bytes(_tape(secret))
    (folder / "load" / "core.bin").write_bytes(b"\xff\x00\x01" + secret.encode("utf-16-le"))
    (folder / "page.html").write_text(f'<html><input value="{html.escape(secret)}"></html>')
    (folder / "cut.log.gz").write_bytes(gzip.compress(secret.encode() * 99)[:-12])


def _har(secret: str) -> object:
    headers = [{"name": "Authorization", "value": f"Bearer {FOREIGN}"}, {"name": "Accept", "value": "*/*"}]
    cookies = [{"name": "sid", "value": FOREIGN, "path": "/"}]
    body = {"mimeType": "application/json", "text": json.dumps({"key": secret})}
    encoded = {"text": base64.b64encode(f"key={secret}&".encode()).decode(), "encoding": "base64"}
    request = {"method": "POST", "url": f"http://h/?key={quote_plus(secret)}", "headers": headers, "cookies": cookies}
    return {"log": {"entries": [{"request": request | {"postData": body}, "response": {"content": encoded}}]}}


def _trace(secret: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        typed = {"type": "before", "method": "fill", "params": {"selector": "#key", "value": secret}}
        archive.writestr("trace.trace", json.dumps({"type": "context-options"}) + "\n" + json.dumps(typed) + "\n")
        archive.writestr("trace.network", json.dumps({"type": "resource-snapshot", "snapshot": _har(secret)}) + "\n")
        archive.writestr("resources/0123.html", f"<p>{html.escape(secret)}</p>")
        archive.writestr("resources/page@1-2.png", picture(secret))
    return packed.getvalue()


def _tape(secret: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in {
            "shard/trace.zip": _trace(secret),
            "shard/log.txt": repr(secret.encode()).encode(),
        }.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return packed.getvalue()


def picture(secret: str = "") -> bytes:
    """A picture; the secret stands in a text chunk of it."""
    written = io.BytesIO()
    texts = PngInfo()
    if secret:
        texts.add_text("Comment", secret)
    Image.new("RGB", (8, 8), "white").save(written, "PNG", pnginfo=texts)
    return written.getvalue()
