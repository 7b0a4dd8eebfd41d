"""The rows of the table about people: addresses, numbers, accounts.

Loops that need something behind them, such as the name before an `@`, are written without an upper bound:
a bounded one would need a state for each count, and the scrubber's chunks bound them anyway.
"""

from typing import Final

from botanu_core.privacy import checks
from botanu_core.privacy.pattern import START, Pattern

__all__ = ["ADDRESSES", "ENCODED", "ENTITIES", "ESCAPED", "NAMED", "NUMBERS"]

# Letters of scripts that put blanks between words; one class of ranges instead of \p{L}, which is 50 times larger.
_LETTER: Final = r"\w\x{c0}-\x{dff}\x{10a0}-\x{16ff}\x{1e00}-\x{1fff}"
_HAN: Final = r"\x{3040}-\x{9fff}\x{ac00}-\x{d7a3}"
_BLANK: Final = r"[ \x{a0}\x{2007}\x{2009}\x{202f}]"
_DASH: Final = r"[\x{2010}-\x{2013}-]"
_GAP: Final = r"[ \x{a0}\x{2007}\x{2009}\x{202f}.()/\x{2010}-\x{2013}-]"
_GAPS: Final = rf"(?:{_GAP}|[).] |{_BLANK}[/\x{{2013}}-]{_BLANK})"
_PAIR_GAP: Final = r"[ \x{a0}\x{2007}\x{2009}\x{202f}.\x{2010}-\x{2013}-]"

_EMAIL: Final = (
    rf"(?:\\[nrt])?[{_LETTER}][{_LETTER}.%+'~-]*@(?:[{_LETTER}][{_LETTER}-]*\.)+"
    r"(?:[A-Za-z]{2,}|[Xx][Nn]--[A-Za-z0-9-]{2,}|[\x{c0}-\x{dff}\x{10a0}-\x{16ff}\x{1e00}-\x{1fff}]{2,})"
    rf"""|"[^"@\\\n]+"@(?:[{_LETTER}][{_LETTER}-]*\.)+[A-Za-z]{{2,}}"""
    # Scripts without blanks only where the domain is written in one: else the words around would go, too.
    rf"|[\w{_HAN}.%+-]+@[\w-]*[{_HAN}][\w{_HAN}-]*\.(?:[A-Za-z]{{2,}}|[{_HAN}]{{2,3}})"
)

_INTERNATIONAL: Final = (
    rf"(?:\+|%2[Bb])\(?1{_GAP}{{0,2}}\d{{3}}{_GAP}{{0,2}}\d{{3}}{_GAP}{{0,2}}\d{{4}}\b"
    rf"|(?:\+|%2[Bb])\(?[1-9](?:{_GAP}{{0,3}}\d){{7,14}}\b"
    rf"|{START}00[1-9]\d{{0,2}}{_GAP}{{1,2}}\d(?:{_GAP}{{0,2}}\d){{5,11}}\b"
)
_NATIONAL: Final = "|".join(
    (
        rf"\(\d{{3}}\){_PAIR_GAP}?\d{{3}}{_PAIR_GAP}\d{{4}}\b",  # (555) 123-4567
        rf"{START}(?:1{_PAIR_GAP})?\d{{3}}{_DASH}\d{{3}}{_DASH}\d{{4}}\b",  # 555-123-4567
        rf"{START}(?:1\.)?\d{{3}}\.\d{{3}}\.\d{{4}}\b",
        rf"{START}(?:1{_BLANK})?[2-9]\d{{2}}{_BLANK}[2-9]\d{{2}}{_BLANK}\d{{4}}\b",
        rf"{START}[2-9]\d{{2}}[ ./]\d{{3}}{_DASH}\d{{4}}\b",
        # 030 1234567, 06 12 34 56 78, 090-1234-5678; with at least nine digits
        rf"{START}0[1-9](?:{_GAPS}\d{{7,8}}|\d{_GAPS}\d{{6,8}}|\d{{2,3}}{_GAPS}\d{{5,8}})\b",
        rf"{START}0[1-9]\d{{0,3}}{_GAPS}(?:\d{{2,4}}{_GAPS}){{1,3}}\d{{2,5}}\b",
        rf"{START}0{_BLANK}[1-9]\d{{2}}{_BLANK}\d{{3}}{_BLANK}\d{{2}}{_BLANK}?\d{{2}}\b",  # 0 532 123 45 67
        rf"\(0[1-9]\d{{0,4}}\)(?:{_GAP}{{0,2}}\d{{2,8}}){{1,4}}\b",
        rf"\([1-9]\d\){_BLANK}?9?\d{{4}}{_PAIR_GAP}\d{{4}}\b",  # (11) 98765-4321
        rf"{START}[6-9]\d{{4}}{_PAIR_GAP}\d{{5}}\b",  # 98765 43210
        rf"{START}1[3-9]\d{_PAIR_GAP}\d{{4}}{_PAIR_GAP}\d{{4}}\b",  # 138 1234 5678
        rf"{START}3[2-9]\d{_BLANK}\d{{7}}\b",  # 347 1234567
        rf"{START}8{_PAIR_GAP}?\(?[3-9]\d{{2}}\)?{_PAIR_GAP}\d{{3}}{_PAIR_GAP}\d{{2}}{_PAIR_GAP}\d{{2}}\b",
        r"\b(?:07[1-9]\d{8}|0[67][1-9]\d{7}|01[567]\d{8,9}|04[0-9]{8}|0[789]0\d{8})\b",  # mobiles without a gap
    )
)
_NAMED_PHONE: Final = (
    r"(?i)(?:(?:(?:phone|mobile|tel[eé]fon(?:e|o|nummer)?|t[eé]l[eé]phone|whatsapp|rufnummer|"
    rf"{START}(?:cell(?:ular|ulare)?|tel|tél|tlf|fax|sms|gsm|mob|handy(?:nummer)?|msisdn|caller[ _-]?id)"
    r"|m[oó]vil|телефон|тел|电话|電話|手机|携帯|전화)"
    r"(?:[ _-]?(?:number|no|nr|num|nummer|номер|号码|番号|번호))?"
    rf"|(?:{START}(?:contact|kontakt)|номер))"
    r"""[\s"'`:：=.#>\\*-]{0,6}(?:(?:is|was|at|on|(?:sent )?to|ist|est|es|é|è)[\s"':=]{1,3}|[是为는は]\s?)?"""
    rf"|{START}(?:call|text|reach|ring|dial|phone|message|contact)\s(?:me|us|him|her|them)(?:\s(?:back|at|on|under|via))*\s"
    rf"|{START}(?:call|dial|texted|phoned|rang)\s"
    r"|(?:chiam|ll[aá]m|appel|ruf|anruf|ligue)\w*\s(?:mich\s|moi\s)?(?:al|a|au|unter|para|o)\s(?:n[uú]m\w+\s)?"
    rf"|(?:联系|致电|拨打|联络)\s?)(?P<value>\+?\(?\d(?:{_GAP}{{0,3}}\d){{6,14}})\b"
)

_SSN: Final = rf"{START}\d{{3}}{_DASH}\d{{2}}{_DASH}\d{{4}}\b"
_NAMED_SSN: Final = (
    rf"(?i){START}(?:ssn|itin|social[ _-]?security|soc\.? sec\.?|taxpayer id)(?:[ _-]?(?:number|num|no|nr|id|#))?(?: \(ssn\))?"
    r"""[\s"'`:=.#>()\\*-]{0,9}(?:(?:is|was)\s)?["']?"""
    rf"(?P<value>\d{{3}}{_PAIR_GAP}?\d{{2}}{_PAIR_GAP}?\d{{4}})\b"
)

_ISSUERS: Final = (
    r"(?:4\d{3}|5[1-8]\d{2}|50\d{2}|2(?:22[1-9]|2[3-9]\d|[3-6]\d{2}|7[01]\d|720|20[0-4])|35(?:2[89]|[3-8]\d)|"
    r"6(?:011|4[4-9]\d|5\d{2}|[027]\d{2}|304|390))"
)
_DINERS: Final = r"3(?:0[0-59]|[689]\d)\d"
_CARD_GAP: Final = r"(?:[ \x{a0}\x{2007}\x{2009}\x{202f}._/+\x{2010}-\x{2013}-]|  |%20|\r?\n|\\n)"
# With a gap everywhere or nowhere: with one here and there, half of all long numbers would be looked at.
_CARD: Final = (
    rf"{START}(?:{_ISSUERS}(?:\d{{12}}(?:{_CARD_GAP}?\d{{3}})?|(?:{_CARD_GAP}\d{{4}}){{3}}(?:{_CARD_GAP}?\d{{3}})?"
    rf"|\d{{4}}{_CARD_GAP}\d{{8}})"
    rf"|3[47]\d{{2}}(?:\d{{11}}|{_CARD_GAP}\d{{6}}{_CARD_GAP}\d{{5}})"
    rf"|{_DINERS}(?:\d{{10}}|{_CARD_GAP}\d{{6}}{_CARD_GAP}\d{{4}}|(?:{_CARD_GAP}\d{{4}}){{2}}{_CARD_GAP}\d{{2}})"
    r"|4\d{12})\b"
)

# Characters in an IBAN, by country. Source: SWIFT, IBAN registry (ISO 13616).
_IBAN_LENGTHS: Final = {
    15: "NO", 16: "BE", 18: "DK FI FO FK GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HN HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC",
    33: "RU",
}  # fmt: skip
_IBAN: Final = (
    rf"(?i){START}(?:"
    + "|".join(
        rf"(?:{countries.replace(' ', '|')})\d{{2}}(?:[ \x{{a0}}\x{{202f}}-]?[A-Z0-9]){{{length - 4}}}"
        for length, countries in _IBAN_LENGTHS.items()
    )
    + r")\b"
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

NAMED: Final = (
    Pattern(
        name="phone",
        label="[PHONE]",
        regex=_NAMED_PHONE,
        context=checks.is_named_phone,
        same=checks.digits_of,
        examples=(
            '"phone": "4155550123"',
            "call me at 4155550123",
            "Móvil: 612 345 678",
            "手机13812345678",
            "Tel. 901820 12",
            "我的电话是13912345678",
            "SMS sent to 4155550132",
            "мой номер 89161234567",
            "call 347 123 4567",
            "contact=00442079460018",
        ),
        counterexamples=(
            "iPhone 15",
            "hotel 1234567",
            "call 12345678",
            "contact: 12345678",
            "номер 12345678",
            "mobile: 2024-01-15",
        ),
    ),
    Pattern(
        name="ssn",
        label="[SSN]",
        regex=_NAMED_SSN,
        same=checks.digits_of,
        examples=("SSN: 123456789", "social security number 123 45 6789", '"ssn": "123456789"'),
        counterexamples=("account 123456789", "123 45 6789 units"),
    ),
)

NUMBERS: Final = (
    Pattern(
        name="phone",
        label="[PHONE]",
        regex=_INTERNATIONAL,
        context=checks.is_international_phone,
        same=checks.digits_of,
        examples=(
            "+14155550123",
            "+49 30 901820",
            "+44 (0)20 7946 0958",
            "(+33) 6 12 34 56 78",
            "tel:+1-415-555-0123",
            "0049 30 901820",
            "\\n+442079460958",
            "+1\u202f415\u202f555\u202f0123",
        ),
        counterexamples=("2024-01-15T10:30:00+02:00", "1+2345678901", "@@ -1234,7 +1234,8 @@", "GMT+1000", "+5 points"),
    ),
    Pattern(
        name="phone",
        label="[PHONE]",
        regex=_NATIONAL,
        context=checks.is_national_phone,
        same=checks.digits_of,
        examples=(
            "(415) 555-0123",
            "415-555-0123",
            "415.555.0123",
            "1-800-555-0199",
            "415 555 0123",
            "030 901820-0 or 030/901820",
            "07700 900123",
            "07700900123",
            "06 12 34 56 78",
            "090-1234-5678",
            "(11) 98765-4321",
            "98765 43210",
            "138 1234 5678",
            "8 (912) 345-67-89",
        ),
        counterexamples=(
            "order 415-555-0123",
            "2024-01-15 10:30:00",
            "01.02.2024 10:30",
            "978-3-16-148410-0",
            "0-306-40615-2",
            "112-3456789-1234567",
            "550e8400-e29b-41d4-a716-446655440000",
            "Nature 521 (2015) 436-444",
            "1700000000000",
            "1 234 567,89",
            "05 12 33 41 47 08",
            "12345-6789",
        ),
    ),
    Pattern(
        name="ssn",
        label="[SSN]",
        regex=_SSN,
        context=checks.is_social_security,
        same=checks.digits_of,
        examples=("123-45-6789", "her SSN-078-05-1120", '"x\\n123-45-6789"'),
        counterexamples=(
            "000-12-3456",
            "666-12-3456",
            "123-00-4567",
            "123-45-0000",
            "SKU 123-45-6789",
            "1-123-45-6789",
        ),
    ),
    Pattern(
        name="card",
        label="[CARD]",
        regex=_CARD,
        check=checks.is_card,
        context=checks.no_fraction,
        same=checks.digits_of,
        examples=(
            "4111 1111 1111 1111",
            "4111111111111111 12/27",
            "5555-5555-5555-4444",
            "3782 822463 10005",
            "2223003122003222",
            "6011111111111117",
            "30569309025904",
            "3530 1113 3330 0000",
            "4222222222222",
            "6200000000000005",
            "exp\\n4111111111111111",
            "4111  1111  1111  1111",
            "4111%201111%201111%201111",
            "4111 1111\n1111 1111",
            "4111/1111/1111/1111",
            "41111111 11111111",
            "3852 0000 0232 37",
        ),
        counterexamples=(
            "4111 1111 1111 1112",
            "1234567890123456",
            "175928847299117063",
            "0.4111111111111111",
            "4006381333931",
            "353918052345678",
            "20240115103000",
            "4111\n1111\n1111\n1111",
            "4111/1111+1111 1111",
        ),
    ),
    Pattern(
        name="iban",
        label="[IBAN]",
        regex=_IBAN,
        check=checks.is_iban,
        same=lambda text: "".join(text.upper().split()),
        examples=(
            "DE89370400440532013000",
            "DE89 3704 0044 0532 0130 00 BIC COBADEFFXXX",
            "GB29 NWBK 6016 1331 9268 19",
            "FR14 2004 1010 0505 0001 3M02 606",
            "NO9386011117947",
            "nl91abna0417164300",
        ),
        counterexamples=("DE89370400440532013001", "GB30 NWBK 6016 1331 9268 19", "DE123", "XX89370400440532013000"),
    ),
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
