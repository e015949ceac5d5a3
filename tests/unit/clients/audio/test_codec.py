"""WAV files read, resampled and written with the standard library alone."""

from __future__ import annotations

import io
import math
import random
import struct
import time
import wave
from array import array
from pathlib import Path

import pytest

from movie_director.clients import AudioLDMClient, errors
from movie_director.clients.audio import AudioClient, AudioInfo, WaveCodec, kind_of, publish_sound, resample
from movie_director.clients.audio.codec import decibels
from movie_director.clients.audio.wavefile import read_format, wave_bytes

CODEC = WaveCodec()


def sine(hertz, rate, seconds=0.5, loud=20000, channels=1):
    """Return interleaved 16-bit samples; each channel twice as high as the one before."""
    frames = round(seconds * rate)
    return array(
        "h",
        [
            round(loud * math.sin(2 * math.pi * hertz * 2**channel * at / rate))
            for at in range(frames)
            for channel in range(channels)
        ],
    )


def wav_file(folder, samples, rate, channels=1):
    path = folder / "in.wav"
    path.write_bytes(wave_bytes(samples, rate, channels))
    return path


def riff(fmt, data, declared=None):
    """Return a WAV file of a ``fmt `` chunk and samples, with an odd chunk between them."""
    odd = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    chunks = b"fmt " + struct.pack("<I", len(fmt)) + fmt + odd
    chunks += b"data" + struct.pack("<I", len(data) if declared is None else declared) + data
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


def fmt_chunk(tag, bits, rate=8000, channels=1, extension=b""):
    block = channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + extension


def samples_of(path):
    with wave.open(str(path), "rb") as file:
        assert file.getsampwidth() == 2
        return array("h", file.readframes(file.getnframes())), file.getframerate(), file.getnchannels()


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"RIFF\0\0\0\0WAVEfmt ", "wav"),
        (b"RIFF\0\0\0\0AVI ", "avi"),
        (b"RIFF\0\0\0\0WEBP", "unknown"),
        (b"RF64\xff\xff\xff\xffWAVEds64", "rf64"),
        (b"BW64\xff\xff\xff\xffWAVEds64", "rf64"),
        (b"\x0b\x77\x40", "ac3"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "wma"),
        (b"caff\0\1", "caf"),
        (b".snd\0", "au"),
        (b"fLaC\0", "flac"),
        (b"OggS\0", "ogg"),
        (b"ID3\x04", "mp3"),
        (b"\xff\xfb\x90", "mp3"),
        (b"\xff\xf3\x90", "mp3"),
        (b"\xff\xf1\x50", "aac"),
        (b"\0\0\0\x20ftypM4A ", "mp4"),
        (b"\x1a\x45\xdf\xa3", "webm"),
        (b"FORM\0\0\0\0AIFF", "aiff"),
        (b' {"error": 1}', "page"),
        (b"\n<!DOCTYPE html>", "page"),
        (b"", "unknown"),
        (b"\xff", "unknown"),
        (b"hello", "unknown"),
    ],
)
def test_kinds_are_told_by_the_first_bytes(head, kind):
    assert kind_of(head) == kind


@pytest.mark.parametrize(
    ("rate", "wanted"), [(44100, 48000), (48000, 44100), (16000, 48000), (48000, 16000), (22050, 48000), (8000, 44100)]
)
def test_another_rate_keeps_length_pitch_and_loudness(tmp_path, rate, wanted):
    source = wav_file(tmp_path, sine(440, rate), rate)
    conversion = CODEC.convert(source, tmp_path / "out.wav", rate=wanted)
    samples, written_rate, channels = samples_of(tmp_path / "out.wav")
    assert (written_rate, channels, len(samples)) == (wanted, 1, wanted // 2)
    assert conversion.frames == len(samples)
    assert conversion.duration_s == 0.5
    assert conversion.peak_db == pytest.approx(-4.3, abs=0.1)
    inside = range(wanted // 20, len(samples) - wanted // 20)
    worst = max(abs(samples[at] - 20000 * math.sin(2 * math.pi * 440 * at / wanted)) for at in inside)
    assert worst < 20
    assert conversion.peak == pytest.approx(20000 / 32768, abs=0.01)
    assert conversion.rms == pytest.approx(20000 / 32768 / math.sqrt(2), abs=0.01)
    assert not conversion.silent


def test_what_the_lower_rate_can_not_hold_is_filtered_out(tmp_path):
    source = wav_file(tmp_path, sine(11000, 48000), 48000)
    assert CODEC.convert(source, tmp_path / "out.wav", rate=16000).rms < 0.005  # 0.43 before


def test_rates_without_a_common_measure_take_the_nearest_filter(tmp_path):
    source = wav_file(tmp_path, sine(300, 11027), 11027)
    conversion = CODEC.convert(source, tmp_path / "out.wav", rate=48000)
    assert conversion.frames == round(len(sine(300, 11027)) * 48000 / 11027)
    assert conversion.peak == pytest.approx(20000 / 32768, abs=0.01)


def test_the_sum_of_older_pythons_is_the_same(tmp_path, monkeypatch):
    source = wav_file(tmp_path, sine(440, 16000), 16000)
    CODEC.convert(source, tmp_path / "a.wav", rate=48000)
    monkeypatch.setattr(resample, "_sum_of_products", resample._sum_products)
    CODEC.convert(source, tmp_path / "b.wav", rate=48000)
    first, second = samples_of(tmp_path / "a.wav")[0], samples_of(tmp_path / "b.wav")[0]
    assert max(abs(one - other) for one, other in zip(first, second, strict=True)) <= 1


def test_ten_seconds_take_about_half_a_second(tmp_path):
    source = wav_file(tmp_path, array("h", random.Random(1).randbytes(2 * 441000)), 44100)
    started = time.process_time()
    CODEC.convert(source, tmp_path / "out.wav", rate=48000)
    assert time.process_time() - started < 5.0  # ten times what it takes: coverage and a busy machine


def test_nothing_to_change_copies_the_samples_under_a_true_header(tmp_path):
    samples = sine(440, 48000, channels=2)
    source = wav_file(tmp_path, samples, 48000, 2)
    conversion = CODEC.convert(source, tmp_path / "out.wav")
    assert samples_of(tmp_path / "out.wav") == (samples, 48000, 2)
    assert conversion.source == AudioInfo("wav", 48000, 2, 24000)
    assert CODEC.probe(source).duration_s == 0.5


def test_one_channel_is_the_mean_of_several(tmp_path):
    stereo = array("h", [1000, 3000] * 4000)
    CODEC.convert(wav_file(tmp_path, stereo, 8000, 2), tmp_path / "out.wav", channels=1)
    assert set(samples_of(tmp_path / "out.wav")[0]) == {2000}


def test_two_channels_of_one_are_the_same(tmp_path):
    CODEC.convert(wav_file(tmp_path, array("h", [7, 8, 9]), 8000), tmp_path / "out.wav", channels=2)
    assert samples_of(tmp_path / "out.wav") == (array("h", [7, 7, 8, 8, 9, 9]), 8000, 2)


def test_of_many_channels_the_first_two_are_kept_each_in_its_place(tmp_path):
    source = wav_file(tmp_path, array("h", [100, 200, 300, 400] * 8000), 8000, 4)
    CODEC.convert(source, tmp_path / "out.wav")
    assert samples_of(tmp_path / "out.wav")[0][:4] == array("h", [100, 200, 100, 200])
    CODEC.convert(source, tmp_path / "out.wav", rate=16000)
    middle = samples_of(tmp_path / "out.wav")[0][8000:8002]
    assert middle.tolist() == pytest.approx([100, 200], abs=1)


EXTENSIBLE = struct.pack("<HHIH14s", 22, 16, 4, 1, b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71")
FLOATS = struct.pack("<HHIH14s", 22, 32, 4, 3, b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71")


@pytest.mark.parametrize(
    ("fmt", "data"),
    [
        (fmt_chunk(1, 8), bytes([128 + 64, 128 - 64, 128])),
        (fmt_chunk(1, 16), struct.pack("<3h", 16384, -16384, 0)),
        (fmt_chunk(1, 24), b"".join((each << 8).to_bytes(3, "little", signed=True) for each in (16384, -16384, 0))),
        (fmt_chunk(1, 32), struct.pack("<3i", 1 << 30, -(1 << 30), 0)),
        (fmt_chunk(3, 32), struct.pack("<3f", 0.5, -0.5, math.nan)),
        (fmt_chunk(3, 64), struct.pack("<3d", 0.5, -0.5, math.inf)),
        (fmt_chunk(0xFFFE, 16, extension=EXTENSIBLE), struct.pack("<3h", 16384, -16384, 0)),
        (fmt_chunk(0xFFFE, 32, extension=FLOATS), struct.pack("<3f", 0.5, -0.5, 0.0)),
    ],
)
def test_every_common_coding_is_read(tmp_path, fmt, data):
    path = tmp_path / "in.wav"
    path.write_bytes(riff(fmt, data))
    CODEC.convert(path, tmp_path / "out.wav")
    assert samples_of(tmp_path / "out.wav")[0].tolist() == [16384, -16384, 0]


@pytest.mark.parametrize("declared", [0, 0xFFFFFFFF, 6])
def test_lengths_that_a_streaming_server_could_not_know_are_found(tmp_path, declared):
    path = tmp_path / "in.wav"
    path.write_bytes(riff(fmt_chunk(1, 16), struct.pack("<3h", 1, 2, 3), declared))
    assert CODEC.probe(path).frames == 3
    assert CODEC.convert(path, tmp_path / "out.wav").frames == 3


def test_too_loud_is_clipped(tmp_path):
    path = tmp_path / "in.wav"
    path.write_bytes(riff(fmt_chunk(3, 32), struct.pack("<3f", 2.0, -2.0, 0.25)))
    assert CODEC.convert(path, tmp_path / "out.wav").peak == 1.0
    assert samples_of(tmp_path / "out.wav")[0].tolist() == [32767, -32768, 8192]


def test_silence_is_called_so(tmp_path):
    conversion = CODEC.convert(wav_file(tmp_path, array("h", [0, 3, -3] * 100), 8000), tmp_path / "out.wav")
    assert conversion.silent
    assert decibels(0.0) == decibels(1e-9) == -120.0
    assert decibels(1.0) == 0.0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"hello", "format is not supported"),
        (b'{"error": "x"}', "text file"),
        (b"RIFF\0\0\0\0WAVE", "no samples"),
        (b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd", "header is incomplete"),
        (riff(b"\1\0", b"abcd"), "header is incomplete"),
        (riff(fmt_chunk(1, 16, rate=0), b"abcd"), "0 Hz"),
        (riff(fmt_chunk(1, 16, rate=20), bytes(4000)), "20 Hz"),  # a few kilobytes that would become gigabytes
        (riff(fmt_chunk(1, 16, channels=0), b"abcd"), "0 channels"),
        (riff(fmt_chunk(1, 16), b""), "no samples"),
    ],
)
def test_what_is_no_sound_is_refused_and_leaves_no_file(tmp_path, content, words):
    path = tmp_path / "in.wav"
    path.write_bytes(content)
    with pytest.raises(errors.ValidationError, match=words) as caught:
        CODEC.convert(path, tmp_path / "out.wav")
    assert caught.value.code == "unreadable_audio"
    assert caught.value.hint
    assert not (tmp_path / "out.wav").exists()


@pytest.mark.parametrize(
    "content", [b"fLaC....", b"OggS....", b"ID3\4", b"\0\0\0\x20ftypisom", riff(fmt_chunk(2, 4), b"abcd")]
)
def test_what_needs_a_decoder_is_said_so(tmp_path, content):
    path = tmp_path / "in.bin"
    path.write_bytes(content)
    for ask in (CODEC.probe, lambda each: CODEC.convert(each, tmp_path / "out.wav")):
        with pytest.raises(errors.ValidationError) as caught:
            ask(path)
        assert caught.value.code == "needs_audio_codec"
        assert caught.value.problems
    assert not (tmp_path / "out.wav").exists()


def test_a_missing_file_and_a_folder_that_can_not_be_written(tmp_path):
    with pytest.raises(errors.StorageError) as caught:
        CODEC.probe(tmp_path / "none.wav")
    assert caught.value.code == "missing_file"
    source = wav_file(tmp_path, array("h", [1, 2]), 8000)
    with pytest.raises(errors.StorageError):
        CODEC.convert(source, tmp_path / "no folder" / "out.wav")


def test_a_file_that_is_gone_between_two_looks(tmp_path, monkeypatch):
    monkeypatch.setattr("movie_director.clients.audio.wave_codec.check_kind", lambda _path: "wav")
    with pytest.raises(errors.StorageError) as caught:
        CODEC.probe(tmp_path / "none.wav")
    assert caught.value.code == "missing_file"


def test_a_header_is_checked_by_whoever_reads_it(tmp_path):
    with pytest.raises(errors.ValidationError, match="does not start"):
        read_format(io.BytesIO(b"hello"), tmp_path / "a.wav")


def test_clients_of_sound_take_a_codec_and_read_wav_without():
    assert issubclass(AudioLDMClient, AudioClient)
    assert isinstance(AudioLDMClient("http://127.0.0.1:9").codec, WaveCodec)
    codec = WaveCodec()
    assert AudioLDMClient("http://127.0.0.1:9", codec=codec, api_key="k").codec is codec


def test_a_check_ends_the_conversion_and_removes_the_file(tmp_path):
    def stop():
        raise errors.JobCancelled("stop")

    source = wav_file(tmp_path, array("h", [1] * 8000), 8000)
    with pytest.raises(errors.JobCancelled):
        CODEC.convert(source, tmp_path / "out.wav", rate=48000, check=stop)
    assert [each.name for each in tmp_path.iterdir()] == ["in.wav"]


@pytest.mark.parametrize("frames", [600, 499])
def test_what_is_longer_than_a_wav_file_can_be_is_refused(tmp_path, monkeypatch, frames):
    monkeypatch.setattr("movie_director.clients.audio.wave_codec.MAX_DATA_BYTES", 1000)
    monkeypatch.setattr(
        "movie_director.clients.audio.wave_codec._make_info", lambda found: AudioInfo("wav", 8000, 1, frames)
    )
    source = wav_file(tmp_path, array("h", [1] * 501), 8000)  # the header's word is not believed while writing either
    with pytest.raises(errors.ValidationError) as caught:
        CODEC.convert(source, tmp_path / "out.wav")
    assert caught.value.code == "audio_too_long"
    assert not (tmp_path / "out.wav").exists()


class Shrinking(io.BytesIO):
    """A file that loses its end, or its disk, once its header has been read."""

    def __init__(self, data, keep=None):
        super().__init__(data)
        self.keep = keep

    def seek(self, at, whence=0):
        if at > 12 and self.keep is not None:
            self.truncate(self.keep)
        return super().seek(at, whence)

    def read(self, size=-1):
        if self.keep is None and self.tell() > 40:
            raise OSError(5, "Input/output error")
        return super().read(size)


@pytest.mark.parametrize(
    ("keep", "kind", "words"),
    [
        (16, errors.ValidationError, "contains no samples"),
        (60, errors.ValidationError, "truncated while it was being read"),
        (61, errors.ValidationError, "truncated while it was being read"),
        (None, errors.StorageError, "Input/output error"),
    ],
)
def test_a_file_that_changes_while_it_is_read(tmp_path, monkeypatch, keep, kind, words):
    source = wav_file(tmp_path, array("h", [1] * 100), 8000)
    opened = type(source).open

    def shrinking(path, mode="r", *given, **more):
        if path.name == "out.wav" or shrinking.looked is False:
            shrinking.looked = True
            return opened(path, mode, *given, **more)
        return Shrinking(source.read_bytes(), keep)

    shrinking.looked = False  # the first look is for the kind of file
    data = source.read_bytes()
    monkeypatch.setattr(type(source), "read_bytes", lambda _path: data)
    monkeypatch.setattr(type(source), "open", shrinking)
    with pytest.raises(kind, match=words):
        CODEC.convert(source, tmp_path / "out.wav")
    assert [each.name for each in tmp_path.iterdir()] == ["in.wav"]


def test_a_disk_that_is_full_at_the_end_leaves_no_file(tmp_path, monkeypatch):
    from movie_director.clients.audio import wave_codec

    source = wav_file(tmp_path, array("h", [1] * 100), 8000)
    heads = iter([b"", OSError(28, "No space left on device")])

    def head(*_given):
        found = next(heads)
        if isinstance(found, OSError):
            raise found
        return found

    monkeypatch.setattr(wave_codec, "header", head)
    with pytest.raises(errors.StorageError) as caught:
        CODEC.convert(source, tmp_path / "out.wav")
    assert caught.value.code == "disk_full"
    assert [each.name for each in tmp_path.iterdir()] == ["in.wav"]


def test_a_sound_is_published_whole_and_never_over_another(tmp_path):
    source = wav_file(tmp_path, sine(440, 16000), 16000)
    out = tmp_path / "out"
    first, conversion = publish_sound(CODEC, source, out, "rain/../on a roof", source="tmp1.wav", rate=48000)
    second, _ = publish_sound(CODEC, source, out, "rain/../on a roof", rate=48000)
    assert first.path == out / "on a roof.wav"
    assert second.path == out / "on a roof_2.wav"
    assert (first.kind, first.media_type, first.source) == ("audio", "audio/wav", "tmp1.wav")
    assert first.size == first.path.stat().st_size == 44 + 2 * conversion.frames
    assert first.sha256 == second.sha256
    assert second.source == "in.wav"
    assert sorted(each.name for each in out.iterdir()) == ["on a roof.wav", "on a roof_2.wav"]


def test_a_sound_that_can_not_be_read_leaves_nothing_behind(tmp_path):
    source = tmp_path / "in.mp3"
    source.write_bytes(b"ID3\4")
    with pytest.raises(errors.ValidationError):
        publish_sound(CODEC, source, tmp_path / "out", "rain")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_source_is_left_as_it_is(tmp_path):
    source = wav_file(tmp_path, sine(440, 16000), 16000)
    before = Path(source).read_bytes()
    CODEC.convert(source, tmp_path / "out.wav", rate=48000, channels=2)
    assert source.read_bytes() == before
