from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketfeed_shard.publishers.replies import Replies

LINES = st.lists(st.sampled_from([":0", ":1", ":12345", "-NOPERM no - such channel", "-ERR", "-OOM command"]), max_size=30)


def flat(answers: list[int | str]) -> list[str]:
    """One entry a command: a text for each that failed, else the empty text."""
    return [text for answer in answers for text in ([""] * answer if isinstance(answer, int) else [answer])]


@given(LINES, st.lists(st.integers(0, 400), max_size=10))
def test_answers_are_counted_in_order_wherever_the_socket_cuts(lines: list[str], cuts: list[int]) -> None:
    stream = "".join(f"{line}\r\n" for line in lines).encode()
    at = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    replies, answers = Replies(), []
    for begin, end in pairwise(at):
        answers += list(replies.feed(stream[begin:end]))
    assert flat(answers) == [line[1:] if line.startswith("-") else "" for line in lines]


def test_many_successes_are_one_number() -> None:
    assert list(Replies().feed(b":0\r\n:3\r\n:12\r\n")) == [3]


def test_what_is_no_answer_is_refused_where_it_is_looked_at() -> None:
    with pytest.raises(ValueError, match="no answer to PUBLISH"):
        list(Replies().feed(b"HTTP/1.1 400 Bad-Request\r\n"))
