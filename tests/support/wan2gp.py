"""What the tests of the Wan2GP client share."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from movie_director.clients import Wan2GPClient, errors
from movie_director.clients.wan2gp import VideoRequest
from movie_director.clients.wan2gp.timings import Timings
from support.waiting import HANG_GUARD_S

QUICK = Timings(
    poll_s=0.01,
    busy_s=0.02,
    outage_s=5.0,
    outage_poll_s=0.05,
    silence_s=0.3,
    status_again_s=0.05,
    status_s=1.0,
    preview_s=5.0,
    gallery_s=0.05,
    gallery_first_s=0.05,
    gallery_timeout_s=2.0,
    lost_s=20.0,
)
MODEL = "t2v_1.3B"


@contextmanager
def wan2gp_clients(folder: Path):
    """Make clients of servers; all are closed at the end."""
    with ExitStack() as stack:

        def make(server, *, timings=QUICK, key=None, **options):
            running = stack.enter_context(server) if not isinstance(server, str) else None
            given = {"output_dir": folder / "out", "backoff_base_s": 0.001, "drain_timeout_s": 10.0, **options}
            client = Wan2GPClient(
                running.url if running else server,
                api_key=key,
                options=replace(Wan2GPClient.default_options, **given),
            )
            client.timings = timings
            return stack.enter_context(client)

        yield make


def clip(prompt="a paper boat", model=MODEL, **fields):
    return VideoRequest(prompt, model, **fields)


def made(client, request=None):
    """The job's result."""
    return client.submit(request or clip()).result(HANG_GUARD_S)


def failure(client, request=None, kind=errors.BackendError):
    error = client.submit(request or clip()).exception(HANG_GUARD_S)
    assert isinstance(error, kind), error
    assert error.hint
    assert error.backend == "wan2gp"
    return error
