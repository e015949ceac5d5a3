"""The recordings that a voice is made of: found, checked, and brought to one form."""

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
    """Checked samples as 16-bit mono WAV files in one flat folder; ``seconds`` are all of them together."""

    folder: Path
    files: tuple[Path, ...]
    seconds: float

    @property
    def told(self) -> dict[str, object]:
        """What a result's metadata say of them."""
        return {"count": len(self.files), "seconds": round(self.seconds, 3)}


def found_files(places: Iterable[Path | str]) -> list[Path]:
    """Return the files, and the sounds that lie directly in the folders, each once; ``ValidationError`` (code
    ``no_samples``) if there is none, ``StorageError`` for a folder that can't be read.
    """
    files = list(dict.fromkeys(file for place in places for file in _files_of(Path(place))))
    if not files:
        raise ValidationError(
            "samples: no sound file is there.",
            code="no_samples",
            problems=["samples: no sound file is there."],
            backend=BACKEND,
            hint="Name files, or a folder with sound files directly in it.",
        )
    return files


def prepared(job: JobContext, codec: AudioCodec, places: Iterable[Path | str], folder: Path) -> Samples:
    """Convert all samples into ``folder``; ``ValidationError`` (code ``bad_samples``) names every one that is too
    short, silent, or can't be read.
    """
    files = found_files(places)
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
        problems += _problems_of(file, conversion)
    seconds = sum(each.duration_s for each in made)
    if not problems and seconds < LEAST_TOTAL_S:
        problems.append(f"All samples together are {seconds:.1f} s long; at least {LEAST_TOTAL_S:g} s are needed.")
    if problems:
        raise ValidationError(
            f"samples: {' '.join(problems[:_SHOWN_PROBLEMS])}",
            code="bad_samples",
            problems=problems,
            backend=BACKEND,
            hint="Take them out or replace them: clean speech of one person, 5 to 30 minutes in all.",
        )
    if seconds < GOOD_TOTAL_S:
        job.log(f"The samples are {seconds / 60:.1f} minutes long; a good voice wants 5 to 30 minutes.")
    return Samples(folder, tuple(each.path for each in made), seconds)


def to_mono(codec: AudioCodec, source: Path, target: Path, job: JobContext) -> Conversion:
    """Convert any sound to the 16-bit mono WAV that all RVC servers read, at its own rate up to 48 kHz."""
    rate = codec.probe(source).rate
    return codec.convert(source, target, rate=min(rate, HIGHEST_RATE), channels=1, check=job.check)


def _files_of(place: Path) -> Iterator[Path]:
    if not place.is_dir():
        yield place
        return
    with input_errors(place):
        found = sorted(each for each in place.iterdir() if each.is_file() and not each.name.startswith("."))
    yield from (each for each in found if kind_and_type(each.name)[0] in _KINDS)


def _problems_of(file: Path, found: Conversion) -> list[str]:
    if found.duration_s < SHORTEST_S:
        return [f"{file.name} is only {found.duration_s:.2f} s long."]
    if found.silent:
        return [f"{file.name} is silent."]
    if found.source.rate < LOWEST_RATE:
        return [f"{file.name} has only {found.source.rate} samples a second; at least {LOWEST_RATE} are needed."]
    return []


def clear_folder(folder: Path) -> None:
    """Remove a folder of prepared samples and what lies directly in it; one that is gone already is fine."""
    with storage_errors(folder.parent):
        if folder.is_dir():
            for each in folder.iterdir():
                each.unlink(missing_ok=True)
            folder.rmdir()
