"""Types of request fields that refuse text that cannot be stored or rendered."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

FILENAME_CHARACTERS: Final = 120


class Body(BaseModel):
    """A request body: values are taken as they are, never converted."""

    model_config = ConfigDict(strict=True)


def _storable(value: str) -> str:
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
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
