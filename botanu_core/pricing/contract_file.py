"""Contracts as YAML files. Every mistake names the file, the line and the mend; a file is taken whole or not at all."""

import os
from collections.abc import Mapping
from typing import Any, Final

from botanu_core.errors import ConfigError
from botanu_core.pricing.amounts import Located, suggest
from botanu_core.pricing.contract import Alias, Contract, Rule, UnitPrice, refuse_ties

__all__ = ["load_contract", "load_contracts"]

# What stands in the file -> what it is called in code.
_DATES: Final = {"from": "starts", "until": "until"}
_CONTRACT: Final = {name: name for name in ("name", "currency", "aliases", "rules", "units")} | _DATES
_RULE: Final = {
    name: name for name in ("provider", "model", "customer", "when", "per_million", "per_unit", "discount", "markup")
} | _DATES
_ALIAS: Final = {"provider": "provider", "model": "model", "is": "target"}
_UNIT: Final = {name: name for name in ("kind", "name", "prices", "customer")} | _DATES
_DEEPEST: Final = 12


class _Table(dict[str, Any]):
    """A mapping, and where it begins."""

    where = ""


class _List(list[Any]):
    """A sequence, and where it begins."""

    where = ""


def load_contracts(*paths: str | os.PathLike[str]) -> tuple[Contract, ...]:
    """Read contracts that hold together.

    Args:
        paths: YAML files.

    Raises:
        ConfigError: One of them is wrong, or two leave open which of them holds for a call.
    """
    contracts = tuple(load_contract(path) for path in paths)
    refuse_ties(contracts)
    return contracts


def load_contract(path: str | os.PathLike[str]) -> Contract:
    """Read one contract.

    Args:
        path: A YAML file; docs/prices.md describes what stands in it.

    Raises:
        ConfigError: The file is missing or wrong; names the line and the mend.
    """
    name = os.fspath(path)
    table = _read(name)
    fields = _fields(table, _CONTRACT, ("name",), "a contract")
    for key, made, what, known, needed in (
        ("rules", Rule, "a rule", _RULE, ()),
        ("aliases", Alias, "an alias", _ALIAS, ("provider", "is")),
        ("units", UnitPrice, "a unit", _UNIT, ("kind", "prices")),
    ):
        rows = fields.get(key, [])
        if not isinstance(rows, list):
            raise ConfigError(f"{getattr(rows, 'where', name)}: {key} must be a list, each row beginning with '- '")
        fields[key] = [made(**_fields(row, known, needed, what), where=_where(row, name)) for row in rows]
    return Contract(**fields, where=name)


def _where(row: object, name: str) -> str:
    return str(getattr(row, "where", name))


def _fields(table: Any, known: Mapping[str, str], needed: tuple[str, ...], what: str) -> dict[str, Any]:
    """The entries of a table, under the names that they have in code."""
    if not isinstance(table, Mapping):
        raise ConfigError(f"{getattr(table, 'where', '')}: {what} must be a table, such as 'provider: openai'")
    for key in table:
        if key not in known:
            raise ConfigError(f"{getattr(key, 'where', '')}: {what} has no {key[:40]!r}: {suggest(key, known)}")
    for key in needed:
        if key not in table:
            raise ConfigError(f"{getattr(table, 'where', '')}: {what} needs {key!r}: add it")
    return {known[key]: value for key, value in table.items()}


def _read(name: str) -> _Table:
    import yaml

    try:
        with open(os.path.expanduser(name), encoding="utf-8-sig") as stream:
            root = yaml.SafeLoader(stream.read()).get_single_node()
        if root is None:
            raise ConfigError(f"{name}: is empty: write at least a name and a rule")
        table = _plain(root, name, 0)
    except ConfigError:
        raise
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read ({error.strerror}): name a YAML file that is there") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        mend = "check the indentation, and quote texts that hold any of : # * & ! % @ { } [ ]"
        raise ConfigError(f"{name}{line}: not YAML in UTF-8: {mend}") from None
    if not isinstance(table, _Table):
        raise ConfigError(f"{name}:1: a contract must be a table that begins with 'name: …'")
    return table


def _plain(node: Any, name: str, depth: int) -> Any:
    """A node as text, table or list that knows its line. Numbers stay text: a float would round them."""
    where = f"{name}:{node.start_mark.line + 1}"
    if depth > _DEEPEST:
        raise ConfigError(f"{where}: is nested too deep: a contract has tables in rows in lists, no more")
    if node.id == "sequence":
        found = _List(_plain(each, name, depth + 1) for each in node.value)
        found.where = where
        return found
    if node.id == "mapping":
        table = _Table()
        table.where = where
        for key_node, value_node in node.value:
            key = Located(str(key_node.value), f"{name}:{key_node.start_mark.line + 1}")
            if key_node.id != "scalar" or key in table:
                raise ConfigError(f"{key.where}: {str(key)[:40]!r} stands twice, or is no name: take one out")
            if (value_node.id == "scalar" and not value_node.value) or value_node.tag.endswith(":null"):
                raise ConfigError(f"{key.where}: {str(key)[:40]!r} is empty: give it a value or take it out")
            table[key] = _plain(value_node, name, depth + 1)
        return table
    return Located(str(node.value), where)
