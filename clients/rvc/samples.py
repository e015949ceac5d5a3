"""The recordings for a new voice: find them, check them, convert them to one format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..audio import AudioCodec, Conversion
from ..core.context import JobContext
from ..core.errors import ValidationError
from ..files.names import kind_and_type
from ..files.storage_errors import input_errors, storage_errors
from .errors import BACKEND

SHORTEST_S = 1.0
LEAST_TOTAL_S = 10.0
GOOD_TOTAL_S = 300.0
LOWEST_RATE = 16_000
HIGHEST_RATE = 48_000
_SHOWN_PROBLEMS = 20
_KINDS = ("audio", "video")


@dataclass(frozen=True)
class Samples:
    """Checked samples as 16-bit mono WAV files in one flat folder; ``seconds`` is their total length."""

    folder: Path
    files: tuple[Path, ...]
    seconds: float

    @property
    def metadata(self) -> dict[str, object]:
        """The samples as JSON-ready metadata of the result."""
        return {"count": len(self.files), "seconds": round(self.seconds, 3)}


def find_files(places: Iterable[Path | str]) -> list[Path]:
    """Return the files, and the sounds directly in the folders, each once; ``ValidationError`` (code ``no_samples``) if
    there are none, ``StorageError`` for a folder that can't be read.
    """
    files = list(dict.fromkeys(file for provide_samples in places for file in _list_sounds(Path(provide_samples))))
    if not files:
        raise ValidationError(
            "samples: no sound files were found.",
            code="no_samples",
            problems=["samples: no sound files were found."],
            backend=BACKEND,
            hint="Choose files, or a folder with sound files directly in it.",
        )
    return files


def prepare_samples(job: JobContext, codec: AudioCodec, places: Iterable[Path | str], folder: Path) -> Samples:
    """Convert all samples into ``folder``; ``ValidationError`` (code ``bad_samples``) lists each sample that is too
    short, silent or unreadable.
    """
    files = find_files(places)
    problems: list[str] = []
    made: list[Conversion] = []
    for number, file in enumerate(files):
        job.progress(0.0, step=number, total_steps=len(files), stage="Checking the samples")
        try:
            conversion = to_mono(codec, file, folder / f"sample_{number:04d}.wav", job)
        except ValidationError as error:
            if error.code == "needs_audio_codec":
                raise
            problems.append(error.message)
            continue
        made.append(conversion)
        problems += _find_problems(file, conversion)
    seconds = sum(each.duration_s for each in made)
    if not problems and seconds < LEAST_TOTAL_S:
        problems.append(f"All samples together are {seconds:.1f} s long; at least {LEAST_TOTAL_S:g} s are required.")
    if problems:
        raise ValidationError(
            f"samples: {' '.join(problems[:_SHOWN_PROBLEMS])}",
            code="bad_samples",
            problems=problems,
            backend=BACKEND,
            hint="Remove or replace them; use clean speech of one person, 5 to 30 minutes in all.",
        )
    if seconds < GOOD_TOTAL_S:
        job.log(f"The samples are {seconds / 60:.1f} minutes long; a good voice needs 5 to 30 minutes.")
    return Samples(folder, tuple(each.path for each in made), seconds)


def to_mono(codec: AudioCodec, source: Path, target: Path, job: JobContext) -> Conversion:
    """Convert any sound to the 16-bit mono WAV that all RVC servers read, at its own rate up to 48 kHz."""
    rate = codec.probe(source).rate
    return codec.convert(source, target, rate=min(rate, HIGHEST_RATE), channels=1, check=job.check)


def _list_sounds(provide_samples: Path) -> Iterator[Path]:
    if not provide_samples.is_dir():
        yield provide_samples
        return
    with input_errors(provide_samples):
        found = sorted(each for each in provide_samples.iterdir() if each.is_file() and not each.name.startswith("."))
    yield from (each for each in found if kind_and_type(each.name)[0] in _KINDS)


def _find_problems(file: Path, found: Conversion) -> list[str]:
    if found.duration_s < SHORTEST_S:
        return [f"{file.name} is only {found.duration_s:.2f} s long."]
    if found.silent:
        return [f"{file.name} is silent."]
    if found.source.rate < LOWEST_RATE:
        return [f"{file.name} has only {found.source.rate} samples a second; at least {LOWEST_RATE} are required."]
    return []


def clear_folder(folder: Path) -> None:
    """Delete a folder of prepared samples and the files directly in it; a missing folder is no error."""
    with storage_errors(folder.parent):
        if folder.is_dir():
            for each in folder.iterdir():
                each.unlink(missing_ok=True)
            folder.rmdir()
