"""A mock WanGP (Wan2GP): its web UI over Gradio, which generates one task at a time and makes real files.

Facts: recordings of v12.60 (tests/recordings/wan2gp), which the tests compare it with. The MCP server of the same
program is :class:`.wan2gp_mcp.MockWan2GPMCP`.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

from ..gradio.app import App, Call, Component, Dependency, GradioError, update
from ..gradio.config import dependency
from ..gradio.messages import Message
from ..gradio.queue import Event, new_event
from ..gradio.server import MockGradio
from ..http.responses import Response
from .generation_task import Command, Work
from .queue_file import tasks_in
from .session import Session, final_outputs, gallery_outputs, preview_html, queue_html, stamp
from .task import Output, Refused
from .ui_config import LOAD_BUTTON, STATE, stem_of, wangp_app

POLL_S = 0.5
KEPT_FILES = 5
RESTART_S = 1.0
NOT_WANGP = App([Component(1, "textbox", "text")], [Dependency(0, "greet", None, (1,), (1,))], title="Another program")
GRADIO_VERSIONS = {"12": "5.29.0", "9": "5.29.0", "6": "5.23.0"}
"""Main version of WanGP -> the Gradio that it pins."""


class MockWan2GP(MockGradio):
    """WanGP's web UI. ``version`` is ``12.60``, ``9.44`` or ``6.7`` (the last two cannot abort by client id); ``shift``
    is added to the number of every function and component, which no client may know. A task shows ``previews`` previews
    of its picture.

    ``outputs`` are the names of the files made, in order.
    """

    name = "wan2gp"

    def __init__(self, *, version: str = "12.60", shift: int = 0, previews: int = 4, **given: Any) -> None:
        main = version.partition(".")[0]
        if main not in GRADIO_VERSIONS:
            raise ValueError(f"no mock of WanGP {version}: there are 12.60, 9.44 and 6.7")
        self.wangp_version = version
        self.shift = shift
        self.previews = previews
        self.outputs: list[str] = []
        self._gpu = threading.Lock()
        self._names = threading.Lock()
        self._works: list[Work] = []
        super().__init__(version=GRADIO_VERSIONS[main], **given)
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
                "clear_queue_action",
                "early_stop_generation",
                "unload_model_if_needed",
            )
        }
        newest = self.wangp_version.startswith("12.")
        return wangp_app(functions, Session, self.wangp_version, shift=self.shift, client_ids=newest, chain=chain)

    def on_stop(self) -> None:
        super().on_stop()
        works, self._works = self._works, []
        for work in works:
            work.join(0.5)

    # What faults make of /config and of joining

    def config(self) -> Message:
        if self.faults.take("not_wangp") is not None:
            return {**super().config(), "title": NOT_WANGP.title, "components": [], "dependencies": []}
        if self.faults.take("no_chain") is not None:
            known = self._without_chain.dependencies.values()
            return {**super().config(), "dependencies": [dependency(each, self.dialect) for each in known]}
        return super().config()

    def _push(self, event: Event) -> Response:
        name = stem_of(event.dependency.api_name or "")
        if name == "refresh_status_async" and self.faults.take("status_slot_taken") is not None:
            self.take_status_slot(event.dependency)
        return super()._push(event)

    def take_status_slot(self, dependency: Dependency) -> None:
        """Lets another session have the only place of the status function, and keep it."""
        session = "another-session"
        other = self.app.state(session, STATE + 2 * self.shift)
        other.status_shown = True
        self.queue.push(new_event(dependency, session, [None]))

    # Loading

    def do_load_queue_action(self, call: Call, file: Any, session: Session) -> Any:
        ignored = self.faults.take("load_ignored") is not None
        if ignored or call.trigger_id != LOAD_BUTTON + 2 * self.shift:
            return None  # the program takes the call for that of a page being opened
        try:
            refused = self.faults.take("load_refused")
            if refused is not None:
                raise Refused(str(refused.value or "You must provide a Control Video"))
            name = str(file.get("orig_name") or file.get("path")) if isinstance(file, dict) else ""
            tasks = tasks_in(name, call.read(file), session.loaded + 1)
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
            aborted = yield from self._one(call, session, position)
            if session.queue:
                session.queue.pop(0)
        spent = f"Total Generation Time: {time.monotonic() - begun:.1f}s"
        session.status = f"Video generation was aborted. {spent}" if aborted else spent
        session.status_shown = False

    def _one(self, call: Call, session: Session, position: Callable[[], str]) -> Generator[Any, None, bool]:
        """Runs the first task; returns whether it was aborted."""
        work = Work(session.queue[0], self._gpu, self.pace, self.faults, position, previews=self.previews)
        work.on_output = lambda output: self._keep(session, output)
        session.work = session.latest = work
        if session.abort_asked:
            session.abort_asked = False
            work.abort()
        self._works = [*self._works[-99:], work.start()]
        while True:
            command = work.commands.get()
            if command.kind == "end":
                session.work = None
                if command.data:
                    session.status, session.fresh = "Video Generation Aborted", True
                    yield stamp(), stamp(), update()
                return bool(command.data)
            if command.kind == "restart":
                session.status_shown = False
                self._restart()
            yield from self._heeded(call, session, command)

    def _heeded(self, call: Call, session: Session, command: Command) -> Iterator[Any]:
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
            session.work = None
            call.info("Error Queue autosaved successfully to error_queue.zip")
            raise GradioError(command.data, duration=0)

    def _keep(self, session: Session, output: Output) -> None:
        """Saves a file: in the session's gallery, and under outputs/."""
        with self._names:
            name = f"{output.stem}{output.ending}"
            count = 1
            while name in self.outputs:
                count += 1
                name = f"{output.stem}({count}){output.ending}"
            self.outputs.append(name)
        told = self.files.file_data(name, output.data, output.media_type, sized=False)
        self.files.put(f"outputs/{name}", output.data)
        session.files.append((output, told))
        session.fresh = True

    def _restart(self) -> None:
        """What a crash of the program does: every session, queue and connection is gone."""
        self.go_down(self.pace.seconds(RESTART_S))
        self.queue.stop()
        self.app.forget_sessions()

    # Telling of it

    def do_refresh_status_async(self, call: Call, session: Session) -> Iterator[Any]:
        told = ""
        while True:
            if session.progress is not None:
                index, length, text = session.progress
                session.progress = None
                if length is None:
                    call.progress(0.0, text)
                else:
                    call.progress((index, length), text)
            if session.status != told:
                told = session.status
                yield told
            if not session.status_shown or self.pace.wait(POLL_S):
                return

    def do_refresh_gallery(self, call: Call, session: Session) -> Any:
        return gallery_outputs(session)

    def do_refresh_preview(self, call: Call, session: Session) -> Any:
        return preview_html(session.preview)

    # Ending

    def do_finalize_generation(self, call: Call, session: Session) -> Any:
        session.in_progress = False
        session.preview = None
        self.pace.wait(0.2)
        return final_outputs(session)

    def do_finalize_generation_with_state(self, call: Call, session: Session) -> Any:
        return [*self.do_finalize_generation(call, session), update(open=False), session]

    def do_abort_generation(self, call: Call, session: Session, client_id: Any = None) -> Any:
        task = session.queue[0] if session.queue else None
        if isinstance(client_id, str) and client_id and (task is None or task.client_id != client_id):
            session.queue[1:] = [each for each in session.queue[1:] if each.client_id != client_id]
            return update(), update(value=queue_html(session.queue))
        if session.work is None and not (session.in_progress and session.queue):
            return update(interactive=True), update()
        call.info("Processing Request to abort Current Generation")
        if session.work is None:
            session.abort_asked = True
        else:
            session.work.abort()
        return update(interactive=False), update()

    def do_early_stop_generation(self, call: Call, session: Session) -> Any:
        return update(interactive=False)

    def do_clear_queue_action(self, call: Call, session: Session) -> Any:
        del session.queue[1:]
        if session.work is not None:
            session.work.abort()
        return update(value=queue_html(session.queue))

    def do_unload_model_if_needed(self, call: Call, session: Session) -> Any:
        return None
