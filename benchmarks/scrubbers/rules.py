"""The list of regular expressions that people copy, one `re.sub` after the other."""

import re
from collections.abc import Callable

TITLE = "`re` rules"
REQUIREMENTS = ()
DISTRIBUTIONS = ()
NOTE = "thirty expressions as they stand in answers, READMEs and logging filters, one `re.sub` each"

_RULES = (
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}",
    r"\b(?:\+?1[-. ]?)?\(?\d{3}\)?[-. ]?\d{3}[-. ]?\d{4}\b",
    r"\+\d{1,3}[ -]?\d{1,4}(?:[ -]?\d{2,4}){2,4}\b",
    r"\b\d{3}-\d{2}-\d{4}\b",
    r"\b(?:\d[ -]*?){13,16}\b",
    r"\b[A-Z]{2}\d{2}[ ]?(?:[A-Z0-9]{4}[ ]?){2,7}[A-Z0-9]{1,4}\b",
    r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
    r"\b(?:[A-F0-9]{1,4}:){7}[A-F0-9]{1,4}\b",
    r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+",
    r"(?i)bearer\s+[A-Za-z0-9._~+/=-]+",
    r"(?i)basic\s+[A-Za-z0-9+/=]{8,}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"AIza[0-9A-Za-z_-]{35}",
    r"ya29\.[0-9A-Za-z_-]+",
    r"gh[pousr]_[A-Za-z0-9]{36}",
    r"github_pat_[A-Za-z0-9_]{82}",
    r"glpat-[A-Za-z0-9_-]{20}",
    r"xox[baprs]-[A-Za-z0-9-]{10,}",
    r"https://hooks\.slack\.com/services/\S+",
    r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",
    r"sk-ant-[A-Za-z0-9_-]{20,}",
    r"sk-(?:proj-)?[A-Za-z0-9]{20,}",
    r"hf_[A-Za-z0-9]{34}",
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-[A-Za-z0-9_-]{50,}",
    r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
    r"[a-z][a-z0-9+.-]*://[^\s:@/]+:[^\s@/]+@",
    r"(?i)(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key)[\"']?\s*[:=]\s*[\"']?[^\s\"',;&]+",
    r"(?i)(?:set-)?cookie:\s*\S+",
)


def scrubber() -> Callable[[str], str]:
    """All rules, compiled once."""
    rules = [re.compile(rule) for rule in _RULES]

    def scrub(text: str) -> str:
        for rule in rules:
            text = rule.sub("[FOUND]", text)
        return text

    return scrub
