"""A wrong file is answered with every mistake in it at once, by field."""

import os
from itertools import pairwise
from pathlib import Path

import pytest
from acceptance.deployment.descriptor import Descriptor, read_descriptor
from acceptance.deployment.provisioning import Stub
from acceptance.errors import CapabilityMissing, ConfigurationError
from acceptance.yaml_models import read_model

GOOD = """
name: here
environment: staging
services:
  frontend: {url: "http://127.0.0.1:1"}
  api: {url: "http://127.0.0.1:2", build: "json:build"}
  worker: {url: "http://127.0.0.1:2"}
  authentication: {url: "http://127.0.0.1:3/auth/v1/"}
  storage: {url: "http://127.0.0.1:3/storage/v1"}
  realtime: {url: "ws://127.0.0.1:2"}
providers: {parser: {name: p, job_id_pattern: "^p"}, model: m, embedding: {name: e, dimensions: 8}}
users: signup
sessions: {refresh_reuse_seconds: 0, logout_revokes_access: true, jwt_survives_auth_outage: true}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "deployment.yaml"
    path.write_text(GOOD)
    return path


def test_a_right_descriptor_is_read(file: Path) -> None:
    descriptor = read_descriptor(file)
    assert descriptor.services.authentication.url == "http://127.0.0.1:3/auth/v1"
    with pytest.raises(CapabilityMissing, match="needs the capability 'sql'"):
        descriptor.need("sql")


def test_every_mistake_is_named_at_once_by_field(file: Path) -> None:
    wrong = GOOD.replace("environment:", "enviroment:").replace(
        'url: "http://127.0.0.1:2", build', "url: nowhere, build"
    )
    file.write_text(
        wrong.replace("dimensions: 8", "dimensions: many").replace("users: signup", "users: 7\ncapabilities: [sqll]")
    )
    with pytest.raises(ConfigurationError) as caught:
        read_model(file, Descriptor)
    text = str(caught.value)
    assert "enviroment: unknown field (did you mean 'environment'?)" in text
    assert "environment: missing" in text
    assert "services.api.url: expected an address such as" in text
    assert "providers.embedding.dimensions:" in text and "'many'" in text
    assert "users:" in text and "'signup'" in text
    assert "capabilities: unknown: sqll" in text
    assert all(line.startswith(str(file)) for line in caught.value.problems)


@pytest.mark.parametrize(
    ("content", "says"),
    [("", "expected fields with values"), ("- a", "found list"), ("a: [", "is not YAML"), ("\x00", "is not YAML")],
)
def test_what_is_not_a_mapping_is_named(file: Path, content: str, says: str) -> None:
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=says):
        read_model(file, Descriptor)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file"):
        read_model(tmp_path / "none.yaml", Descriptor)


def test_unset_secrets_are_all_named_with_where_to_set_them(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(GOOD + "secrets: {one: T_ONE, two: T_TWO, three: T_THREE}\nsecrets_file: secrets.env\n")
    (file.parent / "secrets.env").write_text("# comment\nT_TWO=2\nT_THREE=\n")
    for name in ("T_ONE", "T_TWO", "T_THREE"):
        monkeypatch.delenv(name, raising=False)
    descriptor = read_descriptor(file)
    missing = descriptor.missing_secrets()
    assert [line.split("'")[1] for line in missing] == ["one", "three"]
    assert "set T_ONE in the environment, or in secrets.env" in missing[0]
    assert "2" not in repr(descriptor.secret("two"))
    with pytest.raises(ConfigurationError, match="set T_ONE"):
        descriptor.secret("one")


def _refused(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_descriptor(path)
    return str(caught.value)


def _tenfold(*levels: str) -> str:
    lines = [f"{two}: &{two} [{', '.join([f'*{one}'] * 10)}]" for one, two in pairwise(levels)]
    return "\n".join([f"{levels[0]}: &{levels[0]} [x]", *lines])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (GOOD.replace("2\", build", "2\", max_heartbeat_age_seconds: .nan, build"), "expected a number, found nan"),
        (_tenfold(*"abcdefghi"), "more than 100,000 values"),
        ("a: &a [*a]", "more than 100,000 values"),
        (GOOD.replace("name: here", 'name: "\\ud800"'), r":2: name: expected a line of text (found '\ud800')"),
        ("x" * 4_000_001, "is larger than 4,000,000 bytes"),
        (GOOD.replace("name: here", "name: ''"), ":2: name: expected a line of text"),
        (GOOD.replace("name: here", "name: " + "n" * 101), ":2: name: Value should have at most 100"),
        (GOOD + "sibling_of: here", ":14: sibling_of: names the deployment itself"),
        (GOOD + r'thresholds: {PRE-01: {value: 1, reason: "a\nGO"}}', "PRE-01.reason: expected a line of text"),
        (GOOD.replace("http://127.0.0.1:2", "http://[::1"), ":6: services.api.url: Invalid IPv6 URL"),
        (GOOD.replace("127.0.0.1:2", "127.0.0.1:99999999"), ":6: services.api.url: Port out of range"),
    ],
)  # fmt: skip
def test_what_no_field_may_hold_is_named_by_its_line(file: Path, content: str, says: str) -> None:
    file.write_text(content)
    assert says in _refused(file)


def test_a_file_of_secrets_is_small_regular_text(file: Path) -> None:
    file.write_text(GOOD + "secrets_file: secrets")
    secrets = file.parent / "secrets"
    secrets.symlink_to("/dev/zero")
    assert f"secrets_file {secrets}: is no regular file" in _refused(file)
    secrets.unlink()
    os.mkfifo(secrets)
    assert "is no regular file" in _refused(file)
    secrets.unlink()
    secrets.write_bytes(b"A=\xff")
    assert "is no UTF-8 text" in _refused(file)
    secrets.write_text("x" * 64_001)
    assert "larger than 64,000 bytes" in _refused(file)


def test_what_nothing_fills_in_a_command_is_named(file: Path) -> None:
    file.write_text("name: x\nprovision: {command: [sh, -c, 'echo {x}'], writes: y.yaml}")
    with pytest.raises(ConfigurationError, match=r":2: provision\.command\.2: nothing fills in \{x\}; known are w"):
        read_model(file, Stub)
