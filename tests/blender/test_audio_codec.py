"""Sound files through Blender's decoders."""

from __future__ import annotations

import struct
import sys
import wave
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from conftest import own, runtime_ref

try:
    import aud
except ImportError:
    aud = None  # the bpy 4.2 module is built without sound

needs_aud = pytest.mark.skipif(aud is None, reason="this bpy module is built without aud")
HALF_A_SECOND = 24000


@pytest.fixture
def codec() -> Any:
    return own("blender.platform.audio_codec").BlenderCodec()


@pytest.fixture
def errors() -> ModuleType:
    return own("clients.errors")


def effect(folder: Path, rate: int, name: str = "a.wav") -> Path:
    path = folder / name
    path.write_bytes(own("clients.mock.media.sound").effect_wave("rain", 0.5, rate=rate))
    return path


def encoded(folder: Path, suffix: str) -> Path:
    """Write half a second with Blender's own encoders; 48 kHz is what they can do."""
    kinds = {
        ".flac": (aud.CONTAINER_FLAC, aud.CODEC_FLAC),
        ".mp3": (aud.CONTAINER_MP3, aud.CODEC_MP3),
        ".ogg": (aud.CONTAINER_OGG, aud.CODEC_VORBIS),
        ".mkv": (aud.CONTAINER_MATROSKA, aud.CODEC_AAC),
        ".ac3": (aud.CONTAINER_AC3, aud.CODEC_AC3),
    }
    container, coding = kinds[suffix]
    path = folder / f"a{suffix}"
    sound = aud.Sound.file(str(effect(folder, 48000)))
    sound.write(str(path), 48000, aud.CHANNELS_MONO, aud.FORMAT_S16, container, coding)
    return path


def header_of(path: Path) -> tuple[int, int, int, int]:
    with wave.open(str(path), "rb") as file:
        return file.getframerate(), file.getnchannels(), file.getsampwidth(), file.getnframes()


@needs_aud
@pytest.mark.parametrize("suffix", [".flac", ".mp3", ".ogg", ".mkv", ".ac3"])
def test_what_blender_decodes_becomes_wav(codec: Any, tmp_path: Path, suffix: str) -> None:
    source = encoded(tmp_path, suffix)
    info = codec.probe(source)
    assert (info.rate, info.channels) == (48000, 1)
    conversion = codec.convert(source, tmp_path / "out.wav", rate=44100, channels=2)
    rate, channels, width, frames = header_of(tmp_path / "out.wav")
    assert (rate, channels, width) == (44100, 2, 2)
    assert frames == conversion.frames == pytest.approx(22050, rel=0.2)  # encoders pad by up to 80 ms
    assert 0.3 < conversion.peak <= 1.0
    assert not conversion.silent


@needs_aud
def test_the_sound_of_an_mp4_is_taken_out_exactly(codec: Any, tmp_path: Path) -> None:
    samples = own("clients.mock.media.sound").effect_samples("rain", 0.5, rate=16000)
    source = tmp_path / "a.mp4"
    mp4 = own("clients.mock.media.mp4")
    source.write_bytes(mp4.make_mp4((), 0, 0, 1.0, sound=mp4.Sound(samples, 16000)))
    assert codec.probe(source).duration_s == 0.5
    conversion = codec.convert(source, tmp_path / "out.wav")
    with wave.open(str(tmp_path / "out.wav"), "rb") as file:
        written = memoryview(file.readframes(file.getnframes())).cast("h").tolist()
    assert max(abs(one - other) for one, other in zip(written, samples, strict=True)) <= 1
    assert conversion.source.kind == "mp4"


LOUD = struct.pack("<4000h", *[16384] * 4000)
PCM = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)
MU_LAW = struct.pack("<HHIIHHH", 7, 1, 8000, 8000, 1, 8, 0)
CAF = struct.pack(">HH4sqd4sIIIII", 1, 0, b"desc", 32, 8000.0, b"lpcm", 2, 2, 1, 1, 16)  # 2: the low byte first


@needs_aud
@pytest.mark.parametrize(
    ("content", "kind", "peak"),
    [
        (
            b"RIFF\0\0\0\0WAVEfmt "
            + struct.pack("<I", 18)
            + MU_LAW
            + b"data"
            + struct.pack("<I", 4000)
            + b"\x10" * 4000,
            "wav (coding 7, 8 bit)",
            0.488,
        ),
        (
            b"RF64\xff\xff\xff\xffWAVEds64"
            + struct.pack("<IQQQI", 28, 72 + len(LOUD), len(LOUD), 4000, 0)
            + (b"fmt " + struct.pack("<I", 16) + PCM + b"data\xff\xff\xff\xff" + LOUD),
            "rf64",
            0.5,
        ),
        (b".snd" + struct.pack(">IIIII", 24, 8000, 3, 8000, 1) + struct.pack(">4000h", *[16384] * 4000), "au", 0.5),
        (b"caff" + CAF + b"data" + struct.pack(">qI", 4 + len(LOUD), 0) + LOUD, "caf", 0.5),
    ],
)
def test_what_blender_decodes_though_its_name_says_little(
    codec: Any, tmp_path: Path, content: bytes, kind: str, peak: float
) -> None:
    source = tmp_path / "a.wav"
    source.write_bytes(content)
    info = codec.probe(source)
    assert (info.kind, info.rate, info.channels, info.frames) == (kind, 8000, 1, 4000)
    conversion = codec.convert(source, tmp_path / "out.wav", rate=16000)
    assert header_of(tmp_path / "out.wav") == (16000, 1, 2, 8000)
    assert conversion.source == info
    assert conversion.rms == pytest.approx(peak, abs=0.01)


@needs_aud
def test_a_rate_that_no_sound_has_is_refused_of_blender_s_decoders_too(codec: Any, tmp_path: Path, errors: Any) -> None:
    source = tmp_path / "a.au"
    source.write_bytes(b".snd" + struct.pack(">IIIII", 24, 400, 3, 20, 1) + bytes(400))
    for ask in (codec.probe, lambda each: codec.convert(each, tmp_path / "out.wav", rate=48000)):
        with pytest.raises(errors.ValidationError, match="20 Hz"):
            ask(source)


def test_numpy_s_filter_gives_what_python_s_does(codec: Any, tmp_path: Path) -> None:
    source = effect(tmp_path, 44100)
    ours = codec.convert(source, tmp_path / "a_out.wav", rate=48000)
    plain = own("clients.audio").WaveCodec().convert(source, tmp_path / "b_out.wav", rate=48000)
    assert ours.frames == plain.frames == HALF_A_SECOND
    frames = [(tmp_path / f"{each}_out.wav").read_bytes()[44:] for each in "ab"]
    first, second = (memoryview(each).cast("h").tolist() for each in frames)
    assert max(abs(one - other) for one, other in zip(first, second, strict=True)) <= 1
    short = tmp_path / "short.wav"
    short.write_bytes(own("clients.mock.media.sound").effect_wave("rain", 0.0001, rate=44100))
    assert codec.convert(short, tmp_path / "c_out.wav", rate=48000).frames == 4


@needs_aud
def test_what_blender_can_not_decode_is_said_so(codec: Any, tmp_path: Path, errors: Any) -> None:
    source = tmp_path / "a.flac"
    source.write_bytes(b"fLaC" + bytes(100))
    for ask in (codec.probe, lambda each: codec.convert(each, tmp_path / "out.wav")):
        with pytest.raises(errors.ValidationError) as caught:
            ask(source)
        assert caught.value.code == "unreadable_audio"
    assert not (tmp_path / "out.wav").exists()


def test_without_aud_wav_is_read_all_the_same(codec: Any, tmp_path: Path, errors: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "aud", None)
    assert codec.convert(effect(tmp_path, 16000), tmp_path / "out.wav", rate=48000).frames == HALF_A_SECOND
    source = tmp_path / "a.mp3"
    mu_law = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", 18) + MU_LAW + b"data" + struct.pack("<I", 1) + b"\x10"
    for content, words in ((b"ID3\4", "MP3 sound"), (mu_law, "CODING 7")):
        source.write_bytes(content)
        for ask in (codec.probe, lambda each: codec.convert(each, tmp_path / "out2.wav")):
            with pytest.raises(errors.ValidationError, match=words) as caught:
                ask(source)
            assert caught.value.code == "needs_audio_codec"


def test_the_runtime_is_given_the_codec() -> None:
    session = own("blender.commands")
    runtime = runtime_ref().runtime()
    assert runtime._clients._codec.name == "blender"
    session.close()


@needs_aud
def test_the_sound_of_a_web_app_s_video_becomes_a_file_for_the_sequencer(codec: Any, tmp_path: Path) -> None:
    from dataclasses import replace

    client_class = own("clients.audioldm").AudioLDMClient
    request = own("clients.audioldm").SoundRequest("church bell", 5.0, seed=3)
    options = replace(client_class.default_options, output_dir=tmp_path)
    backends = own("clients.mock").MockBackends
    with backends(only=["audioldm"], speed=100.0, options={"audioldm": {"dialect": "audioldm1"}}) as mocks:
        with client_class(mocks.audioldm.url, codec=codec, options=options) as client:
            result = client.submit(request).result(60.0)
    [artifact] = result.artifacts
    assert header_of(artifact.path) == (48000, 1, 2, 240000)
    assert (result.metadata["model_rate"], result.metadata["codec"]) == (16000, "blender")
    assert result.problems == ()
