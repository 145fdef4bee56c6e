"""Steps that spill secrets, as careless libraries do."""

import base64
import json
import os
import sys
from urllib.parse import quote

from acceptance.errors import EnvironmentUnavailable
from robot.api import logger
from robot_run.lifecycle import the_run

from tests.self.canaries import planted


def spilled_secret() -> str:
    """The secret of the environment, as it is."""
    the_run()
    return os.environ["CANARY_ENVIRONMENT"]


def spilled_token(name: str) -> str:
    """The access token of a person."""
    return the_run().context.users[name].access_token


def spill_in_a_message() -> None:
    """Fails with a secret in the message, and a traceback that holds it."""
    raise RuntimeError(f"cannot sign in with {spilled_secret()}")


def spill_in_other_clothes() -> None:
    """Logs and prints a secret in the forms that headers, addresses and bodies give it."""
    secret = spilled_secret()
    logger.info(f"Authorization: Basic {base64.b64encode(f'user:{secret}'.encode()).decode()}")
    logger.info(f"GET /?key={quote(secret, safe='')}", html=True)
    logger.debug(json.dumps({"password": secret}))
    logger.warn(f"careless {secret}")
    logger.console(f"careless {the_run().redactor.clean(secret)}")
    print(f"*INFO* {secret}")
    print(secret, file=sys.stderr)


def spill_in_a_cause() -> None:
    """Fails with a secret in the exception behind the exception, once as bytes."""
    try:
        raise ValueError(spilled_secret().encode())
    except ValueError as error:
        raise RuntimeError(f"cannot sign in: {error}") from KeyError(spilled_secret())


def headers_of_a_session() -> dict[str, str]:
    """Headers as a careless suite gives them to a library; nobody has registered what they hold."""
    return {"Authorization": f"Bearer {planted.FOREIGN}", "Cookie": f"a=1; sid={planted.FOREIGN}"}


def leave_files(where: str) -> None:
    """Files of every kind, with the secret of the environment and with one that was born in the run."""
    run = the_run()
    for name, secret in {"environment": spilled_secret(), "born": run.redactor.register(planted.BORN)}.items():
        folder = run.folder / where / name
        folder.mkdir(parents=True)
        planted.plant_all(folder, secret)
        (folder / f"{quote(secret, safe='')}.txt").write_text("harmless")


def record_everything() -> None:
    """Records of each kind with the secret in them, and artifacts."""
    run, secret = the_run(), spilled_secret()
    run.evidence.note(f"noted {secret}")
    run.evidence.series("INT-07", f"series {secret}", "ms", {f"line {secret}": [(0, 1)]}, marks={secret: 0})
    run.observe("INT-07", f"observed {secret}", f"text {secret}", "text", samples=1)
    (run.folder / "body.json").write_text(json.dumps({"body": secret}))
    (run.folder / "masked.png").write_bytes(planted.picture())
    for name in ("body.json", "masked.png"):
        run.observe("INT-07", name, 1, "files", samples=1, artifact=run.keep_artifact(run.folder / name))
    (run.folder / "speaking.png").write_bytes(planted.picture(secret))
    try:
        run.keep_artifact(run.folder / "speaking.png")
    except EnvironmentUnavailable as error:
        logger.info(str(error))
    else:
        raise AssertionError("a picture with the secret in it was kept")
