"""The rows of the table about numbers of people: phones, social security, cards, bank accounts."""

from typing import Final

from botanu_core.privacy import checks
from botanu_core.privacy.pattern import START, Pattern

__all__ = ["NAMED", "NUMBERS"]

_BLANK: Final = r"[ \x{a0}\x{2007}\x{2009}\x{202f}]"
_DASH: Final = r"[\x{2010}-\x{2013}-]"
_GAP: Final = r"[ \x{a0}\x{2007}\x{2009}\x{202f}.()/\x{2010}-\x{2013}-]"
_GAPS: Final = rf"(?:{_GAP}|[).] |{_BLANK}[/\x{{2013}}-]{_BLANK})"
_PAIR_GAP: Final = r"[ \x{a0}\x{2007}\x{2009}\x{202f}.\x{2010}-\x{2013}-]"

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
    rf"(?i){START}(?:ssn|itin|social[ _-]?security|soc\.? sec\.?|taxpayer id)(?:[ _-]?(?:number|num|no|nr|id|#))?"
    r"(?: \(ssn\))?"
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
)
