"""Runs one measuring module in a process of its own and prints what it found as JSON.

    python benchmarks/worker.py benchmarks.tables.core spans 60 1000

The module offers `contenders(config)`. Lines for the parent begin with a mark, because some peers print to
standard output. The package `benchmarks` is loaded from where it lies, without the repository's root on the import
path: there a peer of the name `botanu` would be hidden by ours.
"""

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

MARK = "@bench "


def main(arguments: list[str]) -> None:
    """Measure the module named in `arguments` and print its samples."""
    module_name, config, count, iterations = arguments
    load_package()
    from benchmarks.harness import Rounds, measure
    from benchmarks.providers import flush

    module = importlib.import_module(module_name)
    contenders = module.contenders(config)
    rounds = Rounds(int(count), int(iterations) // getattr(module, "SLOWNESS", 1))
    samples = measure(contenders, rounds, lambda done, total: _say(done=done, total=total), flush)
    _say(samples=samples, versions=_versions(module))


def load_package() -> None:
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    spec = importlib.util.spec_from_file_location(
        "benchmarks", here / "__init__.py", submodule_search_locations=[str(here)]
    )
    if spec is None or spec.loader is None:
        raise ImportError("benchmarks/__init__.py is missing")
    package = importlib.util.module_from_spec(spec)
    sys.modules["benchmarks"] = package
    spec.loader.exec_module(package)


def _versions(module: Any) -> dict[str, str]:
    from importlib.metadata import version

    names = ("opentelemetry-sdk", *getattr(module, "DISTRIBUTIONS", ()))
    return {name: version(name) for name in names}


def _say(**message: Any) -> None:
    print(MARK + json.dumps(message), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
