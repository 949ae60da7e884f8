"""The OpenAPI document keeps its word: generated requests never meet a fault, and answers have the promised shape."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.api.main import api

schema = schemathesis.openapi.from_dict(api.openapi())
CHECKS = (not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance)


@pytest.fixture(scope="module")
def base(served, predicted, evaluated) -> str:
    return f"{served.url}/api/v1"


@schema.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_a_generated_request_is_answered_as_the_document_says(case, base):
    case.call_and_validate(base_url=base, checks=CHECKS, timeout=60)
