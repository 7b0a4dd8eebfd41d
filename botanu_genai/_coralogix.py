"""`setup_export_to_coralogix`: everything to Coralogix, in one call."""

import os

from botanu_core.clients import ConfigError, export_to

__all__ = ["setup_export_to_coralogix"]


def setup_export_to_coralogix(
    service_name: str,
    coralogix_token: str | None = None,
    coralogix_endpoint: str | None = None,
    application_name: str | None = None,
    subsystem_name: str | None = None,
    use_batch_processor: bool = True,
    capture_content: bool = False,
) -> None:
    """Send spans, and where `botanu.enable()` was not called before, its metrics and events, to Coralogix.

    No call ever waits for Coralogix: whatever happens there is counted, said once, and shown by `botanu.doctor()`.

    Args:
        service_name: The service's name, where no tracer provider has one yet.
        coralogix_token: The key to send data with; CX_TOKEN without it.
        coralogix_endpoint: ``https://ingress.eu2.coralogix.com``, with or without scheme; CX_ENDPOINT without it.
        application_name: CX_APPLICATION_NAME without it, and without that the service's name.
        subsystem_name: CX_SUBSYSTEM_NAME without it, and without that the service's name.
        use_batch_processor: Whether spans leave together, each second. Without it they leave as they end, which is
            for short programs; the caller does not wait then either.
        capture_content: Whether prompts and answers are on the spans.

    Raises:
        ConfigError: Token or endpoint is missing, or something else is wrong.
    """
    token = coralogix_token or os.environ.get("CX_TOKEN", "").strip()
    endpoint = coralogix_endpoint or os.environ.get("CX_ENDPOINT", "").strip()
    if not token or not endpoint:
        missing = [name for name, found in (("CX_TOKEN", token), ("CX_ENDPOINT", endpoint)) if not found]
        raise ConfigError(
            "Coralogix needs a token (coralogix_token or CX_TOKEN) and an endpoint (coralogix_endpoint or CX_ENDPOINT, "
            f"such as https://ingress.eu2.coralogix.com); missing: {' and '.join(missing)}"
        )
    export_to(
        service_name=service_name,
        endpoint=endpoint if "://" in endpoint else f"https://{endpoint}",
        headers={
            "authorization": f"Bearer {token}",
            "cx-application-name": application_name or os.environ.get("CX_APPLICATION_NAME") or service_name,
            "cx-subsystem-name": subsystem_name or os.environ.get("CX_SUBSYSTEM_NAME") or service_name,
        },
        at_once=not use_batch_processor,
        capture_content=capture_content,
    )
