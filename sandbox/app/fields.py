"""Fields of requests and responses: text that can be stored and rendered, and what OpenAPI says of each."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

FILENAME_CHARACTERS: Final = 120
_CONTROL: Final = (
    "\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2064"
    "\u2066-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001\U000e0020-\U000e007f"
)
FILENAME: Final = rf"^[^{_CONTROL}/\\]*[^{_CONTROL}/\\.\s][^{_CONTROL}/\\]*$"
"""No folder, no control or format character, and more than dots and spaces."""


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
    if not re.fullmatch(FILENAME, value):
        raise ValueError("must be the name of a file, without a folder and without control characters")
    return value


def _whole(value: object) -> object:
    """JSON knows no integers: 9.0 is one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Text = Annotated[str, AfterValidator(_storable), described(pattern=r"^[^\x00]*$")]
FileName = Annotated[
    Text, Field(min_length=1, max_length=FILENAME_CHARACTERS), AfterValidator(_file_name), described(pattern=FILENAME)
]
Title = Annotated[str, described(minLength=1, maxLength=FILENAME_CHARACTERS)]
Email = Annotated[Text, Field(max_length=254), described(format="email", minLength=3)]
Sha256 = Annotated[str, described(pattern="^[0-9a-f]{64}$")]
WHOLE: Final = BeforeValidator(_whole)
Count = Annotated[int, described(minimum=0)]
AtLeastOne = Annotated[int, described(minimum=1)]
Percent = Annotated[int, described(minimum=0, maximum=100)]
