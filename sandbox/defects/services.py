"""Defects of the providers in use, and of behaviour against the baseline."""

from __future__ import annotations

from typing import Any

from sandbox.app import auth, model
from sandbox.app.errors import ApiError
from sandbox.defects import defect, mark_active, patch
from sandbox.stubs import llamaparse
from sandbox.worker import chunking


@defect("stand-in-denies-it", "INT", must=["INT-15"])
def stand_in_denies_it() -> None:
    """The parser is a stub that identifies itself as the real one."""

    def lie() -> dict[str, Any]:
        mark_active()
        return {"parser": "llamaparse"}

    patch(llamaparse, "identity", lie)


@defect("cheaper-embeddings", "INT", must=["INT-15"])
def cheaper_embeddings() -> None:
    """Embeddings come from another model than the descriptor declares."""
    embeddings = model.Embeddings

    def cheaper(name: str, vectors: list[list[float]]) -> model.Embeddings:
        mark_active()
        return embeddings(f"{name}-mini", vectors)

    patch(model, "Embeddings", cheaper)


@defect("another-model-answers", "INT", must=["INT-15"])
def another_model_answers() -> None:
    """Questions are answered by a smaller model than the descriptor declares."""
    piece = model.Piece

    def smaller(name: str, text: str) -> model.Piece:
        mark_active()
        return piece(f"{name}-mini", text)

    patch(model, "Piece", smaller)


@defect("error-code-renamed", "INT", must=["INT-16"], may={"INT-01": "the code is looked at there too"})
def error_code_renamed() -> None:
    """The error code of a refused login was renamed."""
    refusal = auth.refusal

    def renamed(status: int, code: str | None) -> Exception:
        if code != "invalid_credentials":
            return refusal(status, code)
        mark_active()
        return ApiError(401, "bad_credentials", "E-mail or password is wrong.")

    patch(auth, "refusal", renamed)


@defect(
    "chunks-half-as-large",
    "INT",
    must=["INT-16"],
    may={"INT-07": "sources are other chunks", "INT-06": "vectors of short texts are less distinct"},
)
def chunks_half_as_large() -> None:
    """The size of chunks differs from the baseline's."""
    split = chunking.split

    def smaller(text: str) -> list[chunking.Chunk]:
        mark_active()
        return split(text)

    patch(chunking, "CHUNK_CHARACTERS", chunking.CHUNK_CHARACTERS // 2)
    patch(chunking, "split", smaller)
