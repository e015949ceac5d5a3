"""What the contract tests need to know of a backend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from movie_director.clients import BACKENDS
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.core.request import Request


@dataclass(frozen=True)
class Driver:
    """One backend as the contract tests drive it: a quick request, a slow one, one that is wrong on its face.

    ``cancelled`` is what becomes of telling the backend to cancel a job that runs.
    """

    name: str
    quick: Callable[[], Request]
    slow: Callable[[], Request]
    wrong: Request
    cancelled: BackendCancel = BackendCancel.CONFIRMED

    @property
    def info(self):
        return BACKENDS[self.name]

    def __str__(self):
        return self.name
