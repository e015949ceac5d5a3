"""rvc-python's own API server, with a stub for what converts: run by the interpreter that has the package.

``python rvc_python_app.py PORT MODELS_DIR SEEN``: each conversion is noted as a line of JSON in the file SEEN. The stub
gives back the recording at the voice's rate. A voice whose name has "broken" in it fails as one without its base model
does, one with "slow" takes seconds.
"""

import json
import struct
import sys
import threading
import types
import wave
from pathlib import Path

PORT, MODELS, SEEN = sys.argv[1], sys.argv[2], Path(sys.argv[3])
RATE = 40_000
SLOW_S = 3.0


class VC:
    """Stands for the pipeline of torch, fairseq and faiss."""

    def __init__(self, _folder, _config):
        self.tgt_sr = RATE
        self.device = ""
        self.voice = ""

    def get_vc(self, path, _version):
        if Path(path).read_bytes() == b"broken":
            raise RuntimeError("PytorchStreamReader failed reading zip archive: failed finding central directory")
        self.voice = Path(path).parent.name

    def vc_single(self, input_audio_path, **given):
        with wave.open(input_audio_path) as file:
            form = (file.getframerate(), file.getnchannels(), file.getsampwidth(), file.getnframes())
        given.pop("file_index")
        with SEEN.open("a", encoding="utf-8") as seen:
            seen.write(json.dumps({"voice": self.voice, "form": form, **given}) + "\n")
        if "slow" in self.voice:
            threading.Event().wait(SLOW_S)
        if "failing" in self.voice:
            return "Traceback (most recent call last): ...", (None, None)
        return round(form[3] * RATE / form[0])


def write(path, rate, frames):
    """What scipy's does: refuse what is no array."""
    if not isinstance(frames, int):
        raise AttributeError("'tuple' object has no attribute 'dtype'")
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"".join(struct.pack("<h", (at * 197) % 16_000 - 8_000) for at in range(frames)))


def stub(name, **members):
    module = types.ModuleType(name)
    module.__dict__.update(members)
    sys.modules[name] = module


stub("soundfile")
stub("scipy")
stub("scipy.io", wavfile=types.SimpleNamespace(write=write))
stub("rvc_python.modules.vc.modules", VC=VC)
stub("rvc_python.configs.config", Config=lambda _folder, device: types.SimpleNamespace(device=device))
stub("rvc_python.download_model", download_rvc_models=lambda _folder: None)

from rvc_python.__main__ import main  # noqa: E402 - it imports what is stubbed above

sys.argv = ["rvc_python", "api", "-md", MODELS, "-p", PORT]
main()
