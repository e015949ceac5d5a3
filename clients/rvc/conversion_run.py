"""One job from request to result: the recording, the server lock, the converted sound."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ..audio import AudioCodec, Conversion, publish_sound
from ..core.context import JobContext
from ..core.errors import BackendError, GenerationError
from ..core.model import Artifact, Result
from ..files.storage_errors import prepare_folder, storage_errors
from .dialect import SPEAK, SPEECH_SERVER, TRAIN, ConversionJob, Dialect
from .errors import BACKEND, unsupported
from .request import ConvertRequest, SpeakRequest, TrainRequest, VoiceRequest, VoiceSettings
from .samples import prepare_samples, to_mono
from .server_lock import ServerLock, ServerLocks
from .speech.local_programs import ESpeak, Piper
from .speech.server import RVCServerSpeech
from .speech.speaker import Line, Speaker, Spoken, choose_speaker
from .uninterruptible import may_still_run

APPLIO = "applio"
APPLIO_SPEAKS = "Have Applio read it (the speaker 'applio'; Microsoft's online service gets the text). Or: "
_STEM_CHARS = 40
_LENGTH_SLACK_S = 0.5
_LENGTH_SLACK = 0.1


class ConversionRun:
    """One job on the worker's thread. Call ``close`` once a cancel has reached the server."""

    def __init__(
        self,
        job: JobContext,
        dialect: Dialect,
        codec: AudioCodec,
        server_lock: ServerLocks,
        speakers: Sequence[Speaker],
    ) -> None:
        self.dialect = dialect
        self._kept = ExitStack()
        self._job = job
        self._codec = codec
        self._server_lock = server_lock
        self._speakers = speakers

    def run(self) -> Result:
        """Run the request."""
        request = self._job.request
        if isinstance(request, TrainRequest):
            return self._train(request)
        prepare_folder(self._job.output_dir)
        with work_folder() as folder:
            if isinstance(request, SpeakRequest):
                return self._speak(request, folder)
            assert isinstance(request, ConvertRequest)
            return self._convert(request, request.settings, Path(request.audio), Path(request.audio).stem, folder, {})

    def close(self) -> None:
        """Release the server lock of a cancelled job."""
        self._kept.close()

    @contextmanager
    def _hold(self, server_lock: ServerLock) -> Iterator[None]:
        """Hold the lock for the block; a job that ends after it was sent keeps it, because the server is still
        working.
        """
        self._job.message("Waiting for the server")
        with ExitStack() as stack:
            stack.enter_context(server_lock.hold(self._job))
            try:
                yield
            except BaseException as error:
                if may_still_run(error) and self._job.state.get("dialect"):
                    self._kept = stack.pop_all()
                raise

    def _speak(self, request: SpeakRequest, folder: Path) -> Result:
        stem = "_".join(request.text.split())[:_STEM_CHARS]
        if request.speaker == APPLIO and request.recording is None:
            return self._speak_on_server(request, stem, folder)
        spoken = self._speak_line(request, folder)
        return self._convert(request, request.settings, spoken.path, stem, folder, {"speaker": spoken.metadata})

    def _speak_line(self, request: SpeakRequest, folder: Path) -> Spoken:
        if request.recording is not None:
            path = Path(request.recording)
            return Spoken(path, {"name": "recording", "file": path.name})
        line = Line(request.text, request.speaker_voice, request.speed)
        also = APPLIO_SPEAKS if SPEAK in self.dialect.capabilities else ""
        speaker = choose_speaker(self._all_speakers(), line, request.speaker, also)
        self._job.progress(stage="Speaking the line")
        self._job.message(f"{speaker.name} speaks the line")
        return speaker.speak(line, folder / "spoken.wav", self._job)

    def _all_speakers(self) -> list[Speaker]:
        own = [RVCServerSpeech(self.dialect.http)] if SPEECH_SERVER in self.dialect.capabilities else []
        return [*self._speakers, *own, Piper(), ESpeak()]

    def _speak_on_server(self, request: SpeakRequest, stem: str, folder: Path) -> Result:
        raw = folder / "raw"
        self._job.progress(stage="Waiting for the server")
        with self._hold(self._server_lock.conversions):
            source, voice = self.dialect.speak(self._job, request, raw)
        details = {"speaker": {"name": APPLIO, "voice": voice}}
        return self._make_result(request, self._publish(request, request.voice, raw, stem, source), [], details)

    def _convert(
        self,
        request: VoiceRequest,
        settings: VoiceSettings,
        source: Path,
        stem: str,
        folder: Path,
        details: Mapping[str, Any],
    ) -> Result:
        self._job.message(f"Reading {source.name}")
        recording = to_mono(self._codec, source, folder / "recording.wav", self._job)
        conversion = ConversionJob(recording.path, recording.duration_s, folder / "raw", settings, request.accept_terms)
        with self._hold(self._server_lock.conversions):
            self._job.progress(stage="Converting")
            named = self.dialect.convert(self._job, conversion)
        sound = self._publish(request, settings.voice, conversion.raw, stem, named)
        problems = [*_silence_problems(sound[1]), *_length_problems(recording.duration_s, sound[1].duration_s)]
        return self._make_result(request, sound, problems, {**details, "recording_s": round(recording.duration_s, 3)})

    def _publish(
        self, request: VoiceRequest, voice: str, raw: Path, stem: str, source: str
    ) -> tuple[Artifact, Conversion]:
        self._job.message("Saving the sound")
        return publish_sound(
            self._codec,
            raw,
            self._job.output_dir,
            f"{stem}_{voice}",
            source=source,
            rate=request.rate,
            channels=1,
            check=self._job.check,
        )

    def _make_result(
        self,
        request: VoiceRequest,
        sound: tuple[Artifact, Conversion],
        problems: Sequence[BackendError],
        details: Mapping[str, Any],
    ) -> Result:
        artifact, conversion = sound
        self._job.progress(1.0, stage="Done")
        metadata = {
            **self._common_metadata(request.to_dict()),
            "rate": conversion.rate,
            "server_rate": conversion.source.rate,
            "duration_s": round(conversion.duration_s, 3),
            "peak_db": round(conversion.peak_db, 2),
            "codec": self._codec.name,
            **details,
        }
        return Result((artifact,), problems=tuple(problems), metadata=metadata)

    def _train(self, request: TrainRequest) -> Result:
        if TRAIN not in self.dialect.capabilities:
            hint = "Start RVC-WebUI (webui.py) or Applio to train, and use its address."
            raise unsupported("train voices", self.dialect.label, hint)
        with work_folder() as folder:
            samples = prepare_samples(self._job, self._codec, request.samples, folder)
            with self._hold(self._server_lock.trainings):
                details = self.dialect.train(self._job, request, samples)
        return self._make_training_result(request, {"samples": samples.metadata, **details})

    def rejoin(self) -> Result | None:
        """Follow a training of an earlier process; None if the server can't be asked for it."""
        request = self._job.request
        if not isinstance(request, TrainRequest):
            return None
        with self._hold(self._server_lock.trainings):
            details = self.dialect.rejoin_training(self._job, request)
        return None if details is None else self._make_training_result(request, details)

    def _make_training_result(self, request: TrainRequest, details: Mapping[str, Any]) -> Result:
        self._job.progress(1.0, stage="Done")
        voice = details.get("voice", request.voice)
        confirmed = details.get("confirmed", True)
        text = f"The voice {voice} is {'trained and ' if confirmed else ''}listed on the server."
        return Result(
            text=text,
            data={"voice": voice},
            problems=() if confirmed else (_unconfirmed_error(request.voice),),
            metadata={**self._common_metadata(request.to_dict()), **details},
        )

    def _common_metadata(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {
            "backend": BACKEND,
            "dialect": self.dialect.name,
            "server_version": self.dialect.version,
            "voice": fields["voice"],
            "request": fields,
            "request_metadata": fields["metadata"],
        }


@contextmanager
def work_folder() -> Iterator[Path]:
    """Create a temporary folder; ``StorageError`` if that fails."""
    with storage_errors(Path(tempfile.gettempdir())):
        folder = tempfile.TemporaryDirectory(prefix="movie_director-", ignore_cleanup_errors=True)
    with folder as name:
        yield Path(name)


def _unconfirmed_error(voice: str) -> BackendError:
    return GenerationError(
        f"The server does not tell whether the voice {voice}, which it had before, was trained anew.",
        code="training_unconfirmed",
        backend=BACKEND,
        hint="Check its console, or train under a new name: a new voice in its list has been trained.",
    )


def _silence_problems(sound: Conversion) -> list[BackendError]:
    if not sound.silent:
        return []
    return [
        GenerationError(
            "The converted sound is silent.",
            code="silent_output",
            backend=BACKEND,
            hint="Is there speech in the recording? Another f0 method may also help.",
        )
    ]


def _length_problems(sent_s: float, got_s: float) -> list[BackendError]:
    if abs(got_s - sent_s) <= _LENGTH_SLACK_S + _LENGTH_SLACK * sent_s:
        return []
    return [
        GenerationError(
            f"The converted sound lasts {got_s:.1f} s, the recording {sent_s:.1f} s.",
            code="wrong_length",
            backend=BACKEND,
            hint="Another program may have loaded another voice in the meantime; convert it again.",
        )
    ]
