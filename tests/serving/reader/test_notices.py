"""One subscription, many listeners."""

from serving.reader.notices import Notice, NoticeBoard


def test_only_listeners_of_the_session_are_called() -> None:
    board, heard, others = NoticeBoard(), list[Notice](), list[Notice]()
    board.listen("a", heard.append)
    board.listen("b", others.append)
    notice = Notice("a", 3, 1_000)
    board.publish(notice)
    board.publish(Notice("nobody", 1, 1))
    assert (heard, others) == ([notice], [])


def test_a_listener_that_ended_hears_nothing_and_leaves_nothing() -> None:
    board, heard = NoticeBoard(), list[Notice]()
    end_first, end_second = board.listen("a", heard.append), board.listen("a", heard.append)
    end_first()
    board.publish(Notice("a", 1, 1))
    assert len(heard) == 1
    end_second()
    board.publish(Notice("a", 2, 2))
    assert (len(heard), len(board)) == (1, 0)


def test_a_listener_may_end_itself_while_it_is_called() -> None:
    board, heard = NoticeBoard(), list[str]()
    ends = [board.listen("a", lambda notice: ends[0]()), board.listen("a", lambda notice: heard.append("second"))]
    board.publish(Notice("a", 1, 1))
    assert heard == ["second"]
