"""The user's own documents, cut into their Python blocks and tables.

`seeds/` holds them as they came. Three have lost line breaks or indentation (``000``, ``003``, ``004``): their
blocks are restored by hand in ``*.blocks.md``, and a test holds these against the document, word for word.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

SEEDS = Path(__file__).parent / "seeds"
TEXTS: Mapping[str, str] = {
    path.name[:3]: path.read_text() for path in sorted(SEEDS.glob("*_*.*")) if "blocks" not in path.name
}
RESTORED: Mapping[str, str] = {path.name[:3]: path.read_text() for path in sorted(SEEDS.glob("*.blocks.md"))}

_HEADING = re.compile(r"(#{2,6}) (.+)")


@dataclass(frozen=True)
class Block:
    """One Python block of a document, under the headings that stand above it."""

    document: str
    title: str
    source: str

    def __str__(self) -> str:
        return f"{self.document}: {self.title}"

    @property
    def code(self) -> CodeType:
        """Compiled as its reader means it: at top level, where ``await`` is allowed."""
        return compile(self.source, str(self), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    @property
    def is_signature(self) -> bool:
        """Whether it shows how something is called, and is no code."""
        try:
            ast.parse(self.source)
        except SyntaxError:
            return True
        return False


def blocks(*documents: str) -> list[Block]:
    """The Python blocks of `documents`, in their order; of all without one."""
    return [block for name in documents or TEXTS for block in _blocks(name)]


def block(document: str, title: str) -> Block:
    """The block of `document` whose title ends with `title`."""
    [found] = [block for block in blocks(document) if block.title.endswith(title)]
    return found


# What the blocks are about, by the end of their title: the tests that run them go by it.
_KINDS: Mapping[str, str] = {
    "Basic usage": "client call",
    "Context Manager (Recommended)": "client call",
    "track_llm_call() / Example": "client call",
    "set_input_content() and set_output_content()": "content",
    "set_error()": "tracked error",
    **dict.fromkeys(
        (
            "set_tokens()",
            "set_request_id()",
            "set_response_model()",
            "set_request_params()",
            "set_streaming()",
            "set_cache_hit()",
            "set_attempt()",
            "set_finish_reason()",
            "add_metadata()",
        ),
        "tracker method",
    ),
    "Operation Types": "operations",
    "Tool/Function Tracking": "tool call",
    "ToolTracker Methods": "tool methods",
    "set_llm_attributes()": "helper",
    "set_token_usage()": "helper",
    "Decorator for Auto-Instrumentation": "decorator",
    "Example: Multi-Provider Workflow": "fallback",
    "track_db_operation() / Example": "database",
    "emit_outcome() / Example": "outcome",
    "get_run_id()": "context",
    "get_workflow()": "context",
    "get_baggage()": "context",
    "set_baggage()": "context",
    "get_current_span()": "context",
    "Entry service": "entry",
    "Every other service": "entry",
    "Setting up tracing": "tracekit",
    "Setting up tracing manually": "tracekit",
    "Activation": "tracekit",
    "Uninstrument": "tracekit",
    "Full Example": "tracekit",
}


def kind_of(block: Block) -> str:
    """What `block` is about; ``signature`` where it is no code."""
    if block.is_signature:
        return "signature"
    [kind] = {kind for end, kind in _KINDS.items() if block.title.endswith(end)}
    return kind


def of_kind(kind: str) -> list[Block]:
    """All blocks about `kind`."""
    return [block for block in blocks() if kind_of(block) == kind]


def _blocks(document: str) -> Iterator[Block]:
    headings: dict[int, str] = {}
    lines = iter(RESTORED.get(document, TEXTS[document]).splitlines())
    seen: dict[str, int] = {}
    for line in lines:
        if heading := _HEADING.fullmatch(line):
            level = len(heading[1])
            headings = {depth: text for depth, text in headings.items() if depth < level} | {level: heading[2]}
        elif line == "```python":
            source = "\n".join(iter(lambda: next(lines), "```"))
            title = " / ".join(headings.values())
            seen[title] = seen.get(title, 0) + 1
            yield Block(document, title if seen[title] == 1 else f"{title} / {seen[title]}", source + "\n")


def rows(document: str, *header: str) -> list[dict[str, str]]:
    """The rows of the first table of `document` with this header, without back-ticks.

    Works for tables whose rows have been broken into a line a cell.
    """
    text = TEXTS[document].replace("`", "")
    start = re.search(r"\|\s*" + r"\s*\|\s*".join(map(re.escape, header)) + r"\s*\|\n[|\s-]+\n", text)
    if start is None:
        raise LookupError(f"{document} has no table {header}")
    cells: list[str] = []
    for line in text[start.end() :].splitlines():
        if not line.strip().endswith("|"):
            # A table without line breaks ends in the middle of a line.
            if len(cells) % len(header):
                cells.append(line)
            break
        cells += line.strip().removeprefix("|").removesuffix("|").split("|")
    return [
        dict(zip(header, (cell.strip() for cell in cells[at : at + len(header)]), strict=True))
        for at in range(0, len(cells) - len(cells) % len(header), len(header))
    ]


def signature_of(block: Block) -> ast.arguments:
    """The parameters of a signature block, whatever stands around them."""
    text = block.source[re.search(r"(?:with |def )?\w+\((?=[\w\s*])(?=[^)]*:)", block.source).start() :]  # type: ignore[union-attr]
    text = re.sub(r"\A(?:with |def )?", "def ", text).rstrip().rstrip(":")
    [function] = ast.parse(f"{text}: ...").body
    assert isinstance(function, ast.FunctionDef)
    return function.args


def name_of(block: Block) -> str:
    """The function that a signature block shows."""
    return re.search(r"(\w+)\((?=[\w\s*])(?=[^)]*:)", block.source)[1]  # type: ignore[index]


def run(block: Block, names: dict[str, Any]) -> Any:
    """Run `block` with these names; an awaitable where the block awaits."""
    return eval(block.code, names)
