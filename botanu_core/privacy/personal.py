"""The rows of the table about addresses of people and machines: e-mail and IP.

Loops that need something behind them, such as the name before an `@`, are written without an upper bound:
a bounded one would need a state for each count, and the scrubber's chunks bound them anyway.
"""

from typing import Final

from botanu_core.privacy import checks
from botanu_core.privacy.pattern import START, Pattern

__all__ = ["ADDRESSES", "ENCODED", "ENTITIES", "ESCAPED", "IPS"]

# Letters of scripts that put blanks between words; one class of ranges instead of \p{L}, which is 50 times larger.
_LETTER: Final = r"\w\x{c0}-\x{dff}\x{10a0}-\x{16ff}\x{1e00}-\x{1fff}"
_HAN: Final = r"\x{3040}-\x{9fff}\x{ac00}-\x{d7a3}"

_EMAIL: Final = (
    rf"(?:\\[nrt])?[{_LETTER}][{_LETTER}.%+'~-]*@(?:[{_LETTER}][{_LETTER}-]*\.)+"
    r"(?:[A-Za-z]{2,}|[Xx][Nn]--[A-Za-z0-9-]{2,}|[\x{c0}-\x{dff}\x{10a0}-\x{16ff}\x{1e00}-\x{1fff}]{2,})"
    rf"""|"[^"@\\\n]+"@(?:[{_LETTER}][{_LETTER}-]*\.)+[A-Za-z]{{2,}}"""
    # Scripts without blanks only where the domain is written in one: else the words around would go, too.
    rf"|[\w{_HAN}.%+-]+@[\w-]*[{_HAN}][\w{_HAN}-]*\.(?:[A-Za-z]{{2,}}|[{_HAN}]{{2,3}})"
)

_IPV4: Final = (
    rf"{START}\d{{1,3}}\.\d{{1,3}}\.\d{{1,3}}\.\d{{1,3}}(?:\.\d+)*\b"  # more than four parts are none, but one hit
)
_GROUP: Final = r"[0-9a-f]{1,4}"
# Global unicast, unique local, link local, multicast and NAT64; not every `a::b` of C++ and Perl.
_IPV6: Final = (
    rf"(?i){START}(?:[23][0-9a-f]{{3}}|f[cdf][0-9a-f]{{2}}|fe[89ab][0-9a-f]|64)(?:"
    rf"(?::{_GROUP}){{0,6}}::(?:{_GROUP}(?::{_GROUP})*)?|(?::{_GROUP}){{7}})(?:\.\d{{1,3}}){{0,3}}(?:%[a-z0-9]+)?"
    r"|::ffff:(?:\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}|[0-9a-f]{1,4}:[0-9a-f]{1,4})\b|::1\b"
)
_IP_IN_NAME: Final = r"(?i)\b(?:ip|ec2)-(?P<value>\d{1,3}-\d{1,3}-\d{1,3}-\d{1,3})\b"

ADDRESSES: Final = (
    Pattern(
        name="email",
        label="[EMAIL]",
        regex=_EMAIL,
        context=checks.is_email,
        same=checks.lower,
        examples=(
            "write to jane.doe+tag@example.co.uk today",
            "müller@bücher.example",
            "пользователь@пример.рф",
            "用户@例子.广告",
            "请联系jane@example.com谢谢",
            "a@xn--bcher-kva.example",
            '{"text": "hello\\njane@example.com"}',
            "<jane@example.com>",
        ),
        counterexamples=(
            "git clone git@github.com:botanu/botanu.git",
            "logo@2x.png",
            "npm i lodash@4.17.21",
            "y = W@x.transpose()",
            "@app.route('/x')",
            "3 apples @ 4.50 each",
        ),
    ),
)

ENCODED: Final = (
    Pattern(
        name="email",
        label="[EMAIL]",
        regex=r"[\w.%+-]*\w%(?:25)*40(?:[\w-]+\.)+[A-Za-z]{2,}",
        context=checks.is_email,
        same=checks.lower,
        examples=("?email=jane.doe%40example.com&x=1", "next=%2Fu%3Fe%3Djane%2540example.com"),
        counterexamples=("100%40.5", "?q=a%40b"),
    ),
)

ENTITIES: Final = (
    Pattern(
        name="email",
        label="[EMAIL]",
        regex=r"(?i)[\w.+-]*\w&(?:#0*64|#x0*40|commat);(?:[\w-]+\.)+[A-Z]{2,}",
        same=checks.lower,
        examples=("jane&#64;example.com", "jane&commat;example.com", "JANE&#X40;EXAMPLE.COM"),
        counterexamples=("&#64; sign", "a&#64;b", "a&amp;b.example"),
    ),
)

ESCAPED: Final = (
    Pattern(
        name="email",
        label="[EMAIL]",
        regex=r"[\w.+-]*\w\\u0040(?:[\w-]+\.)+[A-Za-z]{2,}",
        same=checks.lower,
        examples=(r'"mail": "jane\u0040example.com"',),
        counterexamples=(r"a\u0040b", r"\u0040media"),
    ),
)

IPS: Final = (
    Pattern(
        name="ip",
        label="[IP]",
        regex=_IPV4,
        context=checks.is_address_v4,
        examples=(
            "192.168.0.12",
            "203.0.113.7",
            "login from 5.6.7.8",
            "10.0.0.1:8080",
            "http://1.2.3.4/",
            "8.8.8.8",
            '"ip": "1.2.3.4"',
            "\\n203.0.113.7",
        ),
        counterexamples=(
            "1.2.3.4",
            "version 203.0.113.7",
            "Chrome/120.0.0.0",
            "pip install x==10.0.0.1",
            "1.2.3.4.5",
            "256.1.1.1",
            "upgrade from 4.1.0.2 to 4.1.0.3",
            "lib-1.2.3.4.tar.gz",
        ),
    ),
    Pattern(
        name="ip",
        label="[IP]",
        regex=_IPV6,
        context=checks.is_address_v6,
        same=checks.lower,
        examples=(
            "2001:db8::1",
            "[2001:db8::1]:443",
            "fe80::1ff:fe23:4567:890a%eth0",
            "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
            "::ffff:192.0.2.128",
            "::FFFF:c000:0280",
            "listening on [::1]:8080",
            "peer 2001:db8::1: timeout",
        ),
        counterexamples=(
            "std::vector",
            "rows[2000::2]",
            "rows[::1]",
            "rows[a::1]",
            "00:1a:2b:3c:4d:5e",
            "10:30:45",
            "dead::beef",
            "2024:01:15 10:30:00",
        ),
    ),
    Pattern(
        name="ip",
        label="[IP]",
        regex=_IP_IN_NAME,
        check=checks.is_address_in_name,
        examples=("ip-10-1-2-3.ec2.internal", "ec2-203-0-113-7.compute-1.amazonaws.com"),
        counterexamples=("ip-400-1-2-3", "tip-10-1-2-3"),
    ),
)
