"""What no regular expression can say about a number: check digits, ranges, and what stands around it.

Nothing here runs unless an expression has found something, and nothing is compiled on import. The words in front of a
number are looked up in sets and not searched for: this runs for each number in a log.
"""

import re
import string
from typing import Final

from botanu_core.privacy.pattern import Hit, words

__all__ = [
    "digits_of",
    "is_address_in_name",
    "is_address_v4",
    "is_address_v6",
    "is_card",
    "is_email",
    "is_iban",
    "is_international_phone",
    "is_named_phone",
    "is_national_phone",
    "is_no_card",
    "is_social_security",
    "lower",
    "luhn",
    "no_fraction",
]

_DOUBLED: Final = bytes.maketrans(b"0123456789", b"0246813579")
_NO_DIGITS: Final = bytes(set(range(256)) - set(b"0123456789"))
_BETWEEN: Final = " \t\n\"'`:=([#.-№"
_LETTERS: Final = string.ascii_letters + "áéíóúñäöüß"

# Issuers that give out numbers of 19 digits: Visa, Maestro, UnionPay.
_LONG_CARDS: Final = ("4", "50", "56", "57", "58", "62", "63", "67")

# Zones of ITU-T E.164 in which no calling code is given out.
_UNUSED_ZONES: Final = ("28", "83", "89", "999")
_PHONE_ABBREVIATIONS: Final = words("tel ph phone mob tlf fon telefon mobil fax cell")

# A number directly behind one of these words is the number of a thing, not of a person.
_THINGS: Final = words(
    "order orders invoice ticket ref reference case item sku part serial tracking isbn issn doi batch lot po rma "
    "article model version build revision commit bestellung bestellnummer rechnung rechnungsnummer auftrag artikel "
    "commande facture pedido factura ordine fattura job transaction asset"
)
_NUMBER_WORDS: Final = words("number no nr num id nummer code")

_VERBS: Final = ("call ", "dial ", "texted ", "phoned ", "rang ")

# Dates, and American postcodes.
_DATE: Final = (
    r"0\d{4}-\d{4}(?!\d)|(?:19|20)\d\d[-./ ][01]?\d[-./ ][0-3]?\d(?!\d)|[0-3]?\d[-./ ][0-3]?\d[-./ ](?:19|20)\d\d(?!\d)"
)

_VERSION_WORDS: Final = words(
    "v ver version versions versión versione rev revision release releases released build firmware driver patch "
    "section sections chapter clause rule appendix paragraph requirement abschnitt kapitel oid python java jdk macos "
    "ios android chrome firefox postgres redis django assembly package abi ec enzyme §"
)
_VERSION_NEAR: Final = ("upgrad", "updat", "bump", "migrat", "downgrad", "releas", "version", "chang", "support")
_ADDRESS_WORDS: Final = words(
    "ip ips ipv addr address host hosts hostname server client peer remote source src dst dest destination gateway dns "
    "nameserver resolver subnet proxy listen bind ping traceroute ssh curl telnet forwarded endpoint adresse dirección "
    "inet node pod"
)
_WEAK_ADDRESS_WORDS: Final = words("from at via by to for on")
_REQUIREMENTS: Final = ("==", ">=", "<=", "~=", "!=", "^", "~", "§")
_ASSETS: Final = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".ico", ".css", ".js", ".ts", ".py", ".json")
_COMMON_TLDS: Final = words("com org net edu gov io co de uk fr es it nl us ca au jp cn in br eu info")


def digits_of(text: str) -> str:
    """The ASCII digits of `text`, and nothing else."""
    return text.encode("utf-8", "surrogatepass").translate(None, _NO_DIGITS).decode()


def lower(text: str) -> str:
    """`text` without regard to case."""
    return text.casefold()


def luhn(digits: str) -> bool:
    """Whether ASCII `digits` end in the right check digit. Source: ISO/IEC 7812-1, annex B."""
    data = digits.encode()
    return (sum(data[-1::-2]) + sum(data[-2::-2].translate(_DOUBLED)) - 48 * len(data)) % 10 == 0


def is_no_card(digits: bytes) -> bool:
    """Whether ASCII digits without gaps are as long as a card's number, and nobody's."""
    size = len(digits)
    if not 13 <= size <= 19:
        return False
    total = sum(digits[-1::-2]) + sum(digits[-2::-2].translate(_DOUBLED)) - 48 * size
    return total % 10 != 0


def is_card(text: str) -> bool:
    """Whether a number of an issuer's range has a card's check digit; a security code may hang on."""
    if text.isdecimal():
        digits = text
    else:
        text = text.replace("%20", " ").replace("\\n", "\n")
        if not _is_written_alike(text):
            return False
        digits = digits_of(text)
    if len(digits) == 19:
        code_follows = not text[-4].isdecimal() and luhn(digits[:16])
        return code_follows or (luhn(digits) and digits.startswith(_LONG_CARDS))
    return luhn(digits) and (len(digits) != 13 or not _is_article(digits))


def _is_written_alike(text: str) -> bool:
    """Whether blanks or dashes part the groups, or one other sign all of them; or a line ends between two groups.

    A column of numbers, one in each line, is no card.
    """
    gaps = re.findall(r"\D+", text)
    lines = sum("\n" in gap for gap in gaps)
    if len(set(gaps)) == 1:
        return lines == 0
    return lines < 2 and not any(gap in ("/", "+", "_") for gap in gaps)


def _is_article(digits: str) -> bool:
    """Whether 13 digits are an EAN; German ones begin with a 4, like old cards."""
    return (sum(map(int, digits[::2])) + 3 * sum(map(int, digits[1::2]))) % 10 == 0


def is_iban(text: str) -> bool:
    """Whether the two check digits are right. Source: ISO 13616, ISO 7064 mod 97-10."""
    characters = [character for character in text.upper() if character.isascii() and character.isalnum()]
    return int("".join(str(int(character, 36)) for character in characters[4:] + characters[:4])) % 97 == 1


def no_fraction(hit: Hit) -> bool:
    """Whether a number is not just a piece of a decimal fraction or of a longer one with dashes."""
    joined = hit.before[-1:] in (".", "-", "–") and hit.before[-2:-1].isdigit()
    return not joined and not (hit.after[:1] in (".", "-", "–") and hit.after[1:2].isdigit())


def is_social_security(hit: Hit) -> bool:
    """Whether the area, group and serial are ones that are given out. Source: 20 CFR 422.103, IRS for 9xx."""
    digits = digits_of(hit.value)
    if digits[:3] in ("000", "666") or digits[3:5] == "00" or digits[5:] == "0000":
        return False
    if digits[0] == "9" and int(digits[3:5]) < 50:
        return False
    word, gap = _word_before(hit.before)
    if gap in ("-", "–") and word not in ("ssn", "tin", "itin"):
        return False
    return no_fraction(hit) and not _names_a_thing(hit.before)


def is_email(hit: Hit) -> bool:
    """Whether `a@b.c` is an address, and not a package, an image, a remote of git or a product of matrices."""
    local, _, domain = hit.value.replace("%40", "@").rpartition("@")
    domain = domain.lower()
    if local.lower() in ("git", "hg", "svn") and (hit.after[:1] in (":", "/") or hit.before.endswith("://")):
        return False
    if domain[0].isdigit() or domain[0] == "v":
        if domain.endswith(_ASSETS) and re.match(r"\d+x?\.", domain):
            return False
        if re.match(r"v?\d+\.\d+\.", domain):
            return False
    return hit.after[:1] != "(" or domain.rpartition(".")[2] in _COMMON_TLDS


def is_international_phone(hit: Hit) -> bool:
    """Whether `+…` is a number of ITU-T E.164, by calling code and length."""
    before, after = hit.before, hit.after
    if before[-1:].isalnum() or before[-1:] in ("+", "^") or after[:1].isalnum():
        return False
    if (after[:1] in (".", ",") and after[1:2].isdigit()) or re.search(r"\d\d:\d\d(?::\d\d)?(?:\.\d+)?\s?\Z", before):
        return False
    digits = digits_of(hit.value).removeprefix("00")
    if digits[0] in "17":
        return len(digits) == 11
    return 9 <= len(digits) <= 15 and not digits.startswith(_UNUSED_ZONES)


def is_national_phone(hit: Hit) -> bool:
    """Whether a number written like a phone's stands alone, is no date, and is not called something else."""
    if not 9 <= len(digits_of(hit.value)) <= 12 or re.match(_DATE, hit.value):
        return False
    if _hangs_on(hit.before):
        return _word_before(hit.before)[0] in _PHONE_ABBREVIATIONS
    first, second = hit.after[:1], hit.after[1:2]
    if (
        first.isdigit()
        or (first in ("-", ".", "/", ":", "–") and second.isdigit())
        or (first == "-" and second.isalpha())
    ):
        return False
    if hit.value[3:4] == " " and hit.before[-1:] == " " and hit.before[-2:-1].isdigit():
        return False  # numbers in a row
    if first == " " and _in_pairs(hit.value) and re.match(r" \d\d\b", hit.after):
        return False
    return not _names_a_thing(hit.before)


def _hangs_on(before: str) -> bool:
    """Whether a number is the rest of something longer: of a name, a fraction, a dump of bytes, a card."""
    last, previous = before[-1:], before[-2:-1]
    if last.isalnum() or last in ("+", "_", "."):
        return True
    if (last in ("-", "–") and previous.isalnum()) or (last in (":", "/", ",") and previous.isdigit()):
        return True
    if last not in (" ", "-") or not (previous.isdigit() or before[-3:-2].isdigit()):
        return False
    return re.search(r"\b(?:\d[0-9a-f]|[a-f]\d) \Z|\d{3,4}[ -]\d{4}[ -]\Z", before[-12:]) is not None


def _in_pairs(value: str) -> bool:
    """Whether digits come two by two, as in French numbers, but also in dumps of bytes and in draws of a lottery."""
    return re.fullmatch(r"\d\d(?:\D\d\d)+", value) is not None


def is_named_phone(hit: Hit) -> bool:
    """Whether the digits behind a word such as "phone" can be a phone's."""
    digits = digits_of(hit.value)
    if not 7 <= len(digits) <= 15 or re.match(_DATE, hit.value) or hit.after[:1] == ":":
        return False
    lead = hit.text[: len(hit.text) - len(hit.value)].lower()
    if re.match(r"(?:\\\\[nrt])?(?:contact|kontakt|номер)(?! [mhut])", lead):
        # So are orders and people in a file: only what is written like a phone's.
        return hit.value[0] in "+0(" or (len(digits) == 11 and digits[0] in "78")
    # "call 12345678" may be the call of a tool: people write the number in groups.
    return lead not in _VERBS or (len(digits) >= 9 and not hit.value.isdecimal())


def _word_before(before: str) -> tuple[str, str]:
    """The last word in front of something, in lower case, and what stands between."""
    stem = before.rstrip(_BETWEEN)
    gap = before[len(stem) :]
    if len(gap) > 4:
        return "", gap
    return stem[len(stem.rstrip(_LETTERS)) :].lower(), gap


def _names_a_thing(before: str) -> bool:
    """Whether the words in front say that a number is one of an order, an invoice, a part."""
    word, gap = _word_before(before)
    if gap.endswith(("#", "№")):
        return word not in _PHONE_ABBREVIATIONS
    if word in _NUMBER_WORDS:
        word = _word_before(before[: len(before) - len(gap) - len(word)].rstrip("_"))[0]
    return word in _THINGS


def is_address_v4(hit: Hit) -> bool:
    """Tell an address from a version, which is written the same way.

    More or fewer than four parts, one above 255, or one with a leading zero: a version. Else the words around decide:
    `version 1.2.3.4`, `Chrome/120.0.0.0` and `==1.2.3.4` are versions; `host 1.2.3.4`, `1.2.3.4:80`, `1.2.3.4/24` and
    `http://1.2.3.4` are addresses. Without such words, private and loopback ranges and four equal parts are addresses,
    and so is what begins with 30 or more or has any part of 64 or more, for versions rarely count that high.
    """
    parts = hit.value.split(".")
    if len(parts) != 4 or any(len(part) > 1 and part[0] == "0" for part in parts):
        return False
    octets = [int(part) for part in parts]
    if max(octets) > 255 or _is_part_of_a_name(hit):
        return False
    word = _word_before(hit.before)[0]
    if word in _VERSION_WORDS or (word == "is" and "version" in hit.before.lower()):
        return False
    if (
        word in _ADDRESS_WORDS
        or hit.before.endswith("://")
        or (hit.after[:1] in (":", "/") and hit.after[1:2].isdigit())
    ):
        return True
    if word in _WEAK_ADDRESS_WORDS and not any(near in hit.before.lower() for near in _VERSION_NEAR):
        return True
    if octets[0] < 30 and octets[0] != 10 and octets[1:3] == [0, 0]:
        return False
    return (
        _is_private(octets) or len(set(octets)) == 1 or octets[0] >= 30 or (max(octets) >= 64 and octets[2:] != [0, 0])
    )


def _is_part_of_a_name(hit: Hit) -> bool:
    """Whether dotted numbers belong to what they touch: `lib-1.2.3.4.tar.gz`, `Chrome/1.2.3.4`, `x>=1.2.3.4`."""
    before, after = hit.before, hit.after
    if before.rstrip(" ").endswith(_REQUIREMENTS) and not before.endswith("://"):
        return True
    last, previous = before[-1:], before[-2:-1]
    if (last in (".", "_") and (previous.isalnum() or previous == ".")) or (last in ("-", "/") and previous.isalpha()):
        return True
    if after[:1] in ("-", "+", "_") and after[1:2].isalpha():
        return True
    return after[:1] == "." and (after[1:2].isalnum() or after[1:2] == "*")


def _is_private(octets: list[int]) -> bool:
    first, second = octets[:2]
    return first in (10, 127) or (first, second) in ((192, 168), (169, 254)) or (first == 172 and 16 <= second < 32)


def is_address_in_name(value: str) -> bool:
    """Whether four numbers in the name of a host are an address."""
    return all(int(part) < 256 for part in value.split("-"))


def is_address_v6(hit: Hit) -> bool:
    """Whether it parses, and is no slice of Python such as `rows[2000::2]`."""
    from ipaddress import IPv6Address  # only here: it is slow to import

    if re.search(r"[\w:]\Z|[\w)\]]\[\Z", hit.before):
        return False
    try:
        IPv6Address(hit.value)
    except ValueError:
        return False
    return True
