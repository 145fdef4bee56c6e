"""Defects of the web page: one of its files is changed, as a developer would get it wrong."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from sandbox import static
from sandbox.app import uploads
from sandbox.defects import defect, mark_active, patch, patch_query

PHONES: Final = "@media (max-width: 40rem), (max-height: 26rem)"
JOURNEY: Final = {
    **dict.fromkeys(("BRW-01", "BRW-02", "BRW-04"), "the journey takes this step"),
    "SEC-07": "its states are reached by the journey",
}
PICTURE: Final = (2000, 1400)  # pixels


def change(name: str, old: str, new: str) -> None:
    """Change the text of one file of the page; the defect is active when that file is served."""
    read, respond = static.read, static.respond
    content = read(name).decode()
    if old not in content:
        raise AttributeError(f"{name} does not say {old!r}")
    changed = content.replace(old, new).encode()

    def served(request: Request, asked: str, content: bytes, headers: Mapping[str, str]) -> Response:
        if asked == name:
            mark_active()
        return respond(request, asked, content, headers)

    patch(static, "read", lambda asked: changed if asked == name else read(asked))
    patch(static, "respond", served)


def add(name: str, text: str) -> None:
    """Add to the end of one file of the page."""
    content = static.read(name).decode()
    change(name, content, content + text)


def may(*but: str) -> dict[str, str]:
    """The journey's criteria without those that must detect it."""
    return {name: reason for name, reason in JOURNEY.items() if name not in but}


@defect("progress-never-ends", "BRW", must=["BRW-01"], may=may("BRW-01"))
def progress_never_ends() -> None:
    """The last event of a job is dropped as old: the progress stays at 95 %."""
    first_line = "    const line = state === 'retryable'"
    change("documents.js", first_line, f"    if (!isActive(state)) return;\n{first_line}")


@defect("works-in-chromium-only", "BRW", must=["BRW-01"], may=may("BRW-01"))
def works_in_chromium_only() -> None:
    """The upload asks for the quality of the network, by an interface that Firefox and WebKit do not have."""
    guard = "  if (transfer?.busy) return null;\n"
    change("transfer.js", guard, f"{guard}  if (navigator.connection.saveData) await limits();\n")


@defect("an-error-in-the-console", "BRW", must=["BRW-01"])
def an_error_in_the_console() -> None:
    """Each list of documents reports a problem of its own to the console."""
    first_line = "      parts.empty.hidden = documents.length > 0;\n"
    change("documents.js", first_line, f"{first_line}      console.error('document list: no key for the items');\n")


@defect("an-icon-is-missing", "BRW", must=["BRW-01"])
def an_icon_is_missing() -> None:
    """The style refers to an icon by a name that it no longer has."""
    change("base.css", "icons/upload.svg", "icons/upload-arrow.svg")


@defect("sources-do-not-open", "BRW", must=["BRW-01"], may=may("BRW-01"))
def sources_do_not_open() -> None:
    """A source is a button that does nothing."""
    change("ask.js", "  button.addEventListener('click', () => openSource(source, text));\n", "")


@defect("a-button-is-covered-on-phones", "BRW", must=["BRW-02"])
def a_button_is_covered_on_phones() -> None:
    """On phones a decoration lies over the button of the upload and takes the touches."""
    over = "content: ''; position: absolute; left: 0; right: 0; bottom: 0; height: 5.5rem;"
    add("layout.css", f"{PHONES} {{ .upload {{ position: relative; }} .upload::after {{ {over} }} }}\n")


@defect("too-wide-in-landscape", "BRW", must=["BRW-02"])
def too_wide_in_landscape() -> None:
    """The content of a phone on its side is as wide as on a desktop: it has to be scrolled sideways."""
    add("layout.css", "@media (orientation: landscape) and (max-height: 30rem) { main { width: 62rem; } }\n")


@defect("targets-too-small-on-phones", "BRW", must=["BRW-02"], may={"SEC-07": "the size of targets is a rule there"})
def targets_too_small_on_phones() -> None:
    """On phones the button to log out and those to delete are 18 pixels high."""
    add("forms.css", f"{PHONES} {{ button.quiet {{ min-height: 0; height: 18px; padding: 0; }} }}\n")


@defect("errors-are-swallowed", "BRW", must=["BRW-04"])
def errors_are_swallowed() -> None:
    """What fails is written to the console for developers; the person sees nothing."""
    change("dom.js", "  place.replaceChildren(content);\n", "  console.debug(content.textContent);\n")


@defect("errors-are-codes", "BRW", must=["BRW-04"])
def errors_are_codes() -> None:
    """An error of the application is shown as its number."""
    message = "  if (typeof message === 'string' && message.trim()) return message;\n"
    change("http.js", message, "  if (status) return `E-${status}`;\n")


@defect("an-ended-session-is-silent", "BRW", must=["BRW-04"])
def an_ended_session_is_silent() -> None:
    """When the session has ended, nothing asks for the password: every action waits for ever."""
    change("app.js", "  await askAgain(user, () => {", "  await new Promise(() => {}, () => {")


@defect("a-double-click-uploads-twice", "BRW", must=["BRW-04"])
def a_double_click_uploads_twice() -> None:
    """Neither the button nor the application notices the second click: two jobs for one document."""
    change("documents.js", "    if (transfer?.busy) return;\n", "")
    change("transfer.js", "  if (transfer?.busy) return null;\n", "")
    patch_query(uploads, "DUPLICATE", "sha256 = %(sha256)s", "sha256 = %(sha256)s and stored_at is not null")


@defect("stuck-after-a-lost-connection", "BRW", must=["BRW-04"])
def stuck_after_a_lost_connection() -> None:
    """After an upload that has failed the button stays busy, until the page is loaded again."""
    change("transfer.js", "    transfer.busy = false;\n", "")


@defect("half-an-answer-is-the-answer", "BRW", must=["BRW-04"])
def half_an_answer_is_the_answer() -> None:
    """When the connection is lost in an answer, what has arrived is shown as if it were all."""
    lost = "  throw lost('The connection was lost while the answer was being written.');\n"
    nothing = "sources: [], metadata: { confidence: 0, processing_time: 0 }"
    change("ask.js", lost, f"  return {{ text, conversation_id: conversation, {nothing} }};\n")


@defect("a-huge-picture", "BRW", must=["PERF-10"])
def a_huge_picture() -> None:
    """A picture of eight megabytes above the page, as the camera has taken it."""
    change("index.html", "<main ", '<img class="cover" src="$assets/cover.png" alt="">\n<main ')
    tall = ".cover { width: 100%; height: 40vh; object-fit: cover; }"
    add("layout.css", f"body {{ grid-template-rows: auto auto 1fr auto; }} {tall}\n")
    read, names, picture = static.read, static.names, noise(*PICTURE)
    patch(static, "names", lambda: [*names(), "cover.png"])
    patch(static, "read", lambda asked: picture if asked == "cover.png" else read(asked))
    patch(static, "TYPES", {**static.TYPES, ".png": "image/png"})


def noise(width: int, height: int) -> bytes:
    """A picture that does not compress."""
    rows = random.Random(0)
    data = b"".join(b"\0" + rows.randbytes(3 * width) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(data, 0)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


@defect("content-moves-while-read", "BRW", must=["PERF-10"])
def content_moves_while_read() -> None:
    """A notice is inserted above the content a moment after it can be read."""
    add(
        "app.js",
        """setTimeout(() => {
  const notice = document.createElement('p');
  notice.className = 'notice late';
  notice.textContent = 'New: ask in any language.';
  main.prepend(notice);
}, 1200);
""",
    )
    add("layout.css", ".late { min-height: 45vh; }\n")


@defect("content-comes-late", "BRW", must=["PERF-10"])
def content_comes_late() -> None:
    """The content waits for three seconds, for an experiment that chooses between two designs."""
    content = static.read("app.js").decode()
    if not content.endswith("\nshow();\n"):
        raise AttributeError("app.js does not end with 'show();'")
    change("app.js", content, content.removesuffix("show();\n") + "setTimeout(show, 3200);\n")


@defect("slow-to-react", "BRW", must=["PERF-10"])
def slow_to_react() -> None:
    """Each click and each key is recorded for statistics before anything happens."""
    add(
        "app.js",
        """for (const event of ['click', 'keydown']) {
  addEventListener(event, () => {
    const until = performance.now() + 450;
    while (performance.now() < until);
  }, true);
}
""",
    )


@defect("a-focus-trap", "BRW", must=["SEC-07"], may=may("SEC-07"))
def a_focus_trap() -> None:
    """From the question the keyboard leads to nowhere: Tab is taken for an indent."""
    line = "  field.addEventListener('keydown', (event) => {\n"
    change("ask.js", line, f"{line}    if (event.key === 'Tab') event.preventDefault();\n")


@defect("text-too-faint", "BRW", must=["SEC-07"])
def text_too_faint() -> None:
    """Hints and dates are grey on grey."""
    change("base.css", "--soft: #596066;", "--soft: #b4b6b2;")


@defect("fields-without-labels", "BRW", must=["SEC-07"], may=may("SEC-07") | {"PERF-10": "it logs in by the labels"})
def fields_without_labels() -> None:
    """The fields to log in have a text above them that belongs to nothing."""
    change("index.html", '<label for="account-', '<label data-for="account-')
