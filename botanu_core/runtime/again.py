"""`as_run`: which run is done again."""

from botanu_core import settings
from botanu_core.model.run import Run, is_run_id

__all__ = ["as_run"]


def as_run(previous: object) -> Run:
    """The run that is done again.

    Args:
        previous: A `RunContext`, a `Run`, or the id of one.

    Raises:
        ValueError: Something that names no run.
    """
    run = getattr(previous, "run", previous)
    if isinstance(run, Run):
        return run
    if isinstance(previous, str) and is_run_id(previous):
        return Run(run_id=previous, root_run_id=previous, environment=settings.current().environment)
    raise ValueError(
        "a retry needs the RunContext, the Run or the run id (a UUID in lower case) of the run it does again, "
        f"got {'another text' if isinstance(previous, str) else type(previous).__name__}"
    )
