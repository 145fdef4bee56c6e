"""Fields of requests and responses: text that can be stored and rendered, and what OpenAPI says of each."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

FILENAME_CHARACTERS: Final = 120


def described(**schema: Any) -> Any:
    """What OpenAPI says of a field, beside what pydantic checks."""
    return Field(json_schema_extra=schema)


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


def _whole(value: object) -> object:
    """JSON knows no integers: 9.0 is one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Text = Annotated[str, AfterValidator(_storable), described(pattern=r"^[^\x00]*$")]
FileName = Annotated[
    str,
    Field(min_length=1, max_length=FILENAME_CHARACTERS),
    AfterValidator(_file_name),
    described(pattern=r"^[^\x00-\x1f\x7f-\x9f/\\]*[^\x00-\x20\x7f-\x9f/\\.][^\x00-\x1f\x7f-\x9f/\\]*$"),
]
Email = Annotated[Text, Field(min_length=3, max_length=254), described(format="email")]
Sha256 = Annotated[str, described(pattern="^[0-9a-f]{64}$")]
WHOLE: Final = BeforeValidator(_whole)
Count = Annotated[int, described(minimum=0)]
AtLeastOne = Annotated[int, described(minimum=1)]
Percent = Annotated[int, described(minimum=0, maximum=100)]
