"""The validator tells what was wrong, whatever a deployment answers, and gives no pleasant default."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from acceptance.results import StepError
from acceptance.validator import CloudIntegrationValidator

from tests.unit.conftest import Serve, descriptor_at

ValidatorAt = Callable[[str], CloudIntegrationValidator]
UNREACHABLE = "http://127.0.0.1:9"
ERROR = {"error": {"code": "c", "message": "m", "request_id": "r-1"}}
WRONG = {
    "401": (401, ERROR, "401"),
    "404": (404, ERROR, "404"),
    "500": (500, b"Internal Server Error", "500"),
    "an empty object": (200, {}, "200"),
    "an empty object, created": (201, {}, "201"),
}


@pytest.fixture
def validator_at(tmp_path: Path) -> ValidatorAt:
    """A validator of a deployment whose every service is at one address."""

    def make(address: str) -> CloudIntegrationValidator:
        path = tmp_path / "deployment.yaml"
        path.write_text(yaml.safe_dump(descriptor_at(address).model_dump(mode="json", exclude_defaults=True)))
        return CloudIntegrationValidator(str(path), folder=tmp_path / "run")

    return make


@pytest.fixture(params=[*WRONG, "nothing"])
def wrong(
    request: pytest.FixtureRequest, serve: Serve, validator_at: ValidatorAt
) -> tuple[CloudIntegrationValidator, str]:
    """A validator of a deployment that answers everything in one wrong way, and what it must have seen."""
    if request.param == "nothing":
        return validator_at(UNREACHABLE), "ConnectError"
    status, body, seen = WRONG[request.param]
    return validator_at(serve(status, body, {"x-request-id": "r-1"})), seen


@pytest.fixture
def paper(tmp_path: Path) -> str:
    """A document that nothing looks into here."""
    path = tmp_path / "paper.pdf"
    path.write_bytes(b"%PDF-1.7 nothing")
    return str(path)


def _names_the_reason(errors: list[StepError], seen: str) -> None:
    assert errors
    assert all(seen in error.observed and error.expected and error.request_id for error in errors), errors


def test_an_upload_fails_with_the_reason(wrong: tuple[CloudIntegrationValidator, str], paper: str) -> None:
    validator, seen = wrong
    result = asyncio.run(validator.test_document_upload_flow(paper))
    _names_the_reason(result.errors, seen)
    assert (result.status, result.processing_time, result.stages_completed) == ("failed", None, [])
    assert seen in result.not_measured["processing_time"]


def test_authentication_fails_with_the_reason(wrong: tuple[CloudIntegrationValidator, str]) -> None:
    validator, seen = wrong
    result = asyncio.run(validator.test_authentication_integration())
    _names_the_reason(result.errors, seen)
    assert (result.login_success, result.session_management, result.security_validation) == (False, None, None)
    assert set(result.not_measured) == {"session_management", "security_validation"}


def test_performance_fails_with_the_reason(wrong: tuple[CloudIntegrationValidator, str]) -> None:
    validator, seen = wrong
    result = asyncio.run(validator.test_performance_under_load(2))
    _names_the_reason(result.errors, seen)
    assert (result.throughput, result.passes_baseline, result.baseline_comparison) == (None, None, None)
    assert result.response_times == {}
    assert set(result.not_measured) == {"throughput", "passes_baseline", "baseline_comparison"}


def test_a_document_that_is_not_there_is_named(validator_at: ValidatorAt, tmp_path: Path) -> None:
    result = asyncio.run(validator_at(UNREACHABLE).test_document_upload_flow(str(tmp_path / "missing.pdf")))
    (error,) = result.errors
    assert error.step == "document" and "missing.pdf" in error.observed


def test_a_deployment_that_is_not_there_is_named(tmp_path: Path) -> None:
    validator = CloudIntegrationValidator("nowhere", folder=tmp_path)
    result = asyncio.run(validator.test_authentication_integration())
    (error,) = result.errors
    assert error.step == "deployment" and "nowhere" in error.observed
