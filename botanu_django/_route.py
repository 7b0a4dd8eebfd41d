"""The template of the route that served a request, as one path."""

import functools
from typing import Final

__all__ = ["template"]

_REGEX: Final = frozenset("^$\\?*+(|[")


@functools.lru_cache(maxsize=4096)
def template(route: str) -> str:
    """``shops/<slug:shop>/items/<int:item>/`` with its slash in front; a regular expression is told by its groups.

    Args:
        route: As `resolver_match` has it: with the prefixes of all that includes it.
    """
    return "/" + (_simplified(route) if _REGEX.intersection(route) else route).removeprefix("/")


def _simplified(pattern: str) -> str:
    # What Django's own pages show of a pattern. Only who still writes regular expressions pays for the import.
    from django.contrib.admindocs import utils

    simple = utils.replace_named_groups(utils.remove_non_capturing_groups(pattern))
    text: str = utils.replace_metacharacters(utils.replace_unnamed_groups(simple))
    return text
