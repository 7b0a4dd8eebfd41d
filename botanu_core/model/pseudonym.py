"""Customers under a pseudonym: a keyed hash, the same in all services that share the key, and undone by nobody.

Whoever holds the key finds a customer again by hashing the ids of all customers. Without a key a list of customers
would be enough for that, which is why there is no plain hash.
"""

import hashlib
import hmac
import re
from dataclasses import replace
from typing import Final

from botanu_core import settings
from botanu_core.errors import ConfigError
from botanu_core.model.run import Run
from botanu_core.settings import Settings

__all__ = ["known_as", "pseudonym", "under_pseudonym"]

_DOMAIN: Final = b"botanu customer 1\n"  # so that no other use of the key makes the same hash
_PREFIX: Final = "cust_"
_PSEUDONYM: Final = re.compile(rf"{_PREFIX}[0-9a-f]{{32}}")


def pseudonym(customer_id: str, *, key: str | bytes | None = None) -> str:
    """What a customer is called where ``customer_id_form`` is ``hashed``: ``cust_`` and 128 bits in hex.

    Args:
        customer_id: As the application knows the customer. A pseudonym stays what it is.
        key: Instead of the configured ``customer_id_key``, for programs that look customers up.

    Raises:
        ConfigError: There is no key.
    """
    chosen = settings.current().customer_id_key if key is None else key.encode() if isinstance(key, str) else key
    if not chosen:
        raise ConfigError("pseudonym() needs customer_id_key (BOTANU_CUSTOMER_ID_KEY), or a key of its own")
    return _hashed(str(customer_id), chosen)


def known_as(customer_id: str, chosen: Settings) -> str | None:
    """What this process calls a customer, by the settings in force; `None` where that needs a key that is not there."""
    if chosen.customer_id_form == "plain":
        return customer_id
    return _hashed(customer_id, chosen.customer_id_key) if chosen.customer_id_key else None


def under_pseudonym(run: Run) -> Run:
    """`run` with its customer called as the settings want it, before anything of it can be seen from outside."""
    if run.customer_id is None:  # as of most that have just been opened
        return run
    chosen = settings.current()
    if chosen.customer_id_form == "plain":
        return run
    return replace(run, customer_id=known_as(run.customer_id, chosen))


def _hashed(customer_id: str, key: bytes) -> str:
    if _PSEUDONYM.fullmatch(customer_id):
        return customer_id  # it came over the wire, from a service that shares the key
    code = hmac.digest(key, _DOMAIN + customer_id.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return _PREFIX + code[:16].hex()
