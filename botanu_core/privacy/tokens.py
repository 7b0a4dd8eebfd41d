"""The rows of the table about secrets that show by their form: tokens, private keys, addresses with a password.

A key without an end mark is taken as far as it looks like one. To demand the end would let a cut-off key through,
and would make the search for the end of each of many beginnings quadratic.
"""

import re
from typing import Final

from botanu_core.privacy.pattern import START, Hit, Pattern

__all__ = ["LOGINS", "ROWS", "SCHEMES"]

_B64: Final = "TWFuIGlzIGRpc3Rpbmd1aXNoZWQsIG5vdCBvbmx5IGJ5IGhpcyByZWFzb24sIGJ1"
_JWT: Final = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

_BETWEEN: Final = r"""(?:\s|\\+[nrt]|["',+>|#*-]{1,3}\s)*"""
_PEM: Final = (
    r"-{4,5} ?BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)? ?-{4,5}"
    rf"(?:{_BETWEEN}(?:Proc-Type|DEK-Info|Version|Comment|Subject|Hash|Charset): ?[\w.,:;()/+@\" -]*)*"
    rf"(?:{_BETWEEN}[A-Za-z0-9+/]{{16}}[A-Za-z0-9+/=]*)*"
    rf"(?:{_BETWEEN}[A-Za-z0-9+/]{{0,64}}={{0,2}}(?:{_BETWEEN}=[A-Za-z0-9+/]{{4}})?"
    rf"{_BETWEEN}-{{4,5}} ?END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)? ?-{{4,5}})?"
)


# As PuTTY writes it; behind the public half.
_PUTTY: Final = (
    rf"Private-Lines: ?\d+(?P<value>(?:{_BETWEEN}[A-Za-z0-9+/]{{16}}[A-Za-z0-9+/=]*)+"
    rf"(?:{_BETWEEN}[A-Za-z0-9+/]+={{1,2}})?)"
)
# "-----BEGIN " in base64, as Kubernetes keeps it.
_WRAPPED_PEM: Final = r"LS0tLS1CRUdJTiB[A-Za-z0-9+/]{20,}={0,2}"


def _is_wrapped_private_key(value: str) -> bool:
    """Whether what base64 holds begins as a private key does, and not as a certificate."""
    from base64 import b64decode  # only here: few texts hold one

    return b"PRIVATE KEY" in b64decode(value[:64])


def _is_bearer(value: str) -> bool:
    """Whether what follows "Bearer" is a token and not a word of the sentence."""
    if "realm=" in value or (len(value) < 24 and re.fullmatch(r"[A-Za-z]?[a-z]+(?:[-/][a-z]+)*[.:]?", value)):
        return False
    if re.fullmatch(r"[A-Z]+(?:_[A-Z]+)+", value):
        return False  # YOUR_API_KEY
    return len(value) >= 24 or re.search(r"\d", value) is not None or re.search(r"[a-z][A-Z]|[._]\w", value) is not None


def _is_basic(value: str) -> bool:
    """Whether what follows "Basic" is `user:password` in base64."""
    from base64 import b64decode  # only here: few texts hold one

    try:
        return b":" in b64decode(value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4))
    except ValueError:
        return False


def _is_login(hit: Hit) -> bool:
    """Whether `a:b` before an `@` is a user and a password, not a port with a path or names of variables."""
    user, _, password = hit.value.partition(":")
    if user.isdecimal() and password.isdecimal():
        return False  # the ids of a user and a group
    if re.match(r"\d{1,5}/", password) and "." in user:
        return False
    return re.fullmatch(r"(?:\$[A-Z_]+|\*+|%s|x{3,})", password) is None


def _is_no_number(value: str) -> bool:
    """Whether it is no port."""
    return not value.isdecimal()


ROWS: Final = (
    Pattern(
        name="private_key",
        label="[PRIVATE_KEY]",
        regex=_PEM,
        examples=(
            "-----BEGIN " + f"PRIVATE KEY-----\n{_B64}\n{_B64}\nabcd==\n-----END PRIVATE KEY-----",
            "-----BEGIN " + f"RSA PRIVATE KEY-----\\n{_B64}\\nQk0=\\n-----END RSA PRIVATE KEY-----\\n",
            "-----BEGIN " + f"RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B\n\n{_B64}",
            "-----BEGIN " + f"OPENSSH PRIVATE KEY-----\n{_B64}\n-----END OPENSSH PRIVATE KEY-----",
            "---- BEGIN "
            + f'SSH2 ENCRYPTED PRIVATE KEY ----\nComment: "x"\n{_B64}\n---- END SSH2 ENCRYPTED PRIVATE KEY ----',
            "-----BEGIN " + f"PGP PRIVATE KEY BLOCK-----\n\n{_B64}\n=aB3d\n-----END PGP PRIVATE KEY BLOCK-----",
        ),
        counterexamples=(
            f"-----BEGIN PUBLIC KEY-----\n{_B64}\n-----END PUBLIC KEY-----",
            f"-----BEGIN CERTIFICATE-----\n{_B64}\n-----END CERTIFICATE-----",
            "the private key begins with five dashes",
        ),
    ),
    Pattern(
        name="private_key",
        label="[PRIVATE_KEY]",
        regex=_PUTTY,
        examples=(f"Private-Lines: 2\n{_B64}\n{_B64[:40]}aa==\nPrivate-MAC: 0a1b2c3d",),
        counterexamples=("Private-Lines: 2", f"Public-Lines: 1\n{_B64}"),
    ),
    Pattern(
        name="private_key",
        label="[PRIVATE_KEY]",
        regex=_WRAPPED_PEM,
        check=_is_wrapped_private_key,
        examples=("tls.key: " + "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JSUV2Z0lCQURBTkJna3Foa2lH",),
        counterexamples=("tls.crt: " + "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUQxekNDQXIrZ0F3SUJBZ0lV",),
    ),
    Pattern(
        name="jwt",
        label="[JWT]",
        regex=rf"{START}eyJ[\w-]{{8,}}\.[\w-]{{8,}}(?:\.[\w-]*){{0,3}}",
        examples=(_JWT, "?t=" + _JWT + "&x=1", "\\n" + _JWT, _JWT.rpartition(".")[0]),
        counterexamples=("eyJhbGciOiJIUzI1NiJ9", "keyJoinOptions.somethingLonger", "eyJ.eyJ.x"),
    ),
)

SCHEMES: Final = (
    Pattern(
        name="bearer",
        label="[TOKEN]",
        regex=rf"(?i){START}bearer(?:[ \t]+|%20|\+)(?P<value>[\w.~+/=:-]{{8,}})",
        check=_is_bearer,
        examples=(
            "Bearer aB3dE5gH7jK9",
            "curl -H 'Authorization: bearer 0123-4567-89ab'",
            "bearer abcdefghijklmnopqrstuvwxyz",
        ),
        counterexamples=("a bearer authentication scheme", "Bearer realm=x", "the bearer of this letter"),
    ),
    Pattern(
        name="basic",
        label="[TOKEN]",
        regex=rf"(?i){START}basic[ \t]+(?P<value>[A-Za-z0-9+/_-]{{6,}}={{0,2}})",
        check=_is_basic,
        examples=("Basic " + "dXNlcjpwYXNzd29yZA==", "basic " + "YWxhZGRpbjpvcGVuc2VzYW1l"),
        counterexamples=("Basic authentication", "basic understanding of Python", 'Basic realm="x"'),
    ),
    Pattern(
        name="credentials",
        label="[CREDENTIALS]",
        regex=r"""(?:(?:\s|\\n)-u|--user|--proxy-user)[ =]?["']?(?P<value>[^\s"':]+:[^\s"'\\]+)""",
        context=_is_login,
        examples=("curl -u jane:hunter2 https://example.com", "curl --user 'jane:hunter2'"),
        counterexamples=(
            "docker run -u 1000 image",
            "useradd -u 1001",
            "docker run --user $UID:$GID",
            "docker run -u 1000:1000 x",
        ),
    ),
    Pattern(
        name="credentials",
        label="[CREDENTIALS]",
        regex=(
            r"""\b(?:(?:mysql\w*|mariadb\w*|sshpass|mongo\w*)\s(?:[^\n|;&]*?\s)?-p|redis-cli\s(?:[^\n|;&]*?\s)?-a|"""
            r"""(?:sqlcmd|bcp)\s(?:[^\n|;&]*?\s)?-P)\s?["']?(?P<value>[^\s"'$<-][^\s"']{3,})"""
        ),
        check=_is_no_number,
        examples=("mysql -uroot -pS3cret123 db", "sshpass -p hunter2 ssh x", "redis-cli -h db -a s3cret ping"),
        counterexamples=("mysql -u root -p", "mongosh -p $PASSWORD", "mysql -P 3306", "sshpass -p 3306"),
    ),
)

LOGINS: Final = (
    Pattern(
        name="credentials",
        label="[CREDENTIALS]",
        regex=r":(?:thin|oci\d?):(?P<value>\w+/[^\s@\"']+)@",
        examples=("jdbc:oracle:thin:scott/t1ger@db:1521:orcl",),
        counterexamples=("jdbc:oracle:thin:@db:1521:orcl", "jdbc:oracle:thin:/@tns"),
    ),
    Pattern(
        name="credentials",
        label="[CREDENTIALS]",
        regex=r"""://(?P<value>[^\s:@/"'`<>(){}\[\]\\]*:[^\s"'`<>\[\]{}\\]+)@""",
        context=_is_login,
        examples=(
            "postgresql://app:hunter2@db.internal:5432/app",
            "mongodb+srv://u:p%40ss@cluster0.example.net",
            "redis://:s3cret@cache:6379/0",
            "https://user:pa/ss@example.com",
            "mysql://root:p@ss@localhost/db",
        ),
        counterexamples=(
            "postgresql://localhost:5432/app",
            "https://example.com:8080/users/@me",
            "postgres://$USER:$PASSWORD@$HOST/db",
            "https://example.com/a:b",
        ),
    ),
    Pattern(
        name="credentials",
        label="[CREDENTIALS]",
        regex=r"""(?:\b|\\[nrt])(?P<value>[\w.-]+:[^\s"'`<>(){}\[\]\\/@:]+)@(?:tcp|unix)\(""",
        examples=("app:hunter2@tcp(db:3306)/app",),
        counterexamples=("app@tcp(db:3306)/app",),
    ),
)
