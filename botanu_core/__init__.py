"""The engine. Read top to bottom, the rooms are the data path, inside out:

model → wire | privacy → runtime → tracking → adapter | sdk. Only `sdk` imports the OpenTelemetry SDK.
"""

from botanu_core.version import __version__

__all__ = ["__version__"]
