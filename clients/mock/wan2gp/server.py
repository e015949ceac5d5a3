"""A mock WanGP (Wan2GP): its web UI over Gradio, which generates one task at a time and makes real files.

Facts: recordings of v12.60 (tests/recordings/wan2gp), which the tests compare it with. The MCP server of the same
program is ``MockWan2GPMCP``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

from ..gradio.app import App, Component, Dependency, GradioError, update
from ..gradio.config import describe_dependency
from ..gradio.events import Call, Event, make_event
from ..gradio.messages import Message
from ..gradio.server import MockGradio
from ..http.responses import Response
from .generation_task import Command, TaskRunner
from .queue_file import parse_tasks
from .session import Session, final_outputs, gallery_outputs, preview_html, queue_html, stamp
from .task import Output, Refused
from .ui_config import LOAD_BUTTON, STATE, make_wangp_app, stem_of

POLL_S = 0.5
KEPT_FILES = 5
RESTART_S = 1.0
NOT_WANGP = App([Component(1, "textbox", "text")], [Dependency(0, "greet", None, (1,), (1,))], title="Another program")
GRADIO_VERSIONS = {"12": "5.29.0", "9": "5.29.0", "6": "5.23.0"}
"""Main version of WanGP -> the Gradio that it pins."""


class MockWan2GP(MockGradio):
    """WanGP's web UI. ``version`` is ``12.60``, ``9.44`` or ``6.7`` (the last two cannot abort by client id); ``shift``
    is added to the number of every function and component, on which no client may rely. A task sends ``previews``
    previews of its picture.

    ``outputs`` are the names of the output files, in order.
    """

    name = "wan2gp"

    def __init__(self, *, version: str = "12.60", shift: int = 0, previews: int = 4, **options: Any) -> None:
        main = version.partition(".")[0]
        if main not in GRADIO_VERSIONS:
            raise ValueError(f"no mock of WanGP {version}: there are 12.60, 9.44 and 6.7")
        self.wangp_version = version
        self.shift = shift
        self.previews = previews
        self.outputs: list[str] = []
        self._gpu = threading.Lock()
        self._names = threading.Lock()
        self._runners: list[TaskRunner] = []
        super().__init__(version=GRADIO_VERSIONS[main], **options)
        self._without_chain = self._make(chain=False)

    def make_app(self) -> App:
        return self._make(chain=True)

    def _make(self, *, chain: bool) -> App:
        functions = {
            name: getattr(self, f"do_{name}")
            for name in (
                "load_queue_action",
                "init_process_queue_if_any",
                "activate_status",
                "process_tasks",
                "refresh_status_async",
                "refresh_gallery",
                "refresh_preview",
                "finalize_generation",
                "finalize_generation_with_state",
                "abort_generation",
                "unload_model_if_needed",
            )
        }
        newest = self.wangp_version.startswith("12.")
        return make_wangp_app(functions, Session, self.wangp_version, shift=self.shift, client_ids=newest, chain=chain)

    def on_stop(self) -> None:
        super().on_stop()
        runners, self._runners = self._runners, []
        for runner in runners:
            runner.join(0.5)

    # Faults of /config and of the queue

    def config(self) -> Message:
        if self.faults.take("not_wangp") is not None:
            return {**super().config(), "title": NOT_WANGP.title, "components": [], "dependencies": []}
        if self.faults.take("no_chain") is not None:
            known = self._without_chain.dependencies.values()
            return {**super().config(), "dependencies": [describe_dependency(each, self.dialect) for each in known]}
        return super().config()

    def _push(self, event: Event) -> Response:
        name = stem_of(event.dependency.api_name or "")
        if name == "refresh_status_async" and self.faults.take("status_slot_taken") is not None:
            self.take_status_slot(event.dependency)
        return super()._push(event)

    def take_status_slot(self, dependency: Dependency) -> None:
        """Let another session take the only place of the status function, and keep it."""
        session = "another-session"
        other = self.app.state(session, STATE + 2 * self.shift)
        other.status_shown = True
        self.queue.push(make_event(dependency, session, [None]))

    # Loading

    def do_load_queue_action(self, call: Call, file: Any, session: Session) -> Any:
        ignored = self.faults.take("load_ignored") is not None
        if ignored or call.trigger_id != LOAD_BUTTON + 2 * self.shift:
            return None  # without the button's trigger id, the real function only initialises a page
        try:
            refused = self.faults.take("load_refused")
            if refused is not None:
                raise Refused(str(refused.value or "You must provide a Control Video"))
            name = str(file.get("orig_name") or file.get("path")) if isinstance(file, dict) else ""
            tasks = parse_tasks(name, call.read(file), session.loaded + 1)
        except (Refused, ValueError) as error:
            call.warning(f"Failed to load queue: {error}")
        else:
            session.queue += tasks
            session.loaded += len(tasks)
            call.info(f"Loaded {len(tasks)} task(s)")
        return update(value=queue_html(session.queue))

    def do_init_process_queue_if_any(self, call: Call, session: Session) -> Any:
        session.validated = bool(session.queue)
        return [update(visible=not session.validated), *(update(visible=session.validated) for _ in range(2))]

    def do_activate_status(self, call: Call, session: Session) -> Any:
        if not session.validated:
            return ""
        session.status_shown = True
        return stamp()

    # Generating

    def do_process_tasks(self, call: Call, session: Session) -> Iterator[Any]:
        if session.stale:
            session.queue.pop(0)
        if not session.queue:
            session.status_shown = False
            yield update(), update(), update()
            return
        del session.files[:-KEPT_FILES]
        session.begin()
        yield stamp(), stamp(), update()
        whole, aborted, begun = len(session.queue), False, time.monotonic()

        def position() -> str:
            return f"Prompt {whole - len(session.queue) + 1}/{whole}" if whole > 1 else ""

        while session.queue:
            aborted = yield from self._run_first(call, session, position)
            if session.queue:
                session.queue.pop(0)
        spent = f"Total Generation Time: {time.monotonic() - begun:.1f}s"
        session.status = f"Video generation was aborted. {spent}" if aborted else spent
        session.status_shown = False

    def _run_first(self, call: Call, session: Session, position: Callable[[], str]) -> Generator[Any, None, bool]:
        """Run the first task; return True if it was aborted."""
        runner = TaskRunner(session.queue[0], self._gpu, self.clock, self.faults, position, previews=self.previews)
        runner.on_output = lambda output: self._store_output(session, output)
        session.runner = session.latest = runner
        if session.abort_asked:
            session.abort_asked = False
            runner.abort()
        self._runners = [*self._runners[-99:], runner.start()]
        while True:
            command = runner.commands.get()
            if command.kind == "end":
                session.runner = None
                if command.data:
                    session.status, session.fresh = "Video Generation Aborted", True
                    yield stamp(), stamp(), update()
                return bool(command.data)
            if command.kind == "restart":
                session.status_shown = False
                self._restart()
            yield from self._handle(call, session, command)

    def _handle(self, call: Call, session: Session, command: Command) -> Iterator[Any]:
        if command.kind == "status":
            session.status = command.data
        elif command.kind == "progress":
            session.progress = command.data
        elif command.kind == "preview":
            session.preview = command.data
            yield stamp(), update(), update()
        elif command.kind == "output":
            session.preview = None
            yield stamp(), stamp(), update()
        elif command.kind == "error":
            session.queue.clear()
            session.status_shown = False
            session.runner = None
            call.info("Error Queue autosaved successfully to error_queue.zip")
            raise GradioError(command.data, duration=0)

    def _store_output(self, session: Session, output: Output) -> None:
        """Store an output file: in the session's gallery, and under outputs/."""
        with self._names:
            name = f"{output.stem}{output.ending}"
            count = 1
            while name in self.outputs:
                count += 1
                name = f"{output.stem}({count}){output.ending}"
            self.outputs.append(name)
        file_data = self.files.file_data(name, output.data, output.media_type, sized=False)
        self.files.put(f"outputs/{name}", output.data)
        session.files.append((output, file_data))
        session.fresh = True

    def _restart(self) -> None:
        """Simulate a crash and restart: every session, queue and connection is lost."""
        self.go_down(self.clock.seconds(RESTART_S))
        self.queue.stop()
        self.app.forget_sessions()

    # Status, gallery and preview

    def do_refresh_status_async(self, call: Call, session: Session) -> Iterator[Any]:
        sent = ""
        while True:
            if session.progress is not None:
                index, length, text = session.progress
                session.progress = None
                if length is None:
                    call.progress(0.0, text)
                else:
                    call.progress((index, length), text)
            if session.status != sent:
                sent = session.status
                yield sent
            if not session.status_shown or self.clock.wait(POLL_S):
                return

    def do_refresh_gallery(self, call: Call, session: Session) -> Any:
        return gallery_outputs(session)

    def do_refresh_preview(self, call: Call, session: Session) -> Any:
        return preview_html(session.preview)

    # Ending

    def do_finalize_generation(self, call: Call, session: Session) -> Any:
        session.in_progress = False
        session.preview = None
        self.clock.wait(0.2)
        return final_outputs(session)

    def do_finalize_generation_with_state(self, call: Call, session: Session) -> Any:
        return [*self.do_finalize_generation(call, session), update(open=False), session]

    def do_abort_generation(self, call: Call, session: Session, client_id: Any = None) -> Any:
        task = session.queue[0] if session.queue else None
        if isinstance(client_id, str) and client_id and (task is None or task.client_id != client_id):
            session.queue[1:] = [each for each in session.queue[1:] if each.client_id != client_id]
            return update(), update(value=queue_html(session.queue))
        if session.runner is None and not (session.in_progress and session.queue):
            return update(interactive=True), update()
        call.info("Processing Request to abort Current Generation")
        if session.runner is None:
            session.abort_asked = True
        else:
            session.runner.abort()
        return update(interactive=False), update()

    def do_unload_model_if_needed(self, call: Call, session: Session) -> Any:
        return None
