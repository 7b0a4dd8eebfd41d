"""Tell whether what stands under a name such as `password` is a secret.

A name says that its value is secret, whatever it looks like. The difficulty is the other way round: `max_tokens=4096`,
`password: str` and `token = next_token()` name no secret, and "Password: must be long" is a sentence.
"""

import functools
import re
from typing import Final

from botanu_core.privacy.pattern import Hit, words

__all__ = [
    "NAME",
    "WEAK",
    "is_authorization",
    "is_braced",
    "is_cell",
    "is_environment_key",
    "is_member",
    "is_pair",
    "is_phrase",
    "is_quoted_word",
    "is_secret_name",
    "is_tag",
    "is_told",
    "is_weak_pair",
]

_KEY_KINDS: Final = (
    "api|access|private|secret|signing|signature|encryption|master|account|session|license|subscription|auth|shared|"
    "shared[_-]?access|service|ssh|deploy|storage|webhook|admin|app|consumer|hmac|aes|rsa|client|functions"
)
_STRONG: Final = (
    r"pass(?:word|wd|phrase|code)s?|pwd|secrets?|token|authori[sz]ation|cookies?|credentials?|"
    rf"(?:{_KEY_KINDS})[ _.-]?keys?|sessid|jsessionid|cvv2?|cvc2?|"
    r"passwort|kennwort|contraseñas?|senha|mot[ _]de[ _]passe|wachtwoord|has[łl]o|lösenord|heslo|adgangskode|"
    r"passord|salasana|jelszó|şifre|κωδικός|mật khẩu|kata sandi|"
    r"пароль|密码|密碼|口令|パスワード|비밀번호|סיסמה|كلمة المرور|पासवर्ड"
)
_SUFFIX: Final = r"(?:[_-]?(?:hash|value|b64|base64|plain|text|base|confirmation|confirm|\d{1,2}))?"

# Whatever stands before a name belongs to it: DB_PASSWORD, dbPassword, spring.datasource.password.
NAME: Final = rf"(?:{_STRONG}){_SUFFIX}"
# Short ones, which are also parts of other words.
WEAK: Final = r"auth|parola|creds?|pin|otp|sig|signature|sid|jwt|bearer|pass|pw"

_SECRET_NAME: Final = rf"(?i)(?:{NAME})\Z|(?:^|[^a-z])(?:{WEAK})\Z"
_NAME_LENGTH: Final = 128

_NOT_VALUES: Final = words(
    "required optional invalid incorrect wrong expired missing none null nil empty yes no true false changed "
    "reset set unset redacted hidden masked unknown undefined default enabled disabled accepted rejected denied "
    "failed ok valid verified str string int integer bool boolean bytes byte float double number any object array "
    "list dict map date datetime text varchar char uuid secretstr union unicode self cls void final const var let "
    "new await async return function must should may can cannot is are was were has have will shall not and or "
    "but if when then the a an of for in on to at by with from as this that these those your my our their his her "
    "its it we you they please enter type choose use using bearer basic digest http https jwt oauth oauth2 apikey "
    "header query cookie body path env include omit same-origin"
)
_SCHEMES: Final = words("bearer basic digest token negotiate apikey key hmac hawk ntlm aws4-hmac-sha256")
_PLACEHOLDER: Final = (
    r"(?i)(?:your|enter|insert|replace|placeholder|example)[-_ ].*|[a-z_-]{0,12}(?:\.{3}|…)|[|>][+-]?|"
    r"(?:bearer|basic|token)\s+[<{$%\[].*|\*+|x{3,}|\.{2,}|…|-+|_+|•+|%\w?|<.*>|"
    r"\$?\{\{?.*|\$|%\w+%|\[\w*\]|[?]|:[a-z_]+|=.*|(?:/[a-z][\w.-]*)+/?|~/.*"
)
_REFERENCE: Final = (
    r"(?i)[a-z_$][\w$.]*\.(?:\w*(?:pass|secret|token|key|auth|cookie|pwd|cred)\w*|environ\w*|env|getenv|get|value|text)|"
    r"process\.env\.\w+|os\.environ\w*|(?-i:\$[A-Z_]+)|\$\w*(?:pass|secret|token|key)\w*"
)
_OWN_NAME: Final = r"(?i)\w*_(?:password|passwd|pwd|secret|token|key|cookie|auth)"
_TECHNICAL: Final = r"(?i)(?:base|sha|utf|md|aes|rsa|http|oauth|v)-?[\d.]+(?:-\w+)?"
_SEPARATORS: Final = ("->", "===", "==", "=>", ":=", "=", ":", "：", "%3A", "%3a", "%3D", "%3d")
_OF_MODELS: Final = (
    r"(?i)(?:\b|_)(?:max|min|per|first|last|next|prev|previous|input|output|total|stop|eos|bos|pad|unk|sep|mask|cls|"
    r"prompt|completion|special|image|audio|new|num|n|each|every|one|single|reasoning|cached|page|continuation)[ _-]?\Z"
)


@functools.lru_cache(maxsize=1024)
def is_secret_name(name: str) -> bool:
    """Whether the value under a key such as ``"dbPassword"`` or ``"X-Api-Key"`` is withheld whole."""
    name = name[-_NAME_LENGTH:]
    if re.search(_SECRET_NAME, name) is None:
        return False
    return not (name.lower().endswith("token") and re.search(_OF_MODELS, name[:-5]))


def is_pair(hit: Hit) -> bool:
    """Whether `name: value` or `name=value` gives a secret away."""
    if not _is_value(hit.value) or _is_of_models(hit):
        return False
    key, separator, quoted = _shape(hit)
    if quoted:
        return not _closes(hit)
    if hit.value.isdecimal() and not key.startswith(("cv", "pin", "otp")):
        return len(hit.value) >= 4 and not key.endswith("s")
    if _is_code(hit) or hit.value.lower() == key:
        return False
    if separator in (":", "：", "==", "===", "->"):
        ended = re.match(r"\s*(?:\Z|[\n\r,;}\"'|<]|\\n)", hit.after) is not None
        return _looks_secret(hit.value) or hit.value.isdecimal() or (ended and separator in ":：")
    return True


def is_weak_pair(hit: Hit) -> bool:
    """The same for short names, whose value must look like a secret: `pin=1234`, but not `pass: 12` nor `pin=13`."""
    number = re.match(r"(?i)_?(?:pin|otp)", hit.text) is not None and re.fullmatch(r"\d{4,8}", hit.value) is not None
    return is_pair(hit) and (number or (len(hit.value) >= 6 and _looks_secret(hit.value)))


def is_environment_key(hit: Hit) -> bool:
    """Whether `…_KEY=…` is a key of some vendor: long, and no word or path."""
    return is_pair(hit) and re.fullmatch(r"[A-Za-z0-9+/=]{20,}", hit.value) is not None and _looks_secret(hit.value)


def is_phrase(hit: Hit) -> bool:
    """Whether four words are those of a key, and do not begin a sentence, which has small ones among its first."""
    return not any(word in _NOT_VALUES for word in hit.value.lower().split()[:4])


def is_braced(hit: Hit) -> bool:
    """Whether what stands in braces is a value, as in ODBC, and not the name of a variable."""
    return re.fullmatch(r"[\w.\[\]\"'!:()$ -]*", hit.value) is None


def is_cell(hit: Hit) -> bool:
    """Whether what stands in the next cell of a table is a secret."""
    return _is_value(hit.value) and _looks_secret(hit.value)


def is_told(hit: Hit) -> bool:
    """Whether a sentence tells a password: "the password is hunter2"."""
    lead = hit.text[: len(hit.text) - len(hit.value)].lower()
    verbless = lead.strip("\"'`“«„ \t").isalpha()
    if lead.startswith(("pin", "passcode", "otp")) and re.fullmatch(r"\d{4,8}\.?", hit.value):
        return not verbless
    if not (_is_value(hit.value) and _looks_secret(hit.value)) or re.fullmatch(_REFERENCE, hit.value.rstrip("!.;")):
        return False
    if lead.startswith(("token", "secret", "api", "access")):
        return not verbless and len(hit.value) >= 6
    return not verbless or len(hit.value) >= 6


def is_quoted_word(hit: Hit) -> bool:
    """Whether `password "swordfish"` is one."""
    return _is_value(hit.value) and re.fullmatch(r"\S{4,}", hit.value) is not None


def is_tag(hit: Hit) -> bool:
    """Whether the text of an element named like a secret is one."""
    return _is_value(hit.value.strip())


def is_member(hit: Hit) -> bool:
    """Whether `("authorization", "…")` or `name: TOKEN, value: …` is a pair and not a list of names."""
    return _is_value(hit.value) and (_looks_secret(hit.value) or " " in hit.value or "value" in hit.text.lower())


def is_authorization(hit: Hit) -> bool:
    """Whether two words after `Authorization:` are a scheme and a credential."""
    scheme, _, rest = hit.value.partition(" ")
    if scheme.lower() in _SCHEMES:
        return _is_value(rest.strip())
    return scheme.lower() not in _NOT_VALUES and _looks_secret(rest.strip())


def _is_value(value: str) -> bool:
    """Whether it is a value at all, and no placeholder and no word of a sentence or a type."""
    word = value.lower()
    if not value or word.rstrip(".!?,:") in _NOT_VALUES or value.startswith("-----BEGIN"):
        return False
    if value.isalnum():
        return len(word) < 3 or word.strip("x") != ""
    return re.fullmatch(_PLACEHOLDER, value) is None


def _looks_secret(value: str) -> bool:
    """Whether it is no word of a language: it has digits, or signs, or capitals inside."""
    value = value.rstrip(".!?,:;")
    if len(value) < 4 or re.fullmatch(_TECHNICAL, value):
        return False
    if re.search(r"\d", value) is not None and re.search(r"[^\W\d_]", value) is not None:
        return True
    if value.isalpha() and value.isascii() and not (value.islower() or value.isupper() or value.istitle()):
        return True
    return re.search(r"\w[!@#$%^&*+=?~_]+\w|[a-z][A-Z]", value) is not None


def _is_of_models(hit: Hit) -> bool:
    """Whether "token" is what a model reads: `max_token`, `price per token: 0.003`, `"token": "a"` of log-probs."""
    if not hit.text.lower().startswith("token"):
        return False
    if re.fullmatch(r"\d*\.\d+\w*", hit.value) is not None:
        return True
    return re.search(_OF_MODELS, hit.before) is not None or re.match(r'\\*",\s*\\*"logprob', hit.after) is not None


def _is_code(hit: Hit) -> bool:
    """Whether a value without quotes is a call, a subscript, a variable or a type with arguments."""
    called = hit.after[:1] in ("(", "[")
    if hit.value.isalnum():
        return called and hit.value[0].isalpha()
    if re.fullmatch(_REFERENCE, hit.value.rstrip("!")) or (called and re.fullmatch(r"[A-Za-z_][\w.]*", hit.value)):
        return True
    return re.match(r"\s*[,)]", hit.after) is not None and re.fullmatch(_OWN_NAME, hit.value) is not None


def _shape(hit: Hit) -> tuple[str, str, bool]:
    """The name in lower case, what stands between it and the value, and whether the value was quoted."""
    lead = hit.text[: len(hit.text) - len(hit.value)]
    separator = next((separator for separator in _SEPARATORS if separator in lead), "")
    quoted = lead.endswith(("'", '"', "`", "&quot;", "%22")) or hit.value.startswith("[")
    return lead.partition(separator or " ")[0].strip(" \t\"'`\\]_?").lower(), separator, quoted


def _closes(hit: Hit) -> bool:
    """Whether the quote in front of the value ends a string, as in `input("Password: ")`, instead of beginning one."""
    lead = hit.text[: len(hit.text) - len(hit.value)].rstrip()
    quote = lead[-1:]
    if quote not in ("'", '"') or lead.count(quote) != 1:
        return False
    return (
        hit.value.lstrip().startswith((")", ",", ";", "]", "}", "+ "))
        or hit.before.rpartition("\n")[2].count(quote) % 2 == 1
    )
