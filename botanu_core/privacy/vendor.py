"""The rows of the table about keys that vendors give out, by the prefixes they publish for secret scanners.

Examples are put together from parts, so that no scanner takes this file for a leak.
"""

import re
from typing import Final

from botanu_core.privacy.pattern import START, Hit, Pattern

__all__ = ["ROWS"]

_TAIL: Final = "aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA1cD3fG5hJ7kL9nP1rS3uV5wX7yZ9bC1eF3gH"
_HEX: Final = "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9"


def _row(name: str, label: str, regex: str, *examples: str, not_these: tuple[str, ...] = ()) -> Pattern:
    return Pattern(
        name=name,
        label=label,
        regex=f"{START}(?:{regex})",
        check=_is_filled_in,
        examples=examples,
        counterexamples=not_these,
    )


def _is_filled_in(key: str) -> bool:
    """Whether it is a key, and not the pattern of one: `ghp_xxxxxxxx…`."""
    return len(set(key[-16:].lower())) > 3


def _is_sk_key(hit: Hit) -> bool:
    """Whether `sk-…` is a key, and not the name of a style sheet's class or a placeholder."""
    body = hit.value.removeprefix("sk-")
    if len(set(body)) == 1 or re.search(r"\d", body) is None:
        return False
    if re.search(r"[a-z]", body) and re.search(r"[A-Z]", body):
        return True
    return any(len(part) >= 16 and re.search(r"\d", part) for part in re.split(r"[-_]", body))


ROWS: Final = (
    _row(
        "aws", "[AWS_KEY]",
        r"(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ANVA|AIPA|ABIA|ACCA)[A-Z0-9]{16}\b",
        "AKIA" + "IOSFODNN7EXAMPLE", "id=" + "ASIA" + "Y34FZKBOKMUTVV7A", "\\n" + "AKIA" + "IOSFODNN7EXAMPLE",
        not_these=("AKIA", "AKIAIOSFODNN", "AKIA" + "X" * 16, "ASIAN MARKETS ARE UP TODAY"),
    ),
    _row(
        "google", "[GOOGLE_KEY]",
        r"AIza[\w-]{35}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,}|1//0[\w-]{30,}",
        "AIza" + "Sy" + _TAIL[:33], "ya29." + "a0" + _TAIL[:40], "GOCSPX-" + _TAIL[:28], "1//0" + _TAIL[:40],
        not_these=("AIzawa", "ya29.", "1//0"),
    ),
    _row(
        "github", "[GITHUB_TOKEN]",
        r"gh[pousr]_[A-Za-z0-9]{20}\w*|github_pat_\w{20,}",
        "ghp_" + _TAIL[:36], "gho_" + _TAIL[:36], "ghu_" + _TAIL[:36], "ghs_" + _TAIL[:36], "ghr_" + _TAIL[:36],
        "github_pat_" + _TAIL[:22] + "_" + _TAIL[:59],
        not_these=("ghp_short", "github_pat_", "ghs_status", "ghp_" + "x" * 36),
    ),
    _row(
        "gitlab", "[GITLAB_TOKEN]",
        r"gl(?:pat|ptt|dt|rtr?|cbt|soat|ft|imt|agent|oas|ffct|wt)-[\w.-]{20,}|GR1348941[\w-]{20,}",
        "glpat-" + _TAIL[:20], "gldt-" + _TAIL[:20],
        not_these=("glpat-", "gldt-short"),
    ),
    _row(
        "slack", "[SLACK_TOKEN]",
        r"xox[abcdeoprs](?:\.xox[a-z])?-[A-Za-z0-9-]{10,}|xapp-\d-[A-Za-z0-9-]{10,}"
        r"|hooks\.slack\.com/(?:services|workflows|triggers)/[\w/-]{20,}",
        "xoxb-" + "123456789012-123456789012-" + _TAIL[:24], "xoxp-" + "1234567890-" + _TAIL[:20],
        "xapp-1-" + "A01234567-1234567890-" + _HEX,
        "https://hooks.slack.com/" + "services/T00000000/B00000000/" + _TAIL[:24],
        not_these=("xoxo-", "https://hooks.slack.com/docs"),
    ),
    _row(
        "stripe", "[STRIPE_KEY]",
        r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{20,}",
        "sk_" + "live_" + _TAIL[:24], "sk_" + "test_" + _TAIL[:24], "rk_" + "live_" + _TAIL[:24], "whsec_" + _TAIL[:32],
        not_these=("sk_live_", "sk_test_mode", "task_live_abcdefghijkl"),
    ),
    _row(
        "anthropic", "[ANTHROPIC_KEY]",
        r"sk-ant-[\w-]{16,}",
        "sk-" + "ant-api03-" + _TAIL + "-" + _TAIL[:26] + "AA", "sk-" + "ant-admin01-" + _TAIL,
        not_these=("sk-ant-", "sk-ant-eater"),
    ),
    _row(
        "openai", "[OPENAI_KEY]",
        r"sk-(?:proj|svcacct|admin|service|None|or-v1|lf)-[\w-]{20,}|sess-[A-Za-z0-9]{32,}",
        "sk-" + "proj-" + _TAIL[:30] + "_" + _TAIL[:30] + "-x", "sk-" + "svcacct-" + _TAIL, "sk-" + "admin-" + _TAIL,
        "\\t" + "sk-" + "proj-" + _TAIL, "sk-" + "or-v1-" + _HEX,
        not_these=("task-proj-abcdefghijklmnopqrstuvwxyz", "sk-proj-short"),
    ),
    Pattern(
        name="openai",
        label="[OPENAI_KEY]",
        regex=rf"{START}sk-[\w-]{{20,}}",
        context=_is_sk_key,
        examples=("sk-" + _TAIL[:20] + "T3BlbkFJ" + _TAIL[:20], "sk-" + _HEX[:32]),
        counterexamples=(
            "sk-toggleable__content-arrow-label",
            "sk-estimator-container-div-inner",
            "risk-assessment-2024-final-version",
            "sk-" + "x" * 32,
        ),
    ),
    _row(
        "huggingface", "[HUGGINGFACE_TOKEN]",
        r"hf_[A-Za-z0-9]{30,}|api_org_[A-Za-z0-9]{30,}",
        "hf_" + _TAIL[:34], "api_org_" + _TAIL[:34],
        not_these=("hf_hub_download", "hf_" + "a" * 10),
    ),
    _row(
        "npm", "[NPM_TOKEN]",
        r"npm_[A-Za-z0-9]{36,}",
        "npm_" + _TAIL[:36],
        not_these=("npm_config_registry", "npm_lifecycle_event"),
    ),
    _row(
        "pypi", "[PYPI_TOKEN]",
        r"pypi-[\w-]{50,}",
        "pypi-" + "AgEIcHlwaS5vcmc" + _TAIL + _TAIL,
        not_these=("pypi-server", "pypi-attestations-0.0.12-py3"),
    ),
    _row(
        "azure", "[AZURE_KEY]",
        r"[\w~.-]{3}\dQ~[\w~.-]{31,34}|[A-Za-z0-9]+(?:JQQJ99[A-Za-z0-9]{20,}|AZDO[A-Za-z0-9]{4}\b)",
        "abc8Q~" + _TAIL[:34], _TAIL[:52] + "JQQJ99" + _TAIL[:26], (_TAIL * 2)[:76] + "AZDO" + "aB3d",
        not_these=("Q~", "8Q~short"),
    ),
    _row(
        "vendor", "[VENDOR_KEY]",
        r"SG\.[\w-]{16,}\.[\w-]{16,}|d(?:op|oo|or)_v1_[0-9a-f]{40,}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"
        r"|gsk_[A-Za-z0-9]{40,}|xai-[A-Za-z0-9]{40,}|pplx-[A-Za-z0-9]{40,}|r8_[A-Za-z0-9]{30,}|tvly-[\w-]{20,}"
        r"|dapi[0-9a-f]{32}|lin_api_[A-Za-z0-9]{30,}|ntn_[A-Za-z0-9]{30,}|secret_[A-Za-z0-9]{40,}"
        r"|hv[sbr]\.[\w-]{20,}|ls(?:v2)?_?_(?:pt|sk)_[\w]{20,}|pcsk_\w{30,}|sbp_[0-9a-f]{40}|NRAK-[A-Z0-9]{27}"
        r"|sntrys_[\w=+/-]{30,}|glsa_\w{30,}|glc_[\w=+/-]{30,}|key-[0-9a-f]{32}\b"
        r"|sq0(?:atp|csp)-[\w-]{20,}|(?:SK|AC)[0-9a-f]{32}(?::[0-9a-f]{32})?\b|\d{8,10}:AA[\w-]{33}|AGE-SECRET-KEY-1[A-Z0-9]{50,}"
        r"|[MNO][A-Za-z0-9]{23,27}\.[\w-]{6}\.[\w-]{27,38}\b|dckr_(?:pat|oat)_[\w-]{20,}|ATATT3[\w=-]{50,}"
        r"|discord(?:app)?\.com/api/webhooks/\d+/[\w-]{20,}|phc_[A-Za-z0-9]{40,}|re_[A-Za-z0-9]{8,}_[A-Za-z0-9]{20,}",
        "SG." + _TAIL[:22] + "." + _TAIL[:43], "dop_v1_" + _HEX, "shpat_" + _HEX[:32], "gsk_" + _TAIL[:52],
        "hvs." + _TAIL[:24], "lsv2_" + "pt_" + _HEX[:32] + "_" + _HEX[:10], "SK" + _HEX[:32],
        "123456789:" + "AA" + _TAIL[:33], "https://discord.com/api/" + "webhooks/123456789012345678/" + _TAIL,
        "xai-" + _TAIL + _TAIL[:16], "key-" + _HEX[:32],
        not_these=("SG.1.2", "secret_sauce", "gsk_", "key-value", "ACME"),
    ),
    _row(
        "vendor", "[VENDOR_KEY]",
        r"PMAK-[0-9a-f]{24}-[0-9a-f]{30,}|fig[du]_[\w-]{30,}|rubygems_[0-9a-f]{40,}|CFPAT-[\w-]{40,}|nvapi-[\w-]{40,}"
        r"|pscale_(?:tkn|pw|oauth)_[\w=.-]{30,}|dt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{60,}|EZ[AT]K[A-Za-z0-9]{50,}"
        r"|shippo_(?:live|test)_[0-9a-f]{40}|pul-[0-9a-f]{40}|ops_eyJ[\w=+/-]{40,}|f(?:o1|m[12])_[\w=+/,-]{40,}"
        r"|tskey-\w+-[\w-]{20,}|nfp_\w{30,}|vercel_blob_rw_\w{20,}|tfp_[\w-]{20,}|\w{14}\.atlasv1\.[\w-]{60,}"
        r"|AT(?:CTT3|BB)[\w=-]{24,}|BBDC-[\w+/-]{40,}|dp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{40,}|HRKU-[\w-]{36,}"
        r"|xkeysib-[0-9a-f]{64}-\w{16}|sl\.[\w-]{100,}|pnu_\w{36}|rdme_\w{60,}|sntryu_[0-9a-f]{60,}|sgp_[\w-]{40,}"
        r"|pat[A-Za-z0-9]{14}\.[0-9a-f]{64}|tgp_v1_[\w-]{40,}|fc-[0-9a-f]{32}\b|e2b_[0-9a-f]{40}|sb_secret_[\w-]{20,}"
        r"|ABSK[A-Za-z0-9+/]{80,}=*|bedrock-api-key-[\w+/=-]{40,}|LTAI[A-Za-z0-9]{20}\b|AKID[A-Za-z0-9]{32}\b|AQVN[\w-]{35,}"
        r"|EAA[A-Za-z0-9]{40,}|[sp]k\.eyJ[\w-]{20,}\.[\w-]{20,}|ph[sx]_\w{40,}|duffel_(?:live|test)_[\w=-]{40,}|aio_\w{28}\b"
        r"|CLOJARS_[0-9a-f]{60}|FLWSECK(?:_TEST)?-[\w-]{20,}|wandb_v1_\w{40,}|eyJrIjoi[\w=+/-]{60,}|NR(?:II|IQ)-[\w-]{32}",
        "PMAK-" + _HEX[:24] + "-" + _HEX[:34], "figd_" + _TAIL[:40], "rubygems_" + _HEX[:48], "nvapi-" + _TAIL,
        "dp.st.prd." + _TAIL[:43], "tskey-auth-" + _TAIL[:12] + "-" + _TAIL[:32], "EAA" + _TAIL, "fc-" + _HEX[:32],
        "ops_" + "eyJ" + _TAIL, "xkeysib-" + _HEX + "-" + _TAIL[:16], "pat" + _TAIL[:14] + "." + _HEX,
        not_these=("figd_x", "rubygems_mirror", "sl.alpha", "pul-request", "EAAA", "patient.0a1b", "fc-barcelona"),
    ),
)  # fmt: skip
