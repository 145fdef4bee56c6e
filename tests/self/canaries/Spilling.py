"""Steps that spill secrets, as careless libraries do."""

import base64
import json
import os
import sys
from urllib.parse import quote

from opening import the_run
from robot.api import logger


def spilled_secret() -> str:
    """The secret of the environment, as it is."""
    the_run()
    return os.environ["CANARY_ENVIRONMENT"]


def spilled_token(name: str) -> str:
    """The access token of a person."""
    return the_run().scene.people[name].access_token


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
