"""What is generated from public formats is found, whatever stands around it; numbers of things are kept."""

import base64
import random
import string
import uuid

from hypothesis import given, settings
from hypothesis import strategies as st

from botanu_core.privacy import Scrubber

SCRUBBER = Scrubber()
CASES = 300

AROUND = st.sampled_from(
    [
        ("", ""),
        ("The customer wrote ", " yesterday."),
        ('{"note": "', '", "n": 1}'),
        ('{\\"note\\": \\"', '\\"}'),
        ("2024-01-15T10:30:00Z INFO got ", "\n"),
        ("see\\n", "\\nand go on"),
        ("- ", "\r\n- next"),
        ("<td>", "</td>"),
        ("https://shop.example/?q=", "&page=2"),
        ("(", ")"),
        ("`", "`"),
        ("**", "**"),
        ("x = '", "'"),
        ("a\t", "\tb"),
        ("客户说：", "。谢谢"),
        ("Клиент: ", ", спасибо"),
        ("> ", ""),
        ("[", "]"),
        ("key|", "|"),
        ("«", "»"),
    ]
)


def digit(body: str) -> str:
    """The Luhn check digit. Source: ISO/IEC 7812-1, annex B."""
    total = sum(sum(divmod(int(one) * (2 - place % 2), 10)) for place, one in enumerate(reversed(body)))
    return str(-total % 10)


@st.composite
def cards(draw) -> str:
    """Numbers of the great issuers, written in groups or not."""
    prefix, length = draw(
        st.sampled_from(
            [("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("34", 15), ("37", 15), ("6011", 16), ("65", 16),
             ("3528", 16), ("36", 14), ("62", 16), ("4", 13)]
        )
    )  # fmt: skip
    size = length - len(prefix) - 1
    body = prefix + draw(st.text(string.digits, min_size=size, max_size=size))
    number = body + digit(body)
    gap = draw(st.sampled_from(["", " ", "-", "\u00a0", "."]))
    if length == 13:
        # An EAN of thirteen digits that begins with a 4 may have a card's check digit as well; it is left.
        ean = (sum(map(int, number[::2])) + 3 * sum(map(int, number[1::2]))) % 10 == 0
        return "4222222222222" if ean else number
    if length == 15:
        return gap.join((number[:4], number[4:10], number[10:]))
    return gap.join(number[place : place + 4] for place in range(0, length, 4)) if length == 16 else number


@st.composite
def ibans(draw) -> str:
    """Accounts of some countries, with their check digits. Source: ISO 13616."""
    country, shape = draw(
        st.sampled_from(
            [("DE", "18d"), ("FR", "10d 11c 2d"), ("GB", "4a 14d"), ("NL", "4a 10d"), ("ES", "20d"), ("NO", "11d"),
             ("IT", "1a 10d 12c"), ("CH", "5d 12c"), ("AT", "16d"), ("BE", "12d"), ("PL", "24d"), ("MT", "4a 5d 18c")]
        )
    )  # fmt: skip
    alphabets = {"d": string.digits, "a": string.ascii_uppercase, "c": string.digits + string.ascii_uppercase}
    parts = [(alphabets[part[-1]], int(part[:-1])) for part in shape.split()]
    body = "".join(draw(st.text(alphabet, min_size=size, max_size=size)) for alphabet, size in parts)
    check = 98 - int("".join(str(int(one, 36)) for one in body + country + "00")) % 97
    number = f"{country}{check:02}{body}"
    if draw(st.booleans()):
        number = " ".join(number[place : place + 4] for place in range(0, len(number), 4))
    return number.lower() if draw(st.booleans()) else number


NAMES = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12)
EMAILS = st.builds(
    lambda local, more, host, tld: f"{local}{more}@{host}.{tld}",
    NAMES,
    st.sampled_from(["", ".doe", "_x", "+tag", "-1"]),
    st.sampled_from(["example", "mail.example", "my-company", "bücher", "x1"]),
    st.sampled_from(["com", "de", "co.uk", "io", "travel", "xn--p1ai"]),
)
PHONES = st.builds(
    lambda code, gap, groups: "+" + gap.join([code, *groups]),
    st.sampled_from(["44", "49", "33", "34", "39", "31", "46", "91", "61", "55", "81", "86"]),
    st.sampled_from([" ", "-", "", "\u00a0", "."]),
    st.tuples(
        st.from_regex(r"[1-9][0-9]{2}", fullmatch=True),
        st.from_regex(r"[0-9]{3}", fullmatch=True),
        st.from_regex(r"[0-9]{3}", fullmatch=True),
    ),
)
LETTERS = string.ascii_letters + string.digits


def token(prefix: str, size: int, alphabet: str = LETTERS) -> st.SearchStrategy[str]:
    """Random, as keys are: hypothesis likes `000…`, which no vendor gives out."""
    return st.integers(0, 2**32).map(lambda seed: prefix + "".join(random.Random(seed).choices(alphabet, k=size)))


UPPER = string.ascii_uppercase + string.digits
TOKENS = st.one_of(
    token("AKIA", 16, UPPER),
    token("ASIA", 16, UPPER),
    token("AIza", 35),
    token("ghp_", 36),
    token("ghs_", 36),
    token("github_pat_", 60),
    token("glpat-", 20),
    token("xoxb-123456789012-", 24),
    token("sk_live_", 24),
    token("rk_test_", 24),
    token("sk-proj-", 48),
    token("sk-svcacct-", 48),
    token("sk-ant-api03-", 80),
    token("hf_", 34),
    token("npm_", 36),
    token("pypi-AgEIcHlwaS5vcmc", 80),
    token("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOi", 20).map(lambda head: f"{head}.c2lnbmF0dXJlMTIz"),
)
SECRET = token("", 12).filter(lambda text: any(map(str.isdigit, text)) and any(map(str.isalpha, text)))
NAMED = st.builds(
    str.format,
    st.sampled_from(
        [
            "password={}", '"password": "{}"', "DB_PASSWORD={}", "client_secret: {}", "x-api-key: {}",
            "access_token={}", "Authorization: Bearer {}", "Cookie: sid={}", "postgres://app:{}@db/app",
            "--password {}", "apiKey: '{}'", "AWS_SECRET_ACCESS_KEY={}", "AccountKey={};", "<password>{}</password>",
        ]
    ),
    SECRET,
)  # fmt: skip
ADDRESSES = st.one_of(
    st.ip_addresses(v=4, network="198.51.100.0/24"),
    st.ip_addresses(v=4, network="10.0.0.0/8"),
    st.ip_addresses(v=6, network="2001:db8::/32"),
    st.ip_addresses(v=6, network="fd00::/8"),
).map(str)


def check(text: str, around: tuple[str, str]) -> None:
    before, after = around
    scrubbed = SCRUBBER.scrub(before + text + after)
    assert text not in scrubbed
    assert SCRUBBER.scrub(scrubbed) == scrubbed


@given(EMAILS, AROUND)
@settings(max_examples=CASES, deadline=None)
def test_an_address_is_found(text, around):
    """Whatever stands around it."""
    check(text, around)


@given(cards(), AROUND)
@settings(max_examples=CASES, deadline=None)
def test_a_card_is_found(text, around):
    """With the right check digit."""
    check(text, around)


@given(ibans(), AROUND)
@settings(max_examples=CASES, deadline=None)
def test_an_account_is_found(text, around):
    """With the right check digits, in groups or not, in either case."""
    check(text, around)


@given(PHONES, AROUND)
@settings(max_examples=CASES, deadline=None)
def test_a_phone_is_found(text, around):
    """In international form."""
    check(text, around)


@given(ADDRESSES, AROUND)
@settings(max_examples=CASES, deadline=None)
def test_an_address_of_a_machine_is_found(text, around):
    """Of either version."""
    check(text, around)


@given(TOKENS, AROUND)
@settings(max_examples=CASES, deadline=None)
def test_a_key_is_found(text, around):
    """By its prefix."""
    check(text, around)


@given(NAMED, AROUND)
@settings(max_examples=CASES, deadline=None)
def test_a_value_under_a_name_is_found(text, around):
    """By the name."""
    check(text, around)


def test_numbers_of_things_are_kept():
    """Orders, times, snowflakes, hashes, uuids, prices, versions, dates: at most one of a hundred is changed."""
    chance = random.Random(20240115)
    make = [
        lambda: f"order {chance.randrange(10**9, 10**10)}",
        lambda: f'{{"order_id": {chance.randrange(10**7, 10**12)}}}',
        lambda: f"ts={chance.randrange(1_600_000_000, 1_900_000_000)}",
        lambda: f"at {chance.randrange(1_600_000_000_000, 1_900_000_000_000)} ms",
        lambda: str(chance.randrange(10**17, 9 * 10**17)),
        lambda: chance.randbytes(20).hex(),
        lambda: f"sha256:{chance.randbytes(32).hex()}",
        lambda: str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        lambda: f"${chance.randrange(10**6):,}.{chance.randrange(100):02}",
        lambda: f"v{chance.randrange(30)}.{chance.randrange(60)}.{chance.randrange(60)}.{chance.randrange(60)}",
        lambda: f"20{chance.randrange(10, 40)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}",
        lambda: f"{chance.uniform(-90, 90):.6f}, {chance.uniform(-180, 180):.6f}",
        lambda: base64.b64encode(chance.randbytes(30)).decode(),
        lambda: f"SKU-{chance.randrange(10**4):04}-{chance.randrange(10**4):04}",
        lambda: f"#{chance.randrange(1 << 24):06x}",
        lambda: f"{chance.randbytes(4).hex()[:7]} mend the build",
        lambda: f"INV-{chance.randrange(2015, 2030)}-{chance.randrange(10**6):06}",
        lambda: f"took {chance.randrange(10**6)} ms, {chance.randrange(10**5)} tokens",
        lambda: f"ISBN 978-{chance.randrange(10)}-{chance.randrange(10**4):04}-{chance.randrange(10**4):04}-7",
        lambda: f"{chance.randrange(100, 1000)} {chance.randrange(100, 1000)} units",
    ]
    texts = [make[number % len(make)]() for number in range(4000)]
    changed = [text for text in texts if SCRUBBER.scrub(text) != text]
    assert len(changed) <= len(texts) // 100, changed[:40]
