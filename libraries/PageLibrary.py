"""The page in browsers: engines, locators, accounts made on the page, and pictures. What drives it are Browser and
SeleniumLibrary, in `resources/page_actions.resource`.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from acceptance.browsers import accessibility, pictures, readable, speed
from acceptance.browsers.display import Display
from acceptance.browsers.engines import Engine, engine_named, find_engines
from acceptance.browsers.line import Line
from acceptance.browsers.locators import Page, read_page
from acceptance.deployment.descriptor import is_local
from acceptance.errors import EnvironmentUnavailable, SuiteError, violation
from acceptance.faults.proxy import KINDS, disturbance
from acceptance.fixtures.users import User
from acceptance.uploads import Payload
from acceptance.yaml_models import PROJECT
from robot.api import logger
from robot.api.deco import library
from robot.api.types import Secret
from robot_run.keywords import Actor, keyword, know_user, step, user_named
from robot_run.lifecycle import the_run

SCRIPTS = PROJECT / "resources" / "browser"
AXE = PROJECT / "node_modules" / "axe-core" / "axe.min.js"
VITALS = PROJECT / "node_modules" / "web-vitals" / "dist" / "web-vitals.iife.js"
FOLDER = "browser"  # of a run's files
LAUNCHED_WITHIN = "90 s"
LOOKS = "BRW-03"  # the criterion of pictures
# Keeps an offline machine's Chromium from waiting for services of its maker.
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost"


@dataclass(frozen=True)
class Account:
    """What a person types to sign in."""

    email: str
    password: Secret


@library(scope="GLOBAL", version="1.0.0")
class PageLibrary:
    """Browser engines of this machine, where things are on the page, and what pictures of it show.

    Elements are called by the words of the page's file of locators: `variables/page.yaml`, or the one that the
    deployment's descriptor names as ``page``.
    """

    def __init__(self) -> None:
        self._engines: dict[str, Engine] | None = None
        self._page: Page | None = None
        self._display: Display | None = None
        self._line = Line()
        # size -> engine -> step -> file
        self._pictures: defaultdict[str, dict[str, dict[str, Path]]] = defaultdict(dict)

    @keyword()
    def get_engine(self, name: str) -> Engine:
        """Returns a browser engine of this machine: chromium, firefox, webkit, chrome or safari.

        It has ``name``, ``title``, ``family``, ``executable`` and ``by_webdriver``. The criterion is not verified where
        the engine is missing; the message says what to type.

        | ${engine} =    Get Engine    firefox
        """
        if self._engines is None:
            self._engines = find_engines()
        return engine_named(name, self._engines)

    @keyword()
    def get_launch_options(self, engine: Engine) -> dict[str, Any]:
        """Returns the options with which `New Browser` of the Browser library starts an engine.

        | &{options} =    Get Launch Options    ${engine}
        | New Browser    &{options}
        """
        options: dict[str, Any] = {"browser": engine.family, "headless": True, "timeout": LAUNCHED_WITHIN}
        if engine.name == "chrome":
            options["channel"] = "chrome"
        elif engine.executable:
            options["executablePath"] = engine.executable
        if engine.family == "chromium":
            options["args"] = ["--no-sandbox"] if os.geteuid() == 0 else []
            if is_local(the_run().descriptor.services.frontend.url):
                options["args"].append(OFFLINE)
        return options

    @keyword()
    def get_context_options(self, engine: Engine, size: dict[str, Any]) -> dict[str, Any]:
        """Returns the options with which `New Context` of the Browser library is as large as a device.

        - ``size``: ``width`` and ``height`` in CSS pixels; with ``touch``, fingers are all that it has.

        | &{options} =    Get Context Options    ${engine}    ${PHONE}
        | New Context    &{options}
        """
        return {
            "viewport": {"width": int(size["width"]), "height": int(size["height"])},
            "hasTouch": size["touch"],
            "isMobile": size["touch"] and engine.family == "chromium",  # no other has it
            "serviceWorkers": "block",
            "ignoreHTTPSErrors": the_run().descriptor.ca_file is not None,  # which no engine knows of
        }

    @keyword()
    def get_webdriver_options(self, engine: Engine) -> dict[str, Any]:
        """Returns ``driver_name``, ``options`` and ``service`` for `Create Webdriver` of SeleniumLibrary.

        | &{options} =    Get Webdriver Options    ${engine}
        | Create Webdriver    &{options}
        """
        if engine.name == "safari":
            return {"driver_name": "Safari"}
        from selenium.webdriver import WebKitGTKOptions
        from selenium.webdriver.webkitgtk.service import Service

        if self._display is None and engine.needs_display:
            self._display = Display()
            atexit.register(self._display.close)
        options = WebKitGTKOptions()
        options.binary_location = engine.executable
        options.add_argument("--automation")
        options.accept_insecure_certs = the_run().descriptor.ca_file is not None
        display = {"DISPLAY": self._display.name} if self._display else {}
        service = Service(engine.driver_program, log_output=subprocess.DEVNULL, env={**os.environ, **display})
        return {"driver_name": "WebKitGTK", "options": options, "service": service}

    @keyword()
    def record_engine(self, criterion: str, engine: Engine, version: str) -> None:
        """Records engine, version, driver and platform as evidence, once in a run; a test of no criterion records none.

        | Record Engine    BRW-01    ${engine}    ${version}
        """
        run, name = the_run(), f"engine {engine.title}"
        if criterion and name not in run.shared:
            run.shared[name] = engine.described(version)
            run.observe(criterion, name, run.shared[name], "text", samples=1)

    @keyword()
    def get_page_address(self) -> str:
        """Returns the address of the page: the front end's, and the path of the file of locators.

        | ${address} =    Get Page Address
        | New Page    ${address}
        """
        return the_run().descriptor.services.frontend.url + self._the_page.path

    @keyword()
    def is_on_page(self, word: str) -> bool:
        """Returns whether the page has an element, by its file of locators.

        | ${has history} =    Is On Page    history
        """
        return self._the_page.offers(word)

    @keyword()
    def get_page_text(self, word: str) -> str:
        """Returns what the page says for a word of its file, such as that a document is processed.

        | ${processed} =    Get Page Text    processed
        """
        texts = self._the_page.texts
        if word not in texts:
            raise SuiteError(f"the page has no text '{word}'; it has {', '.join(sorted(texts))}")
        return texts[word]

    @keyword()
    def get_selector(self, engine: Engine, word: str, **values: str) -> str:
        """Returns where an element is, for the library that drives the engine.

        - ``values``: what stands for the words in braces of its name.

        | ${selector} =    Get Selector    ${ENGINE}    log in
        | ${selector} =    Get Selector    ${ENGINE}    document    document=note.pdf
        """
        if engine.by_webdriver:
            return f"page:{json.dumps(self._the_page.criteria(word, values), ensure_ascii=False)}"
        return self._the_page.selector(word, values)

    @keyword()
    def find_on_page(self, driver: Any, criteria: str, tag: Any, constraints: Any) -> list[Any]:
        """Finds elements for SeleniumLibrary; used by its location strategy ``page``.

        | Add Location Strategy    page    Find On Page
        """
        if not driver.execute_script("return Boolean(window.axe)"):
            driver.execute_script(_text(AXE))
        found: list[Any] = driver.execute_script(_text(SCRIPTS / "find.js"), json.loads(criteria))
        return found

    @keyword()
    def get_script(self, name: str) -> str:
        """Returns a script of ``resources/browser``, to be run in the page.

        | ${problems} =    Execute Javascript    ${script}
        """
        return _text(SCRIPTS / name)

    @keyword()
    def is_secret(self, text: Any) -> bool:
        """Returns whether a value is a secret, which no log shows.

        | ${hidden} =    Is Secret    ${text}
        """
        return isinstance(text, Secret)

    @keyword()
    def get_axe_path(self) -> str:
        """Returns where axe-core is installed.

        | ${axe} =    Get Axe Path
        """
        _text(AXE)
        return str(AXE)

    @keyword()
    def get_vitals_script(self) -> str:
        """Returns the path of a script that measures a page as web-vitals does; it goes before the page's own.

        | ${vitals} =    Get Vitals Script
        """
        path = self._folder() / "vitals.js"
        path.write_text(f"{_text(VITALS)}\n{_text(SCRIPTS / 'vitals.js')}", encoding="utf-8")
        return str(path)

    @keyword()
    def record_page_speed(self, where: str, samples: list[dict[str, Any]]) -> dict[str, float]:
        """Records loads of the page as `speed.js` measured them; returns the median of each figure.

        - ``where``: device, engine and cache.

        | &{medians} =    Record Page Speed    desktop in Chromium, cold cache    ${samples}
        """
        medians, run = {}, the_run()
        for name, unit, taken in speed.figures(samples):
            run.observe(speed.CRITERION, f"{name}, {where}", taken, unit, statistic="median")
            medians[name] = median(taken)
            run.observe(speed.CRITERION, name, medians[name], unit, samples=len(taken))
        return medians

    @keyword()
    def record_accessibility(self, states: list[tuple[str, list[dict[str, Any]]]]) -> list[str]:
        """Records what axe-core found in states of the page; returns the rules that are broken, each with its places.

        - ``states``: name of each state, and its violations.

        | @{broken} =    Record Accessibility    ${findings}
        """
        run, found = the_run(), accessibility.findings(states)
        run.observe(accessibility.CRITERION, "states looked at", len(states), "states", samples=len(states))
        run.observe(accessibility.CRITERION, "rules broken", len(found), "rules", samples=len(states))
        for finding in found:
            run.observe(accessibility.CRITERION, finding.name, str(finding), "text", samples=len(finding.places))
        return [f"{finding.name}: {finding}" for finding in found]

    @keyword()
    def text_should_be_readable(self, text: str) -> None:
        """A message is a sentence for people: words, and nothing that only programs say.

        | Text Should Be Readable    ${message}
        """
        if problem := readable.problem_of(text):
            raise violation("message on the page", expected="a sentence for people", observed=f"{problem}: {text!r}")

    @keyword()
    def get_new_account(self, name: str) -> Account:
        """Returns e-mail and password of a new user, who is not registered yet, and is known by the name afterwards.

        | ${account} =    Get New Account    Alice
        | Fill Secret    ${selector}    ${account.password}
        """
        return _account(know_user(name, the_run().users.new_user()))

    @keyword()
    def get_account(self, user: Actor = None) -> Account:
        """Returns e-mail and password of a user.

        | ${account} =    Get Account    Alice
        """
        return _account(user_named(user))

    @step()
    async def account_should_exist(self, user: Actor = None) -> User:
        """A user who registered on the page can sign in, and is removed at the end of the run.

        | Account Should Exist    Alice
        """
        run, person = the_run(), user_named(user)
        await run.users.sign_in(person)
        run.users.remember(person)
        return person

    @step()
    async def get_line(self) -> str:
        """Returns the address of a SOCKS proxy, whose connections this run can disturb; a browser goes through it.

        | ${server} =    Get Line
        | &{proxy} =    Create Dictionary    server=${server}    bypass=<-loopback>
        | New Context    proxy=${proxy}
        """
        await self._line.start()
        host, port = self._line.address
        return f"socks5://{host}:{port}"

    @step(tags=("fault",))
    async def disturb_line(self, kind: str, **parameters: float) -> None:
        """Disturbs the connections of the browser that goes through the line, also those that are open.

        - ``kind``, ``parameters``: as of `Break` in FaultLibrary, of the client's own path.

        | Disturb Line    bandwidth    bytes_per_second=2000
        | Disturb Line    refuse
        """
        try:
            self._line.add(kind, disturbance(kind, parameters))
        except (KeyError, TypeError, ValueError) as error:
            raise SuiteError(f"{kind}: {error}; there are {', '.join(KINDS)}") from None
        the_run().note(f"the line of the page is disturbed: {kind} {parameters or ''}")

    @step(tags=("fault",))
    async def restore_line(self) -> dict[str, int]:
        """Ends every disturbance of the line; returns how many connections each has disturbed, by its kind.

        | &{disturbed} =    Restore Line
        """
        found = dict(self._line.disturbances)
        for kind in found:
            self._line.remove(kind)
        return {kind: one.affected for kind, one in found.items()}

    @keyword()
    def save_document(self, document: Payload) -> Path:
        """Saves a document, so that it can be chosen on the page; returns its path.

        | ${note} =    Create Document    note
        | ${path} =    Save Document    ${note}
        """
        path = self._folder() / "documents" / document.filename
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(document.data)
        return path

    @keyword()
    def get_picture_path(self, engine: Engine, size: str, step: str) -> str:
        """Returns where the picture of a step goes; the contact sheet shows it.

        | ${path} =    Get Picture Path    ${ENGINE}    desktop    answered
        """
        folder = self._folder() / "pictures"
        path = folder / f"{_file_name(f'{size}-{engine.name}-{step}')}.png"
        self._pictures[size].setdefault(engine.title, {})[step] = path
        return str(path)

    @keyword()
    def record_pictures(self, standard: str = "Chromium") -> int:
        """Records the pictures of this run, and what differs from those of one engine; returns how many there are.

        The steps of each engine and size become one strip; the contact sheet of the report shows them.

        | ${count} =    Record Pictures
        """
        count, folder = 0, self._folder()
        for size, engines in self._pictures.items():
            for title, steps in engines.items():
                taken = {step: path for step, path in steps.items() if path.is_file()}
                count += len(taken)
                _keep_strip(folder, f"pictures of {title}, {size}", list(taken), pictures.opened(list(taken.values())))
                if title != standard and standard in engines:
                    found = pictures.differences(engines[standard], taken)
                    what = f"{title} beside {standard}, {size}"
                    labels = [f"{step} {one.share:.1f} %" for step, one in found.items()]
                    _keep_strip(folder, f"differences of {what}", labels, [one.marked for one in found.values()])
                    if found:
                        shares = [one.share for one in found.values()]
                        the_run().observe(LOOKS, f"largest difference of {what}", shares, "%", statistic="max")
            for path in (path for steps in engines.values() for path in steps.values()):
                path.unlink(missing_ok=True)
        self._pictures.clear()
        return count

    @keyword()
    def keep_failure_picture(self, path: str, engine: Engine, test: str) -> None:
        """Keeps the picture of a page where a test failed.

        | Keep Failure Picture    ${path}    ${ENGINE}    ${TEST NAME}
        """
        kept = the_run().keep_artifact(Path(path))
        name = f"where it failed in {engine.title}: {test}"
        the_run().observe(LOOKS, name, kept.path, "text", samples=1, artifact=kept)
        logger.info(f'<a href="{kept.path}"><img src="{kept.path}" width="640"></a>', html=True)

    @keyword()
    def get_recording_path(self, test: str, ending: str) -> str:
        """Returns where the recording of a failed test goes: its trace or its requests.

        | ${path} =    Get Recording Path    ${TEST NAME}    har
        """
        return str(self._folder() / f"{_file_name(test)}.{ending}")

    @keyword()
    def excuse_test(self, engine: Engine, what: str) -> None:
        """Has a failure of this test say that the engine failed, and not the page.

        | Excuse Test    ${ENGINE}    it has ended in the middle of the test
        """
        the_run().context.excuse = f"{engine.title}: {what}"

    @property
    def _the_page(self) -> Page:
        if self._page is None:
            self._page = read_page(the_run().descriptor.page)
        return self._page

    @staticmethod
    def _folder() -> Path:
        folder = the_run().folder / FOLDER
        folder.mkdir(exist_ok=True)
        return folder


def _keep_strip(folder: Path, name: str, steps: list[str], cells: list[Any]) -> None:
    if not cells:
        return
    path = folder / f"{_file_name(name)}.webp"
    pictures.save(pictures.strip(cells), path)
    run = the_run()
    run.observe(LOOKS, name, "; ".join(steps), "text", samples=len(steps), artifact=run.keep_artifact(path))


def _file_name(text: str) -> str:
    return re.sub(r"[^\w-]+", "-", text.lower()).strip("-")


def _account(user: User) -> Account:
    return Account(user.email, Secret(user.password))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        logger.info(f"{path}: {error.strerror}")
        raise EnvironmentUnavailable(f"{path.relative_to(PROJECT)} is not installed: set up with `make`") from None
