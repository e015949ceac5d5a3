"""Why a traceback ended."""

from __future__ import annotations

from movie_director.clients.rvc.errors import last_line


def test_the_last_line_of_a_traceback_says_why():
    assert last_line("Traceback:\n  File x\n\nValueError: no index\n \n") == "ValueError: no index"
    assert last_line(" \n") == ""
