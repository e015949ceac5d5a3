"""The verbs of the terminal command about servers and jobs: ``test-connection``, ``servers``, ``jobs``, ``recover``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..blender import commands
from ..blender.platform import formatting
from ..blender.state import runtime_ref, settings
from ..blender.state.ui_state import ui
from ..clients.registry import BACKENDS
from ..operators.blocking import wait_for_answer, wait_for_recovery
from ..operators.reporting import say
from . import base
from .base import FAILED, OK

if TYPE_CHECKING:
    import argparse

    from ..blender.state.ui_state import ConnectionTest


def add(parsers: Any) -> None:
    """Add the verbs."""
    test = parsers.add_parser("test-connection", help="test the connection to a server")
    test.add_argument("backend", choices=sorted(BACKENDS))
    test.add_argument("--demo", action="store_true", help="test the demo server inside Blender")
    test.set_defaults(verb=test_connection)

    servers = parsers.add_parser("servers", help="test the connection to every server")
    servers.add_argument("--demo", action="store_true", help="test the demo servers inside Blender")
    servers.set_defaults(verb=list_servers)

    listing = parsers.add_parser("jobs", help="list the unfinished jobs of an earlier Blender")
    listing.set_defaults(verb=list_jobs)

    recover = parsers.add_parser("recover", help="fetch the results of the unfinished jobs of an earlier Blender")
    recover.add_argument("--timeout", type=base.seconds, metavar="SECONDS", help="wait at most this long")
    base.add_strict(recover)
    recover.set_defaults(verb=recover_jobs)


def test_connection(options: argparse.Namespace) -> int:
    """``test-connection``: test the connection to a server."""
    base.use(options)
    answer = commands.probe(options.backend)
    wait_for_answer(answer, options.backend)
    if answer.error is not None:
        raise answer.error
    if answer.info is not None:
        say(formatting.server_text(BACKENDS[options.backend].label, answer.info))
    return OK


def list_servers(options: argparse.Namespace) -> int:
    """``servers``: a line for each backend, with its server's answer or what is wrong with it."""
    base.use(options)
    rows = settings.preferences().backends
    tests = {name: commands.probe(name) for name in BACKENDS}
    for name, test in tests.items():
        wait_for_answer(test, name)
        address = "demo" if options.demo else settings.server_url(name, getattr(rows, name))
        answer = f"no: {test.error.message}" if test.error is not None else _answer(name, test)
        say(f"{name:10} {address:28} {answer}")
    return OK


def _answer(name: str, test: ConnectionTest) -> str:
    assert test.info is not None
    return formatting.server_text(BACKENDS[name].label, test.info)


def list_jobs(_options: argparse.Namespace) -> int:
    """``jobs``: list the jobs that were left unfinished, without waiting for them."""
    commands.recover()
    count = len(wait_for_recovery())
    for view in runtime_ref.jobs():
        say(f"{view.id}  {view.backend}  {formatting.job_line(view)}")
    say(f"{count} unfinished")
    return OK


def recover_jobs(options: argparse.Namespace) -> int:
    """``recover``: fetch the results of jobs that were left unfinished; fails if one of them is lost.

    With ``--strict`` also if a part of a result is missing.
    """
    from ..blender.pump import pump

    commands.recover()
    if not wait_for_recovery():
        say("No unfinished jobs were found.")
        return OK
    finished = pump.pump_until(
        lambda: all(view.status.state.ended for view in runtime_ref.jobs()) and not runtime_ref.active(),
        options.timeout,
    )
    lost = incomplete = 0
    for view in runtime_ref.jobs():
        lost += view.status.state.value != "succeeded"
        say(_outcome(view))
        placement = ui.placements.get(view.id)
        incomplete += placement is not None and base.warn(placement.result)
    return OK if finished and not lost and not (options.strict and incomplete) else FAILED


def _outcome(view: Any) -> str:
    placement = ui.placements.get(view.id)
    if placement is not None:
        return f"{view.id}  {', '.join(str(artifact.path) for artifact in placement.result.artifacts)}"
    error = view.status.error
    return f"{view.id}  {formatting.error_text(error) if error else formatting.status_text(view.status)}"
