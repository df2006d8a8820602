from llmdvfs.records.counted import counted


def test_one_is_singular_and_all_else_plural() -> None:
    """A verdict of one launch said `with 1 launches`."""
    assert [counted(number, "launch") for number in (0, 1, 2)] == ["0 launches", "1 launch", "2 launches"]
    assert [counted(number, "server start") for number in (1, 3)] == ["1 server start", "3 server starts"]
