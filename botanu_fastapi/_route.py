"""The template of the route that served a request, which FastAPI and Starlette leave in several places."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["route_of"]


def route_of(scope: Mapping[str, Any], status: int) -> str | None:
    """``/shops/{shop}/items/{item}``: mounts, router prefixes and converters included, never the path itself.

    Args:
        scope: The request's, after it was served.
        status: Of the response. Below a mount, 404 is how one learns that nothing was there.

    Returns:
        The template; `None` where no route served the request, or none that says its template.
    """
    route = scope.get("route")
    included = (scope.get("fastapi") or {}).get("effective_route_context")
    if included is not None and (route is None or included.original_route is route):
        # FastAPI's `include_router` leaves a route as it is, and its full path here.
        route = included.starlette_route or included
    prefix = _mounts(scope) if "app_root_path" in scope else ""
    if route is None and isinstance(scope.get("path_template"), str):
        return str(scope["path_template"]) if status != 404 else None  # Litestar's
    if route is None or hasattr(route, "routes"):
        # A mount was the last to be found: what it holds has no routes of its own, or none for this path.
        return f"{prefix}/{{path}}" if prefix and status != 404 else None
    template = getattr(route, "path_format", None) or getattr(route, "path", None)
    return prefix + template if isinstance(template, str) else None


def _mounts(scope: Mapping[str, Any]) -> str:
    """The templates of the mounts that the request has crossed: the scope has only their paths, filled in."""
    outer: str = scope["app_root_path"]
    path: str = scope["path"]
    crossed = scope["root_path"][len(outer) :]
    rest = path.removeprefix(outer)
    return _prefix(getattr(scope.get("router"), "routes", ()), rest, crossed) or ""


def _prefix(routes: Iterable[Any], rest: str, crossed: str) -> str | None:
    if not crossed:
        return ""
    for mount in _candidates(routes):
        match = mount.path_regex.match(rest)
        if match is None or "path" not in match.groupdict():
            continue
        filled = rest[: -len(match["path"]) - 1]
        if not crossed.startswith(filled):
            continue
        inner = _prefix(mount.routes, rest[len(filled) :], crossed[len(filled) :])
        if inner is not None:
            template: str = mount.path_format.removesuffix("/{path}")
            return template + inner
    return None


def _candidates(routes: Iterable[Any]) -> Iterator[Any]:
    """The mounts among `routes`, those in included routers and behind hosts too."""
    for route in routes:
        if hasattr(route, "effective_route_contexts"):
            yield from _candidates(each.starlette_route for each in route.effective_route_contexts())
        elif hasattr(route, "host_regex"):
            yield from _candidates(route.routes)
        elif hasattr(route, "routes") and hasattr(route, "path_regex"):
            yield route
