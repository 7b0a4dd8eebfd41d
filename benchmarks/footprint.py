"""What `pip install botanu` brought: `python benchmarks/footprint.py` in an environment that holds nothing else.

Lists the distributions with their sizes, imports the package, and fails if a framework, a model client or an
instrumentor came along. Run it outside the repository's root, so that the installed package is the one imported.
"""

import importlib
import sys
from importlib.metadata import Distribution, distributions

UNWANTED = (
    "starlette",
    "fastapi",
    "flask",
    "django",
    "celery",
    "langchain",
    "langchain-core",
    "openai",
    "anthropic",
    "boto3",
    "opentelemetry-instrumentation",
)
TOOLS = ("pip", "setuptools", "wheel", "uv")


def main() -> int:
    """Print the footprint; 1 if something came along that should not."""
    found = {_name(each): each for each in distributions() if _name(each) not in TOOLS}
    for name, each in sorted(found.items()):
        print(f"{_bytes(each) / 1e6:8.1f} MB  {name} {each.version}")
    print(f"{sum(map(_bytes, found.values())) / 1e6:8.1f} MB  in {len(found)} distributions")
    unwanted = [name for name in sorted(found) if name in UNWANTED or name.startswith(f"{UNWANTED[-1]}-")]
    if unwanted:
        print(f"came along and should not: {', '.join(unwanted)}", file=sys.stderr)
        return 1
    botanu = importlib.import_module("botanu")
    print(f"imported {botanu.__name__}: {', '.join(sorted(botanu.__all__)[:5])}, …")
    return 0


def _name(distribution: Distribution) -> str:
    return distribution.metadata["Name"].lower().replace("_", "-")


def _bytes(distribution: Distribution) -> int:
    paths = [distribution.locate_file(file) for file in distribution.files or ()]
    return sum(path.stat().st_size for path in paths if path.is_file())  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
