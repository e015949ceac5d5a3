"""The terminal command, ``blender -b film.blend --command movie_director VERB``; its exit status tells the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import bpy

from ..blender import generation, session, words
from ..blender.interrupts import Interrupted
from ..clients.errors import BackendError
from ..clients.registry import BACKENDS
from . import media_verbs, verbs, writing_verbs
from .blocking import wait_for_probe, wait_for_recovery
from .reporting import say
from .verbs import FAILED, INTERRUPTED, OK, USAGE

if TYPE_CHECKING:
    import argparse

NAME = "movie_director"

_handle: Any = None


def register() -> None:
    """Add the command."""
    global _handle
    _handle = bpy.utils.register_cli_command(NAME, run)


def unregister() -> None:
    """Take it out."""
    global _handle
    if _handle is not None:
        bpy.utils.unregister_cli_command(_handle)
        _handle = None


def run(arguments: Sequence[str]) -> int:
    """Do what the arguments say and return the exit status: 0 done, 1 failed, 2 wrong usage, 130 ended by Ctrl-C."""
    try:
        options = parser().parse_args(arguments)
    except SystemExit as ending:  # argparse has printed the usage
        return OK if ending.code in (0, None) else USAGE
    verb: Callable[[argparse.Namespace], int] = options.verb
    try:
        return verb(options)
    except BackendError as error:
        say(f"Error: {words.error_words(error)}", error=True)
        return FAILED
    except Interrupted:
        say("Cancelled.", error=True)
        return INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    import argparse

    top = argparse.ArgumentParser(
        prog=f"blender -b [film.blend] --command {NAME}", description="Generate with local AI, without a window."
    )
    parsers = top.add_subparsers(required=True, metavar="VERB")
    _add_generate(parsers)
    media_verbs.add(parsers)
    writing_verbs.add(parsers)

    test = parsers.add_parser("test-connection", help="ask a server who it is")
    test.add_argument("backend", choices=sorted(BACKENDS))
    test.add_argument("--demo", action="store_true", help="ask the stand-in inside Blender")
    test.set_defaults(verb=test_connection)

    listing = parsers.add_parser("jobs", help="join the unfinished jobs of an earlier Blender and list them")
    listing.set_defaults(verb=list_jobs)

    recover = parsers.add_parser(
        "recover", help="join the unfinished jobs of an earlier Blender and fetch their results"
    )
    recover.add_argument("--timeout", type=float, default=None, metavar="SECONDS", help="wait no longer than this")
    recover.set_defaults(verb=recover_jobs)
    return top


def _add_generate(parsers: Any) -> None:
    generate = parsers.add_parser("generate-image", help="generate an image and put it into the film")
    generate.add_argument("--prompt", help="what to see; default: the scene's")
    generate.add_argument("--avoid", help="what not to see")
    generate.add_argument("--seed", help="0 to 18446744073709551615; default: the scene's if locked, else a new one")
    generate.add_argument("--steps", type=int)
    start = generate.add_mutually_exclusive_group()
    start.add_argument("--camera", action="store_true", help="start from what the scene's camera sees")
    start.add_argument("--image", metavar="FILE", help="start from an image file")
    generate.add_argument("--workflow", metavar="FILE", help="a ComfyUI workflow exported with 'Export (API)'")
    verbs.add_common(generate)
    generate.set_defaults(verb=generate_image)


def generate_image(options: argparse.Namespace) -> int:
    """``generate-image``: generate, place, and save if asked to."""
    verbs.use(options)
    return verbs.finish(options, generation.submit_image(bpy.context, _overrides(options)))


def _overrides(options: argparse.Namespace) -> dict[str, Any]:
    return verbs.chosen(
        prompt=options.prompt,
        negative_prompt=options.avoid,
        seed=options.seed,
        steps=options.steps,
        input_source="CAMERA" if options.camera else "FILE" if options.image else None,
        input_image=options.image,
        workflow=options.workflow,
    )


def test_connection(options: argparse.Namespace) -> int:
    """``test-connection``: ask a server who it is."""
    verbs.use(options)
    answer = session.probe(options.backend)
    wait_for_probe(answer, options.backend)
    if answer.error is not None:
        raise answer.error
    if answer.info is not None:
        say(words.server_words(BACKENDS[options.backend].label, answer.info))
    return OK


def list_jobs(_options: argparse.Namespace) -> int:
    """``jobs``: list the jobs that were left unfinished, without waiting for them."""
    session.recover()
    count = len(wait_for_recovery())
    for view in session.jobs():
        say(f"{view.id}  {view.backend}  {words.job_line(view)}")
    say(f"{count} unfinished")
    return OK


def recover_jobs(options: argparse.Namespace) -> int:
    """``recover``: fetch the results of jobs that were left unfinished; fails if one of them is lost."""
    from ..blender import pump

    session.recover()
    if not wait_for_recovery():
        say("No unfinished jobs were found.")
        return OK
    finished = pump.pump_until(lambda: all(view.status.state.ended for view in session.jobs()), options.timeout)
    pump.tick(patient=False)
    lost = 0
    for view in session.jobs():
        lost += view.status.state.value != "succeeded"
        say(_outcome(view))
    return OK if finished and not lost else FAILED


def _outcome(view: Any) -> str:
    placement = session.board.placements.get(view.id)
    if placement is not None:
        return f"{view.id}  {', '.join(str(artifact.path) for artifact in placement.result.artifacts)}"
    error = view.status.error
    return f"{view.id}  {words.error_words(error) if error else words.status_words(view.status)}"
