"""Which certificates a run trusts: of the public authorities, or of an authority of the deployment's own."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import httpx

from acceptance.deployment.descriptor import Descriptor, is_local
from acceptance.errors import ConfigurationError

# Where Python's ssl looks, which httpx and websockets use, and where Node does.
VARIABLES = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")


@contextmanager
def trusted(descriptor: Descriptor) -> Iterator[None]:
    """Every client of this process, and of those that it starts meanwhile, trusts the descriptor's `ca_file`.

    Raises:
        ConfigurationError: there is no such file, or no certificate in it.
    """
    file = descriptor.ca_file
    try:
        if file is not None:
            ssl.create_default_context(cafile=file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError([f"ca_file {file}: no certificates could be read: {error}"]) from None
    with patch.dict(os.environ, dict.fromkeys(VARIABLES, str(file)) if file else {}):
        yield


def http_client(url: str, *, transport: httpx.AsyncBaseTransport | None = None, **options: Any) -> httpx.AsyncClient:
    """A client of an address that trusts what the run trusts; proxies of the environment are not before loopback."""
    is_direct = transport is not None or is_local(url)
    return httpx.AsyncClient(transport=transport, verify=httpx.create_ssl_context(), trust_env=not is_direct, **options)
