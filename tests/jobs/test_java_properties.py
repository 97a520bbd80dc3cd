"""Java's properties, as its own documentation describes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.java_properties import PropertiesError, read_properties

LOGIN = r"""security.protocol=SASL_PLAINTEXT
sasl.mechanism=PLAIN
sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
  username="svc" \
  password="pw";
"""


def test_lines_go_on_after_a_backslash() -> None:
    found = read_properties(LOGIN)
    assert found["sasl.mechanism"] == "PLAIN"
    assert found["sasl.jaas.config"] == (
        'org.apache.kafka.common.security.plain.PlainLoginModule required username="svc" password="pw";'
    )


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("a.b=c", "a.b", "c"),
        ("a.b:c", "a.b", "c"),
        ("a.b c", "a.b", "c"),
        ("  a.b \t=  c d ", "a.b", "c d "),
        ("a.b = = c", "a.b", "= c"),
        ("a.b=", "a.b", ""),
        (r"a\ b=c", "a b", "c"),
        (r"a\:b\=c:d", "a:b=c", "d"),
        (r"a=C\:\\store\tx", "a", "C:\\store\tx"),
        (r"a=\u00e9\u20AC", "a", "é€"),
        (r"a=\ud83d\ude00", "a", "😀"),
        (r"a=p\q", "a", "pq"),
        ("a=b # c", "a", "b # c"),
        ('a="b"', "a", '"b"'),
    ],
)
def test_separators_blanks_and_escapes(line: str, key: str, value: str) -> None:
    assert read_properties(line) == {key: value}


def test_comments_and_blank_lines_are_nothing_and_the_last_value_counts() -> None:
    text = "# a=1\n   ! b=2 \\\n\n  \nc=3\r\nc=4\rd=\\\n  # no comment here\n"
    assert read_properties(text) == {"c": "4", "d": "# no comment here"}


def test_two_backslashes_end_a_line() -> None:
    assert read_properties("a=b\\\\\nc=d\\") == {"a": "b\\", "c": "d"}


@pytest.mark.parametrize("text", ["a=\\u12", "a=\\uxyz0", "=value", "no assignment"])
def test_what_cannot_be_read_is_named_by_its_line_and_not_repeated(text: str) -> None:
    with pytest.raises(PropertiesError, match=r"^line 2: ") as refused:
        read_properties(f"good=1\n{text}\n")
    assert "assignment" not in str(refused.value)
    assert refused.value.line == 2


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=5))
def test_whatever_is_escaped_comes_back(wanted: dict[str, str]) -> None:
    def escaped(text: str) -> str:
        units = text.encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))

    assert read_properties("\n".join(f"{escaped(key)}={escaped(value)}" for key, value in wanted.items())) == wanted
