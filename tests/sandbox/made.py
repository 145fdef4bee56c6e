"""Small PDFs whose pages show any text, characters included that no database stores; users, documents and settings."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import httpx

from sandbox.settings import LISTENERS, Settings
from tests.sandbox.place import until


def settings(folder: Path, **more: Any) -> Settings:
    """Of a sandbox that does not run."""
    return Settings(folder, {name: 1000 + number for number, name in enumerate(LISTENERS)}, **{"build": "b", **more})


def pdf(*pages: str, picture: bool = False) -> bytes:
    """One line of text a page; `picture` puts an image on the first one."""
    alphabet = sorted({char for page in pages for char in page})
    mapping = "".join(
        f"<{code:04X}> <{char.encode('utf-16-be', 'surrogatepass').hex()}>\n" for code, char in enumerate(alphabet, 1)
    )
    to_unicode = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def\n"
        f"1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n{len(alphabet)} beginbfchar\n{mapping}endbfchar\n"
        "endcmap end end"
    )
    kids = " ".join(f"{8 + 2 * number} 0 R" for number in range(len(pages)))
    objects = {
        1: "<< /Type /Catalog /Pages 2 0 R >>",
        2: f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        3: "<< /Type /Font /Subtype /Type0 /BaseFont /F /Encoding /Identity-H /DescendantFonts [4 0 R] "
        "/ToUnicode 5 0 R >>",
        4: "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /F /DW 1000 /CIDSystemInfo "
        "<< /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>",
        5: stream(to_unicode),
        6: stream("0", "/Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8 ")
        if picture
        else "null",
        7: "<< /Font << /F 3 0 R >> " + ("/XObject << /I 6 0 R >> >>" if picture else ">>"),
    }
    for number, page in enumerate(pages):
        shown = "".join(f"{alphabet.index(char) + 1:04X}" for char in page)
        objects[8 + 2 * number] = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {9 + 2 * number} 0 R /Resources 7 0 R >>"
        )
        objects[9 + 2 * number] = stream(f"BT /F 12 Tf 50 700 Td <{shown}> Tj ET")
    return assembled(objects)


def assembled(objects: dict[int, str]) -> bytes:
    """The objects with their table, as a reader finds them."""
    content, places = b"%PDF-1.4\n", []
    for number, text in objects.items():
        places.append(len(content))
        content += f"{number} 0 obj\n{text}\nendobj\n".encode()
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(objects) + 1
    trailer = f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(content)}\n%%EOF\n"
    return content + f"xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode()


def stream(content: str, entries: str = "") -> str:
    return f"<< {entries}/Length {len(content)} >>\nstream\n{content}\nendstream"


def signed_up(api: httpx.Client, email: str) -> str:
    """The access token of a new user."""
    account = {"email": email, "password": "Fourteen berths 1912"}
    return str(api.post("/auth/signup", json=account).json()["access_token"])


def processed(api: httpx.Client, content: bytes) -> dict[str, Any]:
    """The job of an uploaded document, at its end."""
    sha256 = hashlib.sha256(content).hexdigest()
    body = {"filename": "a.pdf", "bytes_len": len(content), "mime": "application/pdf", "sha256": sha256}
    announced = api.post("/api/upload-pipeline/upload", json=body).json()
    assert httpx.put(announced["signed_url"], content=content, trust_env=False).status_code == 200
    return dict(until(lambda: ended(api, announced["job_id"]), "the document has been processed"))


def ended(api: httpx.Client, job_id: str) -> dict[str, Any] | None:
    job: dict[str, Any] = api.get(f"/api/upload-pipeline/jobs/{job_id}").json()
    return job if job["state"] in ("done", "deadletter") else None
