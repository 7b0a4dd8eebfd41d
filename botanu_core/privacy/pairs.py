"""The rows of the table about values under names such as `password`, wherever such pairs are written.

`named` says which of the pairs found give a secret away.
"""

from collections.abc import Callable
from typing import Final

from botanu_core.privacy import named
from botanu_core.privacy.named import NAME, WEAK
from botanu_core.privacy.pattern import START, Hit, Pattern

__all__ = ["ROWS"]

_QUOTE: Final = r"""(?:\\*["'`]|&quot;|%22)"""
_ASSIGN: Final = (
    rf"{_QUOTE}?\]?\??\*{{0,2}}(?:[ \t]\([^()\n]*\))?[ \t]*"
    r"(?:=>|->|:=|={1,3}|::[ \t]|[:：]|%3[AaDd])\*{0,2}[ \t]*(?:(?:\w+\.)?Secret(?:Str|Bytes)?\()?"
)
# The triple quotes first: else two of them would be an empty value.
_QUOTED: Final = (
    r"""(?:[bBrRuUfF@$]{1,2})?(?:\"""[^"]*|\\+"(?:[^"\\\n]|\\[^"\n])*|\\+'(?:[^'\\\n]|\\[^'\n])*"""
    r"""|"(?:[^"\\\n]|\\[^\n])*|'(?:[^'\\\n]|\\[^\n])*|`[^`\n]*|&quot;[^&\s]*|%22[^%\s]*)"""
)
_LIST: Final = r"""\[\s*\\*["'][^\]\n]*\]?"""
_BARE: Final = r"""(?:[^\s"'`,;&<>()\[\]{}\\]|\\[^nrt"'\s])+"""

_TOLD_NAMES: Final = (
    rf"(?:{START}(?:password|passcode|passphrase|pin(?: code| number)?|otp|pwd|token|secret|api[ _-]?key|"
    r"access[ _-]?key|passwort|kennwort|contraseña|clave|senha|mot de passe|wachtwoord)|пароль|密码|口令|パスワード)"
    r"(?:[ \t]+(?:for|of|on|für|de|del|da|du|para)(?:[ \t]+[\w.@'-]+){1,3})?"
)
_TOLD: Final = r"(?:[ \t]*(?:(?:(?:is|was|to|now|lautet|ist|es|est|war)\b|é|—|–|是|为|は|:)[ \t]*){1,3}|[ \t]+)"
_MEMBER_GAP: Final = (
    r"""(?:["'][ \t]*,[ \t]*(?:["']value["'][ \t]*:[ \t]*)?|["'][ \t]+value[ \t]*=[ \t]*)"""  # a tuple, a record, HTML
)


def _row(
    context: Callable[[Hit], bool], regex: str, examples: tuple[str, ...], counterexamples: tuple[str, ...]
) -> Pattern:
    return Pattern(
        name="secret",
        label="[SECRET]",
        regex="(?i)" + regex,
        context=context,
        examples=examples,
        counterexamples=counterexamples,
    )


ROWS: Final = (
    _row(
        named.is_authorization,
        rf"""authori[sz]ation{_ASSIGN}(?P<value>[a-z][\w-]*[ \t]+(?:[\w-]+="[^"\n]*"|[^\s"',;<>\[\]{{}}\\]+)"""
        r"""(?:,[ \t]*[\w-]+=(?:"[^"\n]*"|[^\s,"'\\]*))*)""",
        (
            "Authorization: Bearer abc",
            "Proxy-Authorization: Basic dXNlcjpwYXNz",
            'Authorization: Digest username="jane", realm="x", response="6629fae4"',
            "authorization: AWS4-HMAC-SHA256 Credential=AKID/20240115/us-east-1/s3/aws4_request, Signature=fe5f80",
        ),
        ("Authorization: required by law", "authorization is needed", "Authorization: Bearer <token>"),
    ),
    _row(
        named.is_pair,
        rf"""(?:set-)?cookies?{_ASSIGN}(?P<value>[^\s;=,"'\\]+=[^\s;"'\\]*(?:;[ \t]*[^\s;"'\\]+)*)""",
        ("Cookie: sid=abc; theme=dark", "Set-Cookie: session=8f14e45f; Path=/; HttpOnly"),
        ("cookie policy: strict", "cookie_consent=true", "assert response.cookies == {}"),
    ),
    _row(
        named.is_tag,
        rf"(?:{NAME}){_QUOTE}?:[ \t]*[|>][+-]?\d?[ \t]*\r?\n[ \t]+(?P<value>[^\r\n]+(?:\r?\n[ \t]+[^\s:]+\b)*)",
        ("password: |\n    hunter2\n", "private_key: >-\n  abcdef\n  ghijkl\nnext: 1"),
        ("password: |\n", "notes: |\n  all is well"),
    ),
    _row(
        named.is_pair,
        rf"(?:{NAME})\??[ \t]*:[ \t]*[A-Za-z_][\w.\[\]|<>]*[ \t]*=[ \t]*(?P<value>{_QUOTED})",
        ('let token: string = "abc123def"', "password: Final[str] = 'hunter2'"),
        ('token: str = ""', "password: str = input('Password: ')"),
    ),
    _row(
        named.is_braced,
        rf"(?:{NAME})=\{{(?P<value>[^{{}}\n]+)\}}",
        ("UID=sa;PWD={Pw;23}",),
        ("password={password}", "token={settings.token}", "password={user['password']}"),
    ),
    _row(
        named.is_phrase,
        rf"(?:pass(?:word|phrase)|passwort|mot de passe|contraseña|(?:seed|recovery)[ _-]phrase|mnemonic){_ASSIGN}"
        r"(?P<value>[a-z]+(?:[ -][a-z]+){3,24})",
        (
            "passphrase: correct horse battery staple",
            "seed phrase: witch collapse practice feed shame open despair creek",
        ),
        ("passphrase: must be at least eight characters", "password: choose one that you remember"),
    ),
    _row(
        named.is_cell,
        rf"(?:{NAME})[`* \t]*\|[`* \t]*(?P<value>[^\s|`]+)",
        ("| password | hunter2 |", "| **api_key** | `abc123def` |"),
        ("| password | string |", "password || default", "| token | required |"),
    ),
    _row(
        named.is_pair,
        rf"(?:{NAME}){_ASSIGN}(?P<value>{_QUOTED}|{_LIST}|{_BARE})",
        (
            "password=hunter2",
            '{"password": "hunter2"}',
            r"{\"password\": \"hunter2\"}",
            "{'db_password': 'a b c'}",
            "DB_PASSWORD=super_secret",
            "clientSecret: 'x'",
            "?user=1&access_token=abc&x=1",
            "X-Api-Key: 0123abcd",
            "api_key = 'k'",
            "password: letmein\n",
            '{"api_keys": ["a", "b"]}',
            "Server=db;User Id=sa;Password=p;",
            'os.environ["PASSWORD"] = "x"',
            "пароль: qwerty",
            "密码：hunter2",
            "{b'token': b'abc'}",
            "AccountKey=" + "aB3d" * 21 + "ab==",
            "private_key=0x4c0883a69102937d",
            "&quot;password&quot;:&quot;hunter2&quot;",
            "ssh_key=`abc`",
            "cvv: 123",
            "**Password:** abc123def",
            "Password (temporary): abc123def",
            "password -> abc123def",
            "userPassword:: cGFzc3dvcmQ=",
            "password=SecretStr('abc123def')",
            "SECRET_KEY_BASE=abc123def",
            "lösenord: hemligt1",
        ),
        (
            "max_tokens=4096",
            '"total_tokens": 512',
            "tokenizer=gpt2",
            "password: str",
            "token: Optional[str] = None",
            "password = getpass.getpass('Password: ')",
            'secret = os.environ["SECRET"]',
            "login(user=user, password=password)",
            "connect(password=self.password)",
            "Password: must be long",
            "password=${DB_PASSWORD}",
            "SET password = ? WHERE",
            '"password": null',
            '"token": ""',
            "time_to_first_token: 0.35",
            "secretary: Jane",
            "token_type: bearer",
            "eos_token: </s>",
            "PWD=/home/jane",
            '{"token": "Hello", "logprob": -0.3}',
            "secrets: 3 found",
            "password: ********",
            "password=**",
            "def next_token() -> str:",
            "Token::Bearer",
            "password=SecretStr('**********')",
            "OPENAI_API_KEY=sk-...",
            "apiKey: process.env.API_KEY!",
            "headers={'Authorization': f'Bearer {token}'}",
        ),
    ),
    _row(
        named.is_weak_pair,
        rf"(?:{START}|_)(?:{WEAK}){_ASSIGN}(?P<value>{_QUOTED}|{_BARE})",
        ("pin: 4711", "otp=123456", "?sig=aB3dE5gH7j&x", "DB_PASS=hunter2", '"auth": "a1b2c3d4"', "pw: hunter2"),
        ("pass: 12, fail: 3", "pin=13", "auth: required", "spin=1234", "signature: valid"),
    ),
    _row(
        named.is_environment_key,
        rf"(?-i:[A-Z0-9]_KEY){_ASSIGN}(?P<value>{_QUOTED}|{_BARE})",
        ("AZURE_OPENAI_KEY=0a1b2c3d4e5f60718293a4b5c6d7e8f9",),
        ("CACHE_KEY=user_profile", "sort_key=0a1b2c3d4e5f60718293a4b5c6d7e8f9", "PRIMARY_KEY = 'id'"),
    ),
    _row(
        named.is_quoted_word,
        rf"--(?:[\w-]*-)?(?:{NAME}|pass)[ \t]+(?P<value>{_QUOTED}|[^\s\"'`<>()\[\]{{}}\\-][^\s\"'`<>()\[\]{{}}\\]*)",
        ("mysql --password hunter2 db", "--api-key 'abcd'"),
        ("--password --user x", "--token <token>", "--password-file x"),
    ),
    _row(
        named.is_tag,
        rf"(?:{NAME})(?:[ \t][^<>\n]*)?>(?P<value>[^<>\n]+)</",
        ("<password>hunter2</password>", '<db:password type="plain">s3</db:password>'),
        ("<password></password>", '<label for="password">Password</label>'),
    ),
    _row(
        named.is_told,
        rf"""{_TOLD_NAMES}{_TOLD}["'`“«„]?(?P<value>[^\s"'`“”«»„,;<>()\[\]]+)""",
        (
            "the password is hunter2.",
            "I changed my password to Winter2024!",
            "the PIN is 4711",
            "Das Passwort ist geheim123",
            "the password for the admin account is P@ssw0rd",
            "user root and password toor99",
            "密码是hunter2",
        ),
        (
            "the password is required",
            "the secret to 10x growth",
            "a password is at least 8 characters",
            "the password was changed 3 times",
            "pin 1024 of the board",
        ),
    ),
    _row(
        named.is_quoted_word,
        rf"(?:{START}(?:password|passphrase|passwort|contraseña)|identified by|{START}login[ \t]+\S+[ \t]+password)"
        r"""[ \t]+(?P<value>["'`“][^\s"'`”]+)""",
        ('with password "swordfish"', "CREATE USER app IDENTIFIED BY 'hunter2'", "ALTER ROLE app PASSWORD 'abcd'"),
        ("password 'required'", "password reset"),
    ),
    _row(
        named.is_member,
        rf"""["'](?:[\w-]*[_-])?(?:{NAME}){_MEMBER_GAP}(?P<value>{_QUOTED})""",
        (
            "(b'authorization', b'Bearer abc')",
            '["x-api-key", "0123abcd"]',
            '{"name": "password", "value": "hunter"}',
            '<input name="password" value="letmein">',
        ),
        ('["password", "username"]', '["token", "secret", "cookie"]', '<input name="password" type="text">'),
    ),
    _row(
        named.is_tag,
        rf"""name(?::[ \t]*["']?[\w-]*(?:{NAME})["']?[ \t]*\r?\n[ \t]*value:[ \t]*|="[\w-]*(?:{NAME})"\r?\n\r?\n)"""
        rf"(?P<value>{_QUOTED}|[^\s\"'&][^\r\n]*)",
        (
            "env:\n- name: DB_PASSWORD\n  value: letmein\n",
            'Content-Disposition: form-data; name="password"\r\n\r\nhunter2\r\n--x',
        ),
        ("- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef: x", "name: cookies\n\nThe next paragraph"),
    ),
)
