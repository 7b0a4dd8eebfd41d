"""What the process says of itself: the configuration where it says something, else the standard variables."""

import pytest

from botanu_core.sdk.config import BotanuConfig
from botanu_core.sdk.signals import resource_of

ENVIRONMENT = "deployment.environment.name"


def described(**fields):
    """The resource's attributes under this configuration."""
    return dict(resource_of(BotanuConfig.load(**fields)).attributes)


def test_a_process_that_says_nothing_has_the_defaults():
    """A service without a name is what the SDK calls it; the environment is ours."""
    attributes = described()
    assert attributes["service.name"].startswith("unknown_service")
    assert attributes[ENVIRONMENT] == "production"
    assert "service.version" not in attributes


def test_the_standard_variable_beats_our_defaults(monkeypatch):
    """OTEL_RESOURCE_ATTRIBUTES stays in force for all that nobody has told us."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", f"service.name=desk,service.version=7,{ENVIRONMENT}=staging,team=a")
    attributes = described()
    assert (attributes["service.name"], attributes["service.version"], attributes["team"]) == ("desk", "7", "a")
    assert attributes[ENVIRONMENT] == "staging"


def test_what_was_said_to_us_beats_the_standard_variable(monkeypatch):
    """Each attribute by itself, and also where what was said is the default."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", f"service.name=desk,service.version=7,{ENVIRONMENT}=staging")
    attributes = described(environment="production", service_version="8")
    assert (attributes["service.name"], attributes["service.version"]) == ("desk", "8")
    assert attributes[ENVIRONMENT] == "production"


@pytest.mark.parametrize("attributes", ["", "service.name=desk"])
def test_the_service_name_variable_goes_before_the_attributes(monkeypatch, attributes):
    """As OpenTelemetry has it."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", attributes)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "checkout")
    assert described()["service.name"] == "checkout"


def test_the_old_spelling_of_the_environment_is_not_contradicted(monkeypatch):
    """Who still sets ``deployment.environment`` does not become production by its new name."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=staging")
    assert described()[ENVIRONMENT] == "staging"
    assert described(environment="test")[ENVIRONMENT] == "test"
