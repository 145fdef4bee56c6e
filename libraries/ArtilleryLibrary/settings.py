"""The `config` of a load script without its phases: permitted settings, required files and variables."""

from __future__ import annotations

import copy
import csv
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ArtilleryLibrary.quantities import Quantities, plain
from ArtilleryLibrary.source import Location, ScriptSource, words
from ArtilleryLibrary.variables import IN_CONFIG, Scope, check_variables, texts

KNOWN = words(
    "target phases payload variables processor plugins engines engine http defaults environments tls timeout "
    "ensure statsInterval mode ws socketio bundling pluginsScope includeFiles name"
)
HTTP = ("timeout", "extendedMetrics", "pool", "maxSockets", "defaults", "cookieJarOptions", "distributedTracing")
JUDGED_HERE = {
    "expect": "left out: each request's `expect` is judged here by the plugin's own rules",
    "ensure": "left out: it judges sketches, and fails for what never occurred; limits are held against the log",
}
LONGEST_VARIABLE = 128 * 1024 - 64  # of Linux, its name included
PLUGINS = {  # that run, with their settings
    "metrics-by-endpoint": words(
        "useOnlyRequestNames stripQueryString ignoreUnnamedRequests metricsNamespace groupDynamicURLs suppressOutput"
    ),
    "apdex": ("threshold",),
}
_VARIABLE = re.compile(r"\$(?:env|processEnvironment)\s*(?:\.\s*(\w+)|\[\s*['\"](\w+)['\"]\s*\])")
_TEMPLATE = re.compile(r"\{\{(.*?)\}\}")
_IN_CODE = re.compile(r"process\.env(?:\.(\w+)|\[\s*['\"](\w+)['\"]\s*\])")


class Settings:
    """The effective config, with the variables of script and processor.

    Args:
        source: the script; mistakes become its problems.
        target: replaces the script's own.
        environment: variables for `$env` and the processor; those of this process are looked up after them.
    """

    def __init__(self, source: ScriptSource, *, target: str | None, environment: Mapping[str, str]) -> None:
        self._source = source
        self._given = environment
        stated = source.content.get("config")
        if not isinstance(stated, dict):
            source.problem(("config",), "missing: a mapping with target and phases")
            stated = {}
        self.config: dict[str, Any] = copy.deepcopy(stated)
        self.environment: dict[str, str] = {}
        self.quantities = Quantities(source, self.rendered)
        plugins = stated.get("plugins")
        self._plugin_names = [name for name in plugins or () if name in PLUGINS or name in JUDGED_HERE]
        source.unknown(("config",), stated, (*KNOWN, *self._plugin_names))
        self._variables()
        once = "when config is resolved, once and before there are users"
        check_variables(source, Scope(set(IN_CONFIG)), ("config",), stated, why=once)
        for name, value in {**environment, **self.environment}.items():
            if len(value.encode()) > LONGEST_VARIABLE:
                reason = "a variable of 128 KiB or more cannot be handed to a process: put its content into a file"
                source.problem((), f"the environment variable {name}: {reason}")
        self._refuse()
        self.target = self._target(target)
        self._http()
        self.default_status = self._default_status()
        self._plugins()
        self._payload()
        self.processor = self._processor()

    def rendered(self, where: Location, text: str) -> str | None:
        """Text with its variables resolved; none where that needs the running load."""
        folder, script = str(self._source.folder), str(self._source.path)
        known = {"$dirname": folder, "$scenarioFile": script}

        def value(found: re.Match[str]) -> str:
            name = found[1].strip()
            variable = _VARIABLE.fullmatch(name)
            if variable:
                return self.environment.get(variable[1] or variable[2], "")
            return known.get(name, found[0])

        result = _TEMPLATE.sub(value, text)
        return None if "{{" in result else result

    def _variables(self) -> None:
        missing: dict[str, Location] = {}
        for where, text in texts(self._source.content, ()):
            for found in _VARIABLE.finditer(text):
                name = found[1] or found[2]
                value = self._given.get(name) or os.environ.get(name)
                if value:
                    self.environment[name] = value
                else:
                    missing.setdefault(name, where)
                    self._source.refused(where)
        for name, where in missing.items():
            reason = (
                f"the environment variable {name} is not set: Artillery would send 'undefined', and count a success"
            )
            self._source.problem(where, reason)

    def _refuse(self) -> None:
        source = self._source
        if "environments" in self.config:
            reason = "refused: state target and variables when the load starts"
            source.problem(("config", "environments"), reason)
        for name in self.config.pop("engines", None) or {}:
            if name != "http":
                reason = "refused: only http requests can be measured here (known: http)"
                source.problem(("config", "engines", name), reason)
        if "mode" in self.config:
            source.problem(("config", "mode"), "refused: arrivals are even here, other modes wait busily")
        if self.config.pop("ensure", None) is not None:
            source.correction(("config", "ensure"), JUDGED_HERE["ensure"])

    def _target(self, given: str | None) -> str:
        stated = given or self.config.get("target")
        where = ("config", "target")
        if not isinstance(stated, str) or not stated:
            self._source.problem(where, "missing: the address that is loaded")
            return ""
        address = self.rendered(where, stated) or ""
        wrong = urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).netloc
        if wrong and not self._source.has_problem(where):  # as a variable that is not set
            self._source.problem(where, "expected an address such as https://example.org")
        self.config["target"] = given or stated
        return address

    def _http(self) -> None:
        http = self.config.setdefault("http", {})
        where = ("config", "http")
        if not isinstance(http, dict):
            self._source.problem(where, "expected a mapping")
            return
        self._source.unknown(where, http, HTTP)
        for place, part in ((where, http), (("config",), self.config)):
            if "timeout" in part:  # Artillery cuts a text off at 8 seconds
                seconds = self.quantities.read((*place, "timeout"), part["timeout"], "a number of seconds")
                part["timeout"] = None if seconds is None else plain(seconds)
        if "pool" in http:
            reason = "refused: requests wait for a connection unmeasured (coordinated omission): 56 ms instead of 166"
            self._source.problem((*where, "pool"), reason)
        if "maxSockets" in http:
            self._source.problem((*where, "maxSockets"), "refused: Artillery ignores it; each user has one connection")
        if http.get("extendedMetrics") is not True:
            http["extendedMetrics"] = True
            self._source.correction(where, "extendedMetrics switched on: without it Artillery reports first bytes only")

    def _plugins(self) -> None:
        plugins = self.config.get("plugins") or {}
        for name in list(plugins):
            where: Location = ("config", "plugins", name)
            if name in JUDGED_HERE:
                del self.config["plugins"][name]
                self._source.correction(where, JUDGED_HERE[name])
                self.config.pop(name, None)
            elif name not in PLUGINS:
                self._source.problem(where, f"refused: not installed here (known: {', '.join(PLUGINS)})")
            else:
                for place, stated in ((where, plugins[name]), (("config", name), self.config.get(name))):
                    self._source.unknown(place, stated if isinstance(stated, dict) else {}, PLUGINS[name])

    def _default_status(self) -> int | None:
        """The status that the plugin expect requires of a request that states nothing."""
        stated = (self.config.get("plugins") or {}).get("expect")
        default = stated.get("expectDefault200") if isinstance(stated, dict) else None
        return 200 if default in (True, "true") else None

    def _payload(self) -> None:
        stated = self.config.get("payload")
        payloads = stated if isinstance(stated, list) else [stated] if stated is not None else []
        for index, payload in enumerate(payloads):
            where: Location = ("config", "payload", index) if isinstance(stated, list) else ("config", "payload")
            if not isinstance(payload, dict) or not isinstance(payload.get("path"), str):
                self._source.problem(where, "path is missing")
                continue
            if not payload.get("fields") and not payload.get("loadAll"):
                self._source.problem(where, "fields is missing: no variable would be set")
            path = self._file((*where, "path"), payload["path"])
            if path is not None:
                payload["path"] = str(path)
                self._rows(where, payload, path)

    def _rows(self, where: Location, payload: dict[str, Any], path: Path) -> None:
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = [row for row in csv.reader(file, delimiter=str(payload.get("delimiter", ","))) if row]
        except (OSError, UnicodeDecodeError, csv.Error, TypeError) as error:
            self._source.problem((*where, "path"), f"{path} cannot be read: {error}")
            return
        stated = payload.get("fields") or []
        fields = [str(name) for name in stated] if isinstance(stated, list) else []
        if fields and rows and payload.get("skipHeader") is not True and _same(rows[0][: len(fields)], fields):
            payload["skipHeader"] = True
            reason = (
                f"skipHeader switched on: the first row of {path.name} repeats the fields, it would be a user's data"
            )
            self._source.correction(where, reason)
        rows = rows[1:] if payload.get("skipHeader") is True else rows
        if not rows:
            self._source.problem((*where, "path"), f"{path} holds no row: every variable would be undefined")
        elif min(len(row) for row in rows) < len(fields):
            self._source.problem((*where, "path"), f"{path}: a row has fewer than the {len(fields)} fields")

    def _processor(self) -> Path | None:
        stated = self.config.get("processor")
        if stated is None:
            return None
        where = ("config", "processor")
        if not isinstance(stated, str):
            self._source.problem(where, "expected the path of a file of JavaScript")
            return None
        path = self._file(where, stated)
        if path is not None:
            for found in _IN_CODE.finditer(path.read_text(encoding="utf-8", errors="replace")):
                name = found[1] or found[2]
                value = self._given.get(name) or os.environ.get(name)
                if value:
                    self.environment[name] = value
        return path

    def _file(self, where: Location, name: str) -> Path | None:
        rendered = self.rendered(where, name)
        path = None if rendered is None else (self._source.folder / rendered).resolve()
        if path is None or not path.is_file():
            self._source.problem(where, f"no such file: {path or name}")
            return None
        return path


def _same(row: Sequence[str], fields: Sequence[str]) -> bool:
    """Whether a row repeats the names of its fields, in whatever case."""
    return [cell.strip().casefold() for cell in row] == [name.strip().casefold() for name in fields]
