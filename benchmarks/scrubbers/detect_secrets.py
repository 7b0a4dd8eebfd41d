"""detect-secrets, made for repositories: all its plugins, on a file, as it is meant."""

import tempfile
from collections.abc import Callable
from pathlib import Path

TITLE = "detect-secrets"
REQUIREMENTS = ("detect-secrets",)
DISTRIBUTIONS = ("detect-secrets",)
NOTE = "`scan_file` with all plugins; it looks for secrets, not for people"


def scrubber() -> Callable[[str], str]:
    """All plugins, each secret it names replaced."""
    from detect_secrets.core.scan import scan_file
    from detect_secrets.settings import default_settings

    directory = tempfile.TemporaryDirectory()
    path = Path(directory.name) / "text.txt"

    def scrub(text: str, _kept: object = directory) -> str:
        path.write_text(text, encoding="utf-8")
        with default_settings():
            for secret in list(scan_file(str(path))):
                text = text.replace(secret.secret_value, "[FOUND]") if secret.secret_value else text
        return text

    return scrub
