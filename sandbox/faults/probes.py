"""What a connection through a link shows at this moment: the evidence that a fault is in effect, or gone."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any, Final, cast

from sandbox.faults.kinds import Bandwidth, Cut, Latency, Parameters, Reset, Respond, Slice
from sandbox.faults.links import ECHO, Link
from sandbox.settings import HOST, reserve

LONGEST_SECONDS: Final = 2.0
HOLE_SECONDS: Final = 0.3
GONE_SECONDS: Final = 1.0
SOME_BYTES: Final = 64
REQUEST: Final = b"GET /probe HTTP/1.1\r\nhost: probe\r\n\r\n"
CLOSE_ENOUGH: Final = 0.8  # of a delay, since clocks and timers are coarse


@dataclass
class Seen:
    """What a connection met. `seconds` is from the request to the last byte, or to the end of patience."""

    refused: bool = False
    ended: str = ""
    received: bytes = b""
    pieces: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        if self.refused:
            return "a connection is refused"
        if self.received.startswith(b"HTTP/"):
            return f"a request is answered {self.received.split(b' ', 2)[1].decode()}"
        how = f", then {self.ended}" if self.ended else ""
        pieces = f" in {self.pieces} pieces" if self.pieces > 1 else ""
        return f"{len(self.received)} bytes after {self.seconds * 1000:.0f} ms{pieces}{how}"


async def look(link: Link, request: bytes, most: int, patience: float) -> Seen:
    """Make a connection through a link, and read until so many bytes, its end, or the end of patience."""
    seen, loop = Seen(), asyncio.get_running_loop()
    with reserve() as local:
        local.setblocking(False)
        port = local.getsockname()[1]
        link.probes.add(port)
        begun = loop.time()
        try:
            async with asyncio.timeout(patience):
                await loop.sock_connect(local, (HOST, link.own_port))
                await loop.sock_sendall(local, request)
                while len(seen.received) < most and (data := await loop.sock_recv(local, 65_536)):
                    seen.received += data
                    seen.pieces += 1
                    seen.seconds = loop.time() - begun
                seen.ended = "" if len(seen.received) >= most else "closed"
        except ConnectionRefusedError:
            seen.refused = True
        except TimeoutError:
            seen.seconds = loop.time() - begun
            seen.ended = "silence"
        except OSError:
            seen.ended = "reset"
        finally:
            link.probes.discard(port)
    return seen


async def shows(link: Link, kind: str, parameters: Parameters) -> tuple[bool, str]:
    """Whether a new connection meets this fault, and what it met."""
    asked, patience = SOME_BYTES, LONGEST_SECONDS
    request = b""
    match parameters:
        case Latency():
            least = max(0.0, parameters.milliseconds - parameters.jitter_milliseconds) / 1000
        case Bandwidth():
            asked = max(1, round(parameters.bytes_per_second * 0.2))
            least = asked / parameters.bytes_per_second
        case Slice():
            asked = 3 * parameters.bytes
            least = 3 * parameters.milliseconds / 1000
        case Reset() | Cut():
            asked, least = parameters.after_bytes + 1, 0.0
        case Respond():
            request, asked, least = REQUEST, 12, 0.0
        case _:
            least, patience = 0.0, HOLE_SECONDS
    seen = await look(link, request or ECHO + b"%d\n" % asked, asked, patience)
    return _is(kind, parameters, seen, min(least, patience) * CLOSE_ENOUGH, asked), f"{link.name}: {seen}"


def _is(kind: str, parameters: Parameters, seen: Seen, least: float, asked: int) -> bool:
    match kind:
        case "refuse":
            return seen.refused
        case "blackhole":
            return seen.ended == "silence" and not seen.received
        case "reset":
            return seen.ended == "reset"
        case "cut":
            return seen.ended == "closed" and len(seen.received) < asked
        case "respond":
            return seen.received.startswith(b"HTTP/1.1 %d" % cast(Any, parameters).status)
        case "slice":
            return (seen.pieces >= 3 or seen.ended == "silence") and seen.seconds >= least
        case _:
            return not seen.refused and seen.ended in ("", "silence") and seen.seconds >= least > 0


async def is_clear(link: Link) -> tuple[bool, str]:
    """Whether a connection through a link passes without any fault."""
    seen = Seen()
    with contextlib.suppress(OSError):
        seen = await look(link, ECHO + b"%d\n" % SOME_BYTES, SOME_BYTES, GONE_SECONDS)
    return len(seen.received) == SOME_BYTES, f"{link.name}: {seen}"
