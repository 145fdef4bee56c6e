"""What an error must not disclose (ERR-09), as patterns of texts that no message for a user holds."""

from __future__ import annotations

import re
from typing import Final

STACK_TRACE: Final = "a stack trace"
SQL: Final = "SQL"
PATH: Final = "a file-system path"
SECRET: Final = "a key or token"
ADDRESS: Final = "an internal address"
RAW_MESSAGE: Final = "a dependency's raw message"

_SOURCE = r"(?:pyx?|[cm]?[jt]sx?|go|java|kt|rb|php|rs|cs|exs?)"
_EXCEPTION = r"(?:Error|Exception|Failure|Timeout|Disconnect|Violation|Unavailable|Refused)"

_STACK_TRACES = (
    r"Traceback \(most recent call last\)",
    r"\bFile \"[^\"\n]+\", line \d+",  # Python
    r"(?:^|\n)[ \t]*at [^\n]{0,200}?(?:\.[cm]?[jt]sx?|node:[\w/.]{1,60}|<anonymous>|native):\d+(?::\d+)?",  # Node.js
    r"(?:^|\n)[ \t]*at [\w$.<>]{1,200}\((?:\w+\.(?:java|kt|scala):\d+|Native Method|Unknown Source)\)",  # JVM
    r"\bException in thread \"",
    r"\bCaused by: (?:[\w$]+\.)+[\w$]+",
    r"\bgoroutine \d+ \[\w+",  # Go
    r"\bpanic: runtime error:",
    r"(?:^|\n)[ \t]*\S{1,200}\.go:\d+(?: \+0x[0-9a-f]+)?",
    r"(?:^|\n)[ \t]*at [\w.`<>]{1,200}\([^)\n]{0,200}\) in [^\n]{1,200}:line \d+",  # .NET
    r"\.rb:\d+:in [`'\u2018]",  # Ruby
    r"(?:^|\n)#\d+ \S+\.php\(\d+\)",
    r"\.php on line \d+",
    r"PHP Fatal error",
    r"\bthread '[^']*' panicked at",  # Rust
    r"\bstack backtrace:",
)
_SQL = (
    r"\bSELECT\b[^;]{1,400}?\bFROM\b\s+[\w\".]+",
    r"\bINSERT INTO\b\s+[\w\".]+",
    r"\bUPDATE\b\s+[\w\".]+\s+SET\b",
    r"\bDELETE FROM\b\s+[\w\".]+",
    r"\bselect\b\s(?:\*|[\w\".]+\.|count\()[^;]{0,400}?\bfrom\b\s+[\w\".]+",
    r"\binsert into\b\s+[\w\".]+\s*(?:\(|values|select)",
    r"\bupdate\b\s+[\w\".]+\s+set\s+[\w\".]+\s*=",
    r"\bdelete from\b\s+[\w\".]+\s+where\b",
    r"\[SQL: ",
    r"\bSQLSTATE\b",
    r"\bORA-\d{5}\b",
    r"\bPG::\w+",
    r"\bLINE \d+: ",
    r"\b(?:relation|column|table|schema|type) \"[\w. ]+\"(?: of relation \"[\w.]+\")? (?:does not|already) exist",
    r"\bviolates (?:unique|foreign key|not-null|check|exclusion) constraint\b",
    r"\bviolates row-level security\b",
    r"\bsyntax error at or near\b",
    r"\binvalid input syntax for type\b",
    r"\bcurrent transaction is aborted\b",
    r"\bcanceling statement due to\b",
    r"\bdeadlock detected\b",
    r"\bcould not serialize access\b",
    r"\bpermission denied for (?:table|schema|relation|function)\b",
)
_ROOTS = r"(?:home|usr|var|opt|app|srv|etc|tmp|root|proc|mnt|Users|workspace|workspaces|vercel|nix|src)"
_PATHS = (
    rf"(?<![\w./:\-])/{_ROOTS}/[\w.@\-]+(?:/[\w.@\-]+)*",
    r"\b[A-Za-z]:\\{1,2}(?:[\w .@\-]+\\{1,2})+[\w.@\-]+",
    r"\b(?:node_modules|site-packages|dist-packages)/[\w.@/\-]+",
    rf"(?<![\w/:.\-])(?:[\w\-]+/)+[\w\-]+\.{_SOURCE}\b(?::\d+)?",
    rf"\b[\w\-]+\.{_SOURCE}:\d+\b",
)
_PRIVATE = r"(?:(?:10|127)\.\d{1,3}|192\.168|169\.254|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2}"
_DATA_PORT = r"(?:5432|5433|6432|6543|6379|3306|27017|9200|5672|11211)"
_ADDRESSES = (
    rf"(?<![\d.]){_PRIVATE}(?![\d.]*\d)(?::\d{{1,5}})?",
    r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}:\d{2,5}\b",
    r"\blocalhost:\d{2,5}\b",
    r"\[?::1\]?:\d{2,5}\b",
    r"\bhttps?://localhost\b",
    r"(?<![\w:])f[cd][0-9a-f]{2}:[0-9a-f:]{4,}",
    r"(?<![\w.\-])(?:[a-z0-9\-]{1,63}\.){1,6}(?:internal|local|lan|intranet|corp|svc|localdomain)(?:\.[a-z.]+)?\b(?::\d+)?",
    r"\bdpg-[a-z0-9]{8,}-a\b[\w.\-]*",
    r"\bdb\.[a-z0-9]{8,}\.supabase\.(?:co|com)\b",
    r"\b[\w.\-]+\.pooler\.supabase\.com\b",
    r"\b[\w.\-]+\.rds\.amazonaws\.com\b",
    r"\bapi\.openai\.com\b",
    r"\bapi\.cloud\.(?:eu\.)?llamaindex\.ai\b",
    rf"(?<![\w.\-])[a-z][a-z0-9.\-]{{0,100}}:{_DATA_PORT}\b",
    rf"\bport {_DATA_PORT}\b",
)
_RAW_MESSAGES = (
    rf"(?<![\w.])(?:[a-z_]\w{{0,60}}\.){{1,8}}[A-Z]\w{{0,60}}?{_EXCEPTION}\b",  # an exception by its module
    rf"\b[A-Z]\w{{0,60}}?{_EXCEPTION}\((?:['\"]|\[Errno|\d|\))",  # an exception as Python writes it
    r"\bpsycopg\w*\b",
    r"\basyncpg\b",
    r"\bsqlalchemy\b",
    r"\bQueuePool limit of size\b",
    r"\bSQLAlchemyError\b",
    r"\bconnection to server (?:at|on) ",
    r"\bcould not connect to server\b",
    r"\bserver closed the connection unexpectedly\b",
    r"\bFATAL: ",
    r"\bterminating connection due to\b",
    r"\bconsuming input failed\b",
    r"\bcouldn't get a connection after\b",
    r"\btoo many clients already\b",
    r"\bremaining connection slots are reserved\b",
    r"\bthe database system is (?:starting up|shutting down|in recovery mode)\b",
    r"\bSSL connection has been closed unexpectedly\b",
    r"\bpassword authentication failed for user\b",
    r"\bno pg_hba\.conf entry\b",
    r"\bAll connection attempts failed\b",
    r"\bServer disconnected without sending a response\b",
    r"\bpeer closed connection without\b",
    r"\b(?:Client|Server) error '\d{3} [^']*' for url\b",
    r"\bHTTPS?ConnectionPool\(",
    r"\bMax retries exceeded with url\b",
    r"\bCannot connect to host\b",
    r"\[Errno -?\d+\]",
    r"\[WinError \d+\]",
    r"\bE(?:CONNREFUSED|CONNRESET|TIMEDOUT|HOSTUNREACH|NOTFOUND|AI_AGAIN|PIPE|ACCES|NOENT)\b",
    r"\bgetaddrinfo\b",
    r"\b[Cc]onnection refused\b",
    r"\b[Cc]onnection reset by peer\b",
    r"\bName or service not known\b",
    r"\b[Nn]o route to host\b",
    r"\bdial tcp\b",
    r"\bupstream connect error\b",
    r"\bno such host\b",
    r"\bError code: \d{3} - \{",
    r"\bYou exceeded your current quota\b",
    r"\bIncorrect API key provided\b",
    r"\bRate limit reached for\b",
    r"\bmaximum context length is\b",
    r"\bstatus_code: \d{3}, body:",
    r"\bllama_(?:cloud|parse|index)\b",
    r"\bopenai\.\w+",
    r"\bhttp(?:x2?|core2?)\.\w+",
    r"\blitellm\b",
    r"\blangchain\b",
    r"\bPGRST\d{3}\b",
    r"\bAuth(?:Api|Retryable|Session\w*|Unknown)Error\b",
    r"\bStorage(?:Api|Unknown)?Error\b",
    r"\bPostgrest\w*Error\b",
    r"\bJWSError\b",
    r"\bDatabase error (?:saving|querying|finding|granting|updating|deleting|creating|loading)\b",
    r"\bgotrue\b",
    r"'\w+' object (?:has no attribute|is not (?:iterable|subscriptable|callable))",
    r"\bobject has no attribute\b",
    r"\blist index out of range\b",
    r"\bCannot read propert(?:y|ies) of (?:undefined|null)\b",
    r"\b\w+ is not a function\b",
    r"\bUnexpected token .{1,12} in JSON\b",
    r"\bExpecting (?:value|property name)\b[^\n]{0,40}: line \d+ column \d+",
    r"\binvalid literal for int\(\)",
    r"\bKeyError: ",
    r"\b\d+ validation errors? for \w+",
    r"\bnull value in column\b",
    r"\bnil pointer dereference\b",
    r"\bjava\.lang\.\w+",
    r"\borg\.(?:postgresql|springframework|hibernate)\.\w+",
    r"\bAn error occurred \(\w+\) when calling the \w+ operation\b",
    r"\bOOM command not allowed\b",
    r"\bWRONGTYPE Operation\b",
)

PATTERNS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (kind, re.compile("|".join(f"(?:{pattern})" for pattern in patterns)))
    for kind, patterns in (
        (STACK_TRACE, _STACK_TRACES),
        (SQL, _SQL),
        (PATH, _PATHS),
        (ADDRESS, _ADDRESSES),
        (RAW_MESSAGE, _RAW_MESSAGES),
    )
)
"""Kind and pattern, in the order in which a finding is named."""
