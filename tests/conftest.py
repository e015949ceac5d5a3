"""What all tests share: a secret that must turn up nowhere, no thread left behind, and guards against hanging.

The suites inside Blender have this file above them too: nothing here may import the package by its plain name.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import pickle
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PLAIN = ("unit", "contract", "integration")
TEST_TIMEOUT_S = 120
THREAD_GRACE_S = 5.0
CANARY = "sk-canary-7f3a9b2c4d5e6f708192"
LONGEST_TELLING_PART = 8


def pytest_configure(config: pytest.Config) -> None:
    """Forgive the oldest supported certifi what it does on the newest Python, and a busy machine that it is slow."""
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:certifi.*")
    with contextlib.suppress(ImportError):  # the Pythons of Blender do without
        from hypothesis import HealthCheck, settings

        settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
        settings.load_profile("steady")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let no plain test hang for longer than the guard; none takes a tenth of it."""
    for item in items:
        if _is_plain(item) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT_S))


@pytest.fixture(autouse=True)
def _no_thread_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a plain test that leaves a thread running."""
    before = set(threading.enumerate())
    yield
    if not _is_plain(request.node):
        return
    deadline = time.monotonic() + THREAD_GRACE_S
    for thread in set(threading.enumerate()) - before:
        thread.join(max(0.0, deadline - time.monotonic()))
    left = [thread.name for thread in set(threading.enumerate()) - before if thread.is_alive()]
    assert not left, f"threads left running: {left}"


@pytest.fixture
def canary(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[str]:
    """A secret; the test fails if it turns up in the log, down to DEBUG, or in what is printed."""
    caplog.set_level("DEBUG")
    yield CANARY
    formatter = logging.Formatter("%(name)s %(message)s")
    logged = [formatter.format(record) for phase in ("setup", "call") for record in caplog.get_records(phase)]
    assert not [line for line in logged if CANARY in line]
    printed = capfd.readouterr()
    assert CANARY not in printed.out + printed.err


@pytest.fixture
def assert_no_secret(canary: str) -> Callable[[BaseException], None]:
    """Return a check that an error tells nothing of the secret, however it is looked at."""

    def check(error: BaseException) -> None:
        views = {
            "str": str(error),
            "repr": repr(error),
            "args": repr(error.args),
            "fields": repr(vars(error)),
            "traceback": "".join(traceback.format_exception(error)),
            "pickle": pickle.dumps(error).decode("latin-1"),
            "copy": repr(vars(copy.copy(error))),
            "dict": repr(error.to_dict()) if hasattr(error, "to_dict") else "",
        }
        for view, text in views.items():
            for start in range(len(canary) - LONGEST_TELLING_PART + 1):
                part = canary[start : start + LONGEST_TELLING_PART]
                assert part not in text, f"{view} tells {part!r} of the secret"

    return check


def _is_plain(item: pytest.Item) -> bool:
    return HERE in item.path.parents and item.path.relative_to(HERE).parts[0] in PLAIN
