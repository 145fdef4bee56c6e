"""Text that can be stored and rendered: fields of requests refuse any other, the text of providers is cleaned."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

FILENAME_CHARACTERS: Final = 120


class Body(BaseModel):
    """A request body: values are taken as they are, never converted."""

    model_config = ConfigDict(strict=True)


def storable(text: str) -> str:
    """The text of a provider, without the characters that the database and UTF-8 refuse."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _storable(value: str) -> str:
    if value != storable(value):
        raise ValueError("must not contain NUL or half of a surrogate pair")
    return value


def _file_name(value: str) -> str:
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in value):
        raise ValueError("must not contain control characters")
    if not value.strip() or value.strip(". ") == "" or "/" in value or "\\" in value:
        raise ValueError("must be the name of a file without a folder")
    return value


Text = Annotated[str, AfterValidator(_storable)]
FileName = Annotated[str, Field(min_length=1, max_length=FILENAME_CHARACTERS), AfterValidator(_file_name)]
