"""Passwords: strength rules, and argon2id at the minimum cost of OWASP (19 MiB, two passes)."""

from __future__ import annotations

import asyncio
import os
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

LEAST_CHARACTERS: Final = 8
COMMON: Final = frozenset(
    {"password1", "password123", "qwerty123", "abc12345", "12345678a", "letmein1", "iloveyou1", "admin123"}
)
HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
NOBODYS: Final = "$argon2id$v=19$m=19456,t=2,p=1$ZLDtGej1iz50KS7NuKOZ6A$CizgpQVLtUDSl5R+vUErqr4XIHkoHZ3//XwnJ2diC78"
"""A hash that no password has: an unknown user takes as long to refuse as a wrong password."""

_lanes: Final = asyncio.Semaphore(os.cpu_count() or 1)  # more at once slow down each other and the event loop


def is_strong(password: str) -> bool:
    """Whether it is long enough, has letters and others, and is not a common one."""
    letters = sum(character.isalpha() for character in password)
    return len(password) >= LEAST_CHARACTERS and 0 < letters < len(password) and password.lower() not in COMMON


async def hash_password(password: str) -> str:
    async with _lanes:
        return await asyncio.to_thread(HASHER.hash, password)


async def verify(hashed: str | None, password: str) -> bool:
    """Whether the password is right; None (no such user) takes the same time and is never right."""
    async with _lanes:
        return await asyncio.to_thread(_verify, hashed or NOBODYS, password) and hashed is not None


def _verify(hashed: str, password: str) -> bool:
    try:
        return HASHER.verify(hashed, password)
    except (Argon2Error, InvalidHashError):
        return False
