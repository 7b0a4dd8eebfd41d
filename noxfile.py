"""Every command of this repository, each in an environment of its own.

`python3 -m nox -l` lists them. uv makes the environments where it is installed, virtualenv and pip where it is
not. Dependencies come from the groups in pyproject.toml, so that no list is kept twice.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox
from nox.command import CommandFailed

ROOT = Path(__file__).parent
PACKAGES = (
    "botanu",
    "botanu_celery",
    "botanu_core",
    "botanu_django",
    "botanu_fastapi",
    "botanu_flask",
    "botanu_genai",
    "botanu_langchain",
)

# Its table decides what tests/phoenix compares with, so that one release is named.
PHOENIX = "arize-phoenix==20.26.1"
PHOENIX_VARIABLE = "BOTANU_TEST_PHOENIX"

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "contracts", "tests"]
# A session whose Python is missing must fail; skipped, it would look green.
nox.options.error_on_missing_interpreters = True
nox.options.download_python = "never"
# Without this uv tries, version after version, to download an interpreter it does not find.
os.environ.setdefault("UV_PYTHON_DOWNLOADS", "never")


def _show_all_pyenv_versions() -> None:
    """Let `--force-python 3.13` find every interpreter that pyenv has.

    pyenv's `python3.13` on the PATH is a shim that fails unless 3.13 is among the selected versions.
    """
    if shutil.which("pyenv") is None or "PYENV_VERSION" in os.environ:
        return
    listed = subprocess.run(["pyenv", "versions", "--bare"], capture_output=True, text=True, check=False)
    versions = [line.strip() for line in listed.stdout.splitlines() if line.strip()]
    running = ".".join(map(str, sys.version_info[:3]))
    os.environ["PYENV_VERSION"] = ":".join(sorted(versions, key=lambda version: version != running))


_show_all_pyenv_versions()


def _install(session: nox.Session, *groups: str) -> None:
    """Install this repository, editable, with the dependency groups named."""
    wanted = nox.project.dependency_groups(nox.project.load_toml(ROOT / "pyproject.toml"), *groups)
    # The groups name `botanu[extras]`; an index may know another distribution of that name, we mean this tree.
    extras = {entry.removeprefix("botanu") for entry in wanted if entry.startswith("botanu[")} or {""}
    ours = [argument for extra in sorted(extras) for argument in ("-e", f"{ROOT}{extra}")]
    session.install(*ours, *(entry for entry in wanted if not entry.startswith("botanu[")))


def _phoenix(session: nox.Session) -> str:
    """The command that starts Phoenix; installed once, 600 MB, away from our environments: it wants other versions."""
    home = Path(session.cache_dir).resolve() / "phoenix"
    command = home / ("Scripts" if os.name == "nt" else "bin") / "phoenix"
    if not command.exists():
        session.install("virtualenv")
        session.run("python", "-m", "virtualenv", "--clear", "--quiet", str(home))
        python = str(command.with_name("python"))
        if shutil.which("uv"):
            session.run("uv", "pip", "install", "--quiet", "-p", python, PHOENIX, external=True)
        else:
            session.run(python, "-m", "pip", "install", "--quiet", PHOENIX, external=True)
    return str(command)


# Brokers that tests start as children; none of them begins by itself where this is meant to run.
SERVERS = {"redis-server": "redis-server", "rabbitmq-server": "rabbitmq-server"}


def _servers(session: nox.Session) -> None:
    """Install what is missing of `SERVERS`, where that can be done; elsewhere their tests are skipped."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    missing = [package for command, package in SERVERS.items() if shutil.which(command, path=path) is None]
    if missing and shutil.which("apt-get") and os.geteuid() == 0:
        session.run("apt-get", "update", "-qq", external=True, silent=True)
        session.run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, external=True, silent=True)


@nox.session
def demo(session: nox.Session) -> None:
    """The main job: services, model clients and an OTLP receiver; then the table and the invoice check."""
    _install(session, "demo")
    session.run("python", "-m", "demo", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """The whole test suite. Arguments after `--` go to pytest."""
    _install(session, "test", "lint", "sqs")  # tests/test_architecture.py holds the import contracts as well.
    _servers(session)
    found = {PHOENIX_VARIABLE: _phoenix(session)} if os.environ.get("CI") == "true" else None
    if session.posargs:
        session.run("python", "-m", "pytest", *session.posargs, env=found)
        return
    # What these bring into a process stays there: a worker's logging, and contexts that other handlers leave attached.
    apart = ("tests/celery_tasks", "tests/langchain_calls")
    # Most of the time goes into waiting for servers and starting processes; a file's tests share what they start.
    spread = ("python", "-m", "pytest", "--numprocesses=auto", "--dist=loadfile")
    parts = [[place] for place in apart] + [[f"--ignore={place}" for place in apart]]
    failed = False
    for part in parts:  # All of them, so that one failure does not hide the others.
        try:
            session.run(*spread, *part, env=found)
        except CommandFailed:
            failed = True
    if failed:
        session.error("tests failed")


@nox.session
def phoenix(session: nox.Session) -> None:
    """The independent price check: Arize Phoenix, in an environment of its own, prices the same spans."""
    _install(session, "test")
    session.run(
        "python", "-m", "pytest", *(session.posargs or ["tests/phoenix"]), env={PHOENIX_VARIABLE: _phoenix(session)}
    )


@nox.session
def older(session: nox.Session) -> None:
    """Calls seen by the older instrumentation of OpenAI as well, which cannot be installed beside the newer one."""
    _install(session, "older")
    session.run("python", "-m", "pytest", "tests/ledger_matrix", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """ruff: the rules and the format."""
    _install(session, "lint")
    session.run("ruff", "check", *(session.posargs or ["."]))
    session.run("ruff", "format", "--check", *(session.posargs or ["."]))


@nox.session
def types(session: nox.Session) -> None:
    """mypy --strict over the packages and the demo."""
    _install(session, "lint", "demo")
    targets = [argument for package in (*PACKAGES, "demo") for argument in ("-p", package)]
    session.run("mypy", "--strict", *(session.posargs or targets))


@nox.session
def contracts(session: nox.Session) -> None:
    """import-linter: who may import whom."""
    _install(session, "lint")
    session.run("lint-imports", "--no-logo", *session.posargs)


@nox.session(reuse_venv=False)
def core_only(session: nox.Session) -> None:
    """What `pip install botanu` alone brings: it imports, and no framework or instrumentor came with it."""
    session.install(str(ROOT))
    with session.chdir(session.create_tmp()):  # Away from the tree, so that the installed package is the one imported.
        session.run("python", str(ROOT / "benchmarks" / "footprint.py"))


@nox.session
def examples(session: nox.Session) -> None:
    """Run every file of examples/, offline; `-- NAME` runs one."""
    scripts = sorted(path for path in (ROOT / "examples").glob("*.py") if not path.name.startswith("_"))
    chosen = [path for path in scripts if not session.posargs or path.stem in session.posargs]
    if not chosen:
        session.skip("no such file in examples/")
    _install(session, "demo")
    for script in chosen:
        session.run("python", str(script))


@nox.session
def bench(session: nox.Session) -> None:
    """Measure, print the tables, and write benchmarks/README.md. `-- --quick` only prints, in a minute."""
    _install(session, "bench")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Make wheel and sdist in dist/, install the wheel into an empty environment and import it there."""
    session.install("build", "virtualenv")
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(dist), str(ROOT))
    (wheel,) = dist.glob("*.whl")
    clean = Path(session.create_tmp()).resolve() / "clean"
    session.run("python", "-m", "virtualenv", "--clear", "--quiet", str(clean))
    python = str(clean / ("Scripts" if os.name == "nt" else "bin") / "python")
    session.run(python, "-m", "pip", "install", "--quiet", str(wheel), external=True)
    with session.chdir(clean):  # Away from the tree, so that the wheel's package is the one imported.
        session.run(python, "-c", "import botanu, botanu_core; print('imported', botanu.__file__)", external=True)
