"""Fetches the outputs of a run from ``data:`` and other addresses, and converts them to WAV in the output folder."""

from __future__ import annotations

import base64
import binascii
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..audio.artifacts import publish_sound
from ..audio.codec import AudioCodec
from ..audio.file_format import PAGE, SUFFIXES, UNKNOWN, detect_file_kind
from ..core.context import JobContext
from ..core.errors import BackendError, ProtocolError, ValidationError
from ..core.model import Artifact
from ..files.names import safe_name
from ..files.part_file import part_path, publish_part
from ..files.storage_errors import prepare_folder, storage_errors
from ..http.response import Response
from ..http.session import HTTPSession
from ..http.url import parse_server_url
from .request import SoundRequest

MAX_OUTPUTS = 16
MAX_DEPTH = 4
STEM_CHARS = 48
_DATA = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_SLICE_CHARS = 256 * 1024  # a multiple of 4: each slice is decoded separately


class Outputs:
    """The files of one job's result."""

    def __init__(self, http: HTTPSession, job: JobContext, codec: AudioCodec, request: SoundRequest) -> None:
        self._http = http
        self._job = job
        self._codec = codec
        self._request = request
        self._stem = safe_name(" ".join(re.sub(r"[^\w -]", " ", request.prompt).split())[:STEM_CHARS], "sound")
        self.artifacts: list[Artifact] = []
        self.problems: list[BackendError] = []
        self.described: dict[str, Any] = {}

    def take(self, output: Any) -> None:
        """Fetch every sound of a run's ``output``: an address, or several in a list or mapping."""
        addresses = list(_find_addresses(output))[:MAX_OUTPUTS]
        if not addresses:
            raise ProtocolError(
                "The server reported success but sent no sound.",
                code="no_output",
                hint="Generate it again; if that fails too, check the server's log.",
            )
        for address in addresses:
            self._take_address(address)

    def take_file(self, raw: Path, source: str) -> None:
        """Use a file on this machine, and leave it in place."""
        prepare_folder(self._job.output_dir)
        copy = part_path(self._job.output_dir, "raw")
        try:
            with storage_errors(copy.parent):
                shutil.copyfile(raw, copy)
            self._publish(copy, source)
        finally:
            copy.unlink(missing_ok=True)

    def take_answer(self, ask: Callable[[], Response], source: str) -> None:
        """Save the response of a request as the file."""
        prepare_folder(self._job.output_dir)
        raw = part_path(self._job.output_dir, "raw")
        try:
            self._write(raw, ask())
            self._publish(raw, source)
        finally:
            raw.unlink(missing_ok=True)

    def _take_address(self, address: str) -> None:
        prepare_folder(self._job.output_dir)
        raw = part_path(self._job.output_dir, "raw")
        try:
            if _DATA.match(address):
                _write_data(raw, address)
                self._publish(raw, "")
            else:
                self._fetch(raw, address)
                self._publish(raw, address.partition("?")[0])
        finally:
            raw.unlink(missing_ok=True)

    def _fetch(self, raw: Path, address: str) -> None:
        """Download a file that the server has stored elsewhere (its ``--upload-url``), without our keys."""
        try:
            url = parse_server_url(address.partition("?")[0])
        except ValidationError as error:
            raise ProtocolError(
                "The server sent an invalid address for the sound.", code="bad_file", hint="Generate it again."
            ) from error
        path = address[len(address.partition("//")[0]) + 2 :].partition("/")[2]
        if self._http.url.is_loopback and not url.is_loopback:
            raise ProtocolError(
                f"The server stored the sound at {url.origin}, which is not this machine.",
                code="output_elsewhere",
                hint="Start the server without --upload-url, so that it sends its sounds directly.",
            )
        elsewhere = HTTPSession(
            self._http.transport, parse_server_url(url.origin), self._http.backend, self._job.options, {}
        )
        self._write(raw, elsewhere.request("GET", f"/{path}", scope=self._job, stream=True))

    def _write(self, raw: Path, response: Response) -> None:
        with response, storage_errors(raw.parent), raw.open("wb") as file:
            for chunk in response.chunks_within(self._job.options.max_response_bytes):
                self._job.check()
                file.write(chunk)

    def _publish(self, raw: Path, source: str) -> None:
        kind = detect_file_kind(raw)
        if kind in (PAGE, UNKNOWN):
            raise ProtocolError(
                "The server's file is not a sound.",
                code="bad_file",
                hint="Generate it again; if that fails too, check the server's log.",
                context={"source": source[:200]},
            )
        try:
            artifact, conversion = publish_sound(
                self._codec,
                raw,
                self._job.output_dir,
                self._stem,
                source=source or f"output{SUFFIXES[kind]}",
                rate=self._request.sample_rate,
                check=self._job.check,
            )
        except ValidationError as error:
            self._keep_unconverted(raw, kind, source, error)
            return
        self.artifacts.append(artifact)
        if conversion.silent:
            self._job.log("The sound is silent.")
        self.described.setdefault("duration_s", round(conversion.duration_s, 3))
        self.described.setdefault("peak_db", round(conversion.peak_db, 1))
        self.described.setdefault("model_rate", conversion.source.rate)

    def _keep_unconverted(self, raw: Path, kind: str, source: str, error: ValidationError) -> None:
        """Keep a file that this codec can't read: generating it took minutes."""
        if error.code != "needs_audio_codec":
            raise ProtocolError(error.message, code="bad_file", hint="Generate it again.") from error
        error.message = f"The sound is saved as {kind.upper()}, as the server sent it; only WAV can be read here."
        error.args = (error.message,)
        self._job.log(error.message)
        name = safe_name(f"{self._stem}{SUFFIXES[kind]}")
        part = part_path(self._job.output_dir, name)
        with storage_errors(part.parent):
            raw.replace(part)
        try:
            self.artifacts.append(publish_part(part, name, source or name))
        finally:
            part.unlink(missing_ok=True)
        self.problems.append(error)


def _find_addresses(output: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(output, str) and (_DATA.match(output) or output.startswith(("http://", "https://"))):
        yield output
    elif depth < MAX_DEPTH and isinstance(output, (list, Mapping)):
        for each in output if isinstance(output, list) else output.values():
            yield from _find_addresses(each, depth + 1)


def _write_data(raw: Path, address: str) -> None:
    """Decode a ``data:`` address to a file, in slices that hold the interpreter's lock only briefly."""
    start = address.index(",") + 1
    try:
        with storage_errors(raw.parent), raw.open("wb") as file:
            for at in range(start, len(address), _SLICE_CHARS):
                file.write(base64.b64decode(address[at : at + _SLICE_CHARS], validate=True))
    except (binascii.Error, ValueError) as error:
        raise ProtocolError(
            f"The server's sound can't be decoded: {error}.", code="bad_file", hint="Generate it again."
        ) from None
