"""The house keeps its shape: who imports whom, what an import costs, how long a file may be."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(path.parent for path in ROOT.glob("botanu*/py.typed"))
MODULES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))
LONGEST = 400

# Loading one of these with `import botanu` costs every program that only names a run.
HEAVY = (
    "opentelemetry.sdk",
    "opentelemetry.exporter",
    "opentelemetry.instrumentation",
    "pydantic",
    "yaml",
    "re2",
    "grpc",
)
FRAMEWORKS = ("starlette", "fastapi", "flask", "django", "celery", "langchain", "langchain_core", "openai", "anthropic")


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run this Python in a process of its own, without settings that the environment may hold."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "BOTANU_"))}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_there_is_something_to_check():
    """An empty list of modules would make every test below pass."""
    assert {"botanu", "botanu_core", "botanu_fastapi"} <= {package.name for package in PACKAGES}
    assert len(MODULES) > 20


def test_import_contracts_are_kept():
    """The contracts in pyproject.toml: layers, rooms, the door, no framework in the core."""
    command = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = _run("-c", command, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", [path for path in MODULES if "sdk" not in path.parts], ids=_name)
def test_only_the_sdk_room_imports_the_sdk(path):
    """import-linter cannot tell parts of an outside package from each other; the syntax tree can."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    assert not [name for name in imported if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]


def test_importing_botanu_loads_no_sdk_exporter_or_framework(tmp_path):
    """In a fresh interpreter, and away from the tree."""
    done = _run("-c", "import sys, botanu; print(*sorted(sys.modules), sep='\\n')", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.split()
    unwanted = [name for name in loaded if name.startswith(tuple(f"{heavy}." for heavy in HEAVY + FRAMEWORKS))]
    unwanted += [name for name in loaded if name in HEAVY + FRAMEWORKS]
    assert "botanu" in loaded
    assert unwanted == []


def test_importing_botanu_starts_nothing(tmp_path):
    """No thread, and no OpenTelemetry provider set."""
    program = """
import threading
import botanu
from opentelemetry import _logs, metrics, trace
print(threading.active_count(), *(type(get()).__name__ for get in (
    trace.get_tracer_provider, metrics.get_meter_provider, _logs.get_logger_provider)))
"""
    done = _run("-c", program, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    threads, *providers = done.stdout.split()
    assert threads == "1"
    assert all("Proxy" in provider for provider in providers), providers


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_no_file_grows_past_a_reader(path):
    """A file that no longer fits in a head is two files."""
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= LONGEST


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_every_public_module_says_what_it_promises(path):
    """A public module that defines or re-exports anything has `__all__`, and the names in it are there once."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    is_private = any(part.startswith("_") and part != "__init__.py" for part in path.relative_to(ROOT).parts)
    assert ast.get_docstring(tree), "a module begins with what it is for"
    if is_private or all(_is_dunder(statement) for statement in tree.body[1:]):
        return
    promised = _promised(tree)
    assert promised is not None, "no __all__"
    assert len(promised) == len(set(promised))


def _is_dunder(statement: ast.stmt) -> bool:
    """Whether this only sets a name like `__version__`."""
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    return isinstance(target, ast.Name) and target.id != "__all__" and target.id.startswith("__")


def _promised(tree: ast.Module) -> list[str] | None:
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            value = statement.value
            return [ast.unparse(element) for element in value.elts] if isinstance(value, ast.List | ast.Tuple) else []
    return None


@pytest.mark.parametrize("package", PACKAGES, ids=_name)
def test_every_promised_name_is_there(package, tmp_path):
    """`from module import *` works for every module of the package: `__all__` names nothing that is missing."""
    modules = [path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in package.rglob("*.py")]
    imports = "\n".join(f"from {name.removesuffix('.__init__')} import *" for name in sorted(modules))
    done = _run("-c", imports, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
