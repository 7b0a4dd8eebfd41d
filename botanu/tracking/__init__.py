"""The documented paths of the trackers."""

__all__: list[str] = []
