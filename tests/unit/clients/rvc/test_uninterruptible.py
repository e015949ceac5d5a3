"""A call that its job lets go of."""

from __future__ import annotations

import pytest
from support.waiting import HANG_GUARD_S

from movie_director.clients import errors
from movie_director.clients.rvc.uninterruptible import UninterruptibleCall


class LetGo:
    """A job that is let go of as soon as it waits."""

    job_id = "1"

    def post(self, _item):
        pass

    def receive(self, _timeout_s):
        raise errors.JobDetached("let go")


def test_a_call_whose_job_is_let_go_of_is_broken_off_and_left_to_nobody():
    calls, seen = UninterruptibleCall(), []

    def call(scope):
        seen.append(scope.interrupter.wait(HANG_GUARD_S))

    with pytest.raises(errors.JobDetached):
        calls.call(LetGo(), call)
    assert seen == [True]
    assert not calls.wait_until_free(LetGo())
