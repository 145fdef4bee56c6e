"""The service `providers`: both stubs in one process, each on its own port."""

from __future__ import annotations

from sandbox import serving
from sandbox.settings import Settings
from sandbox.stubs import llamaparse, openai


def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    serving.serve_all(
        (llamaparse.application(settings.llamaparse_key), settings.listen("llamaparse")),
        (openai.application(settings), settings.listen("openai")),
    )
