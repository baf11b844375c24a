from __future__ import annotations

from marketfeed_shard.recovery.pause import MOST_S, Pause


def test_each_refusal_that_follows_doubles_the_pause_up_to_a_bound() -> None:
    pause, now_s, lengths = Pause(2.0), 0.0, []
    for _ in range(10):
        pause.refused(now_s, now_s)
        lengths.append(pause.left_s(now_s))
        now_s += lengths[-1]
    assert lengths == [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, MOST_S, MOST_S]


def test_what_went_out_together_is_refused_once() -> None:
    pause = Pause(2.0)
    pause.refused(0.0, 1.0)
    pause.refused(0.5, 1.5)
    assert pause.left_s(1.5) == 1.5


def test_an_answer_ends_the_doubling_unless_its_call_went_out_before_the_pause() -> None:
    pause = Pause(2.0)
    pause.refused(0.0, 0.0)
    pause.passed(0.0)
    pause.refused(2.0, 2.0)
    assert pause.left_s(2.0) == 4.0
    pause.passed(6.0)
    pause.refused(7.0, 7.0)
    assert pause.left_s(7.0) == 2.0
