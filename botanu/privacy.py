"""Scrubbing: the patterns, the scrubber that applies them, and Presidio beside them."""

from botanu_core.privacy import WITHHELD as WITHHELD
from botanu_core.privacy import Scrubber as Scrubber
from botanu_core.privacy import activate_scrubber as activate_scrubber
from botanu_core.privacy import default_scrubber as default_scrubber
from botanu_core.privacy.pattern import Hit as Hit
from botanu_core.privacy.pattern import Pattern as Pattern
from botanu_core.privacy.presidio import presidio as presidio

__all__ = ["WITHHELD", "Hit", "Pattern", "Scrubber", "activate_scrubber", "default_scrubber", "presidio"]
