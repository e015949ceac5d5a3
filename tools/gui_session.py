#!/usr/bin/env python3
"""A real Blender with a window: in the chroot that get_blender_gui.sh makes, on an X server of its own, software GL.

For a look by hand: ``python tools/gui_session.py --zip dist/movie_director-0.1.0.zip --script x.py --picture out.png``
installs the extension for a new user, starts Blender, runs the script in it, and takes a picture after ``--wait`` s.
gui_test.py runs the scenarios of tests/gui with it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import envs
from steps import stop

TOOLS = Path(__file__).resolve().parent
SIZE = (1600, 900)
WINDOW_TIMEOUT_S = 90.0
# A picture with fewer colours is the black of a window that llvmpipe has not drawn yet.
DRAWN_COLOURS = 300
POLL_S = 0.2
GL = {"LIBGL_ALWAYS_SOFTWARE": "1", "GALLIUM_DRIVER": "llvmpipe"}


class Unavailable(Exception):
    """No Blender with a window can be had on this machine; the text says why."""


class GuiError(Exception):
    """Blender or its X server did not do what was asked."""


def chroot(suite: str) -> Path:
    """Return the chroot with Blender, made if need be (1.5 to 3 minutes). Raises Unavailable."""
    if not sys.platform.startswith("linux") or not shutil.which("apt-get"):
        raise Unavailable("it needs Debian or a kin (apt, debootstrap)")
    if os.geteuid() != 0:
        raise Unavailable("it needs root (debootstrap, chroot)")
    root = envs.cache_dir() / "blender-gui" / suite
    if subprocess.run([str(TOOLS / "get_blender_gui.sh"), suite, str(root)], check=False).returncode:
        raise Unavailable(f"the chroot with Blender from Debian {suite} could not be made")
    return root


class Workplace:
    """A folder in the chroot's /tmp, with a Blender user folder that has the extension installed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.outside = Path(tempfile.mkdtemp(prefix="movie-director-gui-", dir=root / "tmp"))
        self.inside = Path("/") / self.outside.relative_to(root)
        (self.outside / "home").mkdir()

    def command(self, *arguments: str, display: str = "") -> list[str]:
        """Return the command that runs Blender in the chroot as the user of this workplace."""
        variables = {
            "HOME": str(self.inside / "home"),
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "XDG_RUNTIME_DIR": "/tmp",
            "BLENDER_USER_RESOURCES": str(self.inside / "user"),
            "MD_SESSION": "restart",
            "MD_GUI_FOLDER": str(self.inside),
            **GL,
        }
        if display:
            variables["DISPLAY"] = display
        assignments = [f"{name}={value}" for name, value in variables.items()]
        return ["chroot", str(self.root), "env", "-i", *assignments, "blender", *arguments]

    def install(self, zip_path: Path) -> None:
        """Install and enable the extension, as a user of the application would have it."""
        shutil.copy(zip_path, self.outside / "extension.zip")
        (self.outside / "user").mkdir(exist_ok=True)
        install = ("--command", "extension", "install-file", "-r", "user_default", "--enable")
        command = self.command(*install, str(self.inside / "extension.zip"))
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise GuiError(f"the extension does not install:\n{done.stdout}{done.stderr}")

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.outside, ignore_errors=True)


@contextlib.contextmanager
def x_server() -> Iterator[str]:
    """Run an X server; give its display (":7")."""
    reading, writing = os.pipe()
    width, height = SIZE
    screen = ["-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp", "-ac", "+extension", "GLX"]
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), *screen],
        pass_fds=[writing],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise GuiError("Xvfb does not start")
        yield f":{number}"
    finally:
        stop(server)


class Session:
    """One running Blender with a window; a context manager."""

    def __init__(self, workplace: Workplace, display: str, arguments: Sequence[str], log: Path) -> None:
        self._display = display
        self._environment = {**os.environ, "DISPLAY": display}
        width, height = SIZE
        geometry = ("--no-window-focus", "-noaudio", "-p", "0", "0", str(width), str(height))
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                workplace.command(*geometry, *arguments, display=display),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        stop(self.process)

    def wait_for_window(self) -> str:
        """Return the id of Blender's window as soon as it is there, with the keyboard's focus on it."""
        deadline = time.monotonic() + WINDOW_TIMEOUT_S
        while time.monotonic() < deadline:
            found = self._ask("xdotool", "search", "--onlyvisible", "--class", "blender").split()
            if found:
                self._ask("xdotool", "windowfocus", found[-1])
                return found[-1]
            if self.ends_within(POLL_S):
                raise GuiError(f"Blender ended with {self.process.returncode} before its window was there")
        raise GuiError(f"no window after {WINDOW_TIMEOUT_S:.0f} s")

    def ends_within(self, seconds: float) -> bool:
        """Wait for Blender's end; tell whether it came."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def click(self, x: int, y: int) -> None:
        """Click at a place of the screen, counted from the top left corner."""
        self._ask("xdotool", "mousemove", str(x), str(y))
        # Blender takes the button under the mouse from the last redraw: it has to see the mouse there first
        self.ends_within(0.6)
        self._ask("xdotool", "click", "1")

    def key(self, name: str) -> None:
        """Press and release a key by its X name ("Escape", "ctrl+s")."""
        self._ask("xdotool", "key", name)

    def take_picture(self, path: Path, patience_s: float = 30.0) -> bool:
        """Save the whole screen as PNG; again and again until something is drawn. False if it stays black."""
        path.parent.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + patience_s
        while True:
            self._ask("import", "-window", "root", str(path))
            colours = self._ask("identify", "-format", "%k", str(path))
            if colours.isdigit() and int(colours) > DRAWN_COLOURS:
                return True
            if time.monotonic() > deadline:
                return False
            self.ends_within(1.0)

    def _ask(self, *command: str) -> str:
        environment = self._environment
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout.strip()


def main() -> int:
    """Take one picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="sid", choices=("sid", "trixie"), help="sid: Blender 5.2; trixie: 4.3")
    parser.add_argument("--zip", type=Path, help="extension to install")
    parser.add_argument("--script", type=Path, help="Python to run in Blender")
    parser.add_argument("--picture", type=Path, required=True)
    parser.add_argument("--wait", type=float, default=8.0, help="seconds from the window to the picture")
    arguments = parser.parse_args()
    try:
        workplace = Workplace(chroot(arguments.suite))
    except Unavailable as reason:
        print(f"No Blender with a window here: {reason}", file=sys.stderr)
        return 1
    try:
        blender = []
        if arguments.zip:
            workplace.install(arguments.zip)
        if arguments.script:
            shutil.copy(arguments.script, workplace.outside / "script.py")
            blender = ["--python", str(workplace.inside / "script.py")]
        log = arguments.picture.with_suffix(".log")
        with x_server() as display, Session(workplace, display, blender, log) as session:
            session.wait_for_window()
            session.ends_within(arguments.wait)
            drawn = session.take_picture(arguments.picture)
        print(f"{arguments.picture}: {'drawn' if drawn else 'BLACK'}; Blender's output: {log}")
        return 0 if drawn else 1
    finally:
        workplace.remove()


if __name__ == "__main__":
    raise SystemExit(main())
