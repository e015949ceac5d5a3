"""The trainings of RVC-WebUI's two generations: each request continues one and gets its next text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..http.context import SimulatedClock
from ..http.faults import FaultBook
from .voices import VoiceBank

Values = list[Any]
SHOWN, HIDDEN, SAME = (
    {"__type__": "update", "visible": True},
    {"__type__": "update", "visible": False},
    {"__type__": "update"},
)
ONE_CLICK, SLICING, FEATURES = "One-click training", "Data slicing", "Feature extraction"
STAGES = ("Data slicing", "F0 and HuBERT feature extraction", "Model training", "Index training")
MODEL = 2
SAVED = "saving final ckpt:Success."
LOG_LINES = 40
STEP_S = 1.0
EPOCH_S = 0.5
FAILURE = (
    'Traceback (most recent call last):\n  File "webui.py", line 653, in preprocess_dataset\n'
    "RuntimeError: Dataset preprocessing produced no valid training audio. Check the dataset and preprocessing log."
)
DONE_2023 = "训练结束, 您可查看控制台训练日志或实验文件夹下的train.log"


def parse_rate(text: str) -> int:
    return int(text.rstrip("k")) * 1000


class Trainings:
    """The main branch: one task at a time, continued by any client's requests, stopped by the unnamed buttons."""

    def __init__(self, voices: VoiceBank, clock: SimulatedClock, faults: FaultBook) -> None:
        self._voices = voices
        self._clock = clock
        self._faults = faults
        self.task: str | None = None
        self._stopped = False
        self.functions: dict[str, Callable[..., Values]] = {}
        self.generators: dict[str, Callable[..., Iterator[Values]]] = {
            "train_start_all": self._one_click,
            "train_preprocess": self._preprocess,
            "train_extract_f0_feature": self._extract,
        }
        stoppable = {9: SLICING, 12: FEATURES, 17: "Model training", 19: "Index training", 21: ONE_CLICK}
        self.stops: dict[int, Callable[..., Values]] = {
            number: lambda kind=kind: self._stop(kind) for number, kind in stoppable.items()
        }

    def forget(self) -> None:
        """Forget the task, as after a restart."""
        self.task = None

    def _stop(self, kind: str) -> Values:
        title = f"【{kind}】\nStatus："
        if self.task is None:
            return [f"{title}Not running", SHOWN, HIDDEN]
        if self.task != kind:
            return [f"{title}Cannot stop\n\n{self.task} is running; stop it before starting another task", SAME, SAME]
        self._stopped = True
        self._clock.wait(0.1)
        return [f"{title}Stopped", SHOWN, HIDDEN]

    def _begin(self, kind: str) -> str:
        """Begin a task; return the reason if another one runs, else an empty text."""
        if self.task is not None:
            return f"【{kind}】\nStatus：Waiting\n\n{self.task} is running; stop it before starting another task"
        self.task, self._stopped = kind, False
        return ""

    def _one_click(self, name: str, rate: str, _pitched: bool, folder: str, *rest: Any) -> Iterator[Values]:
        waiting = self._begin(ONE_CLICK)
        if waiting:
            yield [waiting, SAME, SAME, SAME]
            return
        yield [f"【{ONE_CLICK}】\nStatus：Starting", HIDDEN, SHOWN, SAME]
        for stage, lines in enumerate(self._stage_logs(name, epochs=int(rest[4]))):
            text = self._text("Running", stage, [])
            yield [text, HIDDEN, SHOWN, SAME]
            yield [text, HIDDEN, SHOWN, SAME]
            log: list[str] = []
            for line in lines:
                self._clock.wait(EPOCH_S if "Epoch" in line else STEP_S)
                if self._stopped:
                    self.task = None
                    yield [self._text("Stopped", stage, []), SHOWN, HIDDEN, self._voice_update()]
                    return
                log.append(line)
                if line == SAVED:
                    self._voices[name] = parse_rate(rate)
                yield [
                    self._text("Running", stage, log),
                    HIDDEN,
                    SHOWN,
                    self._voice_update() if line == SAVED else SAME,
                ]
            if stage == MODEL:
                yield [self._text("Running", stage, []), HIDDEN, SHOWN, self._voice_update()]
            if not stage and self._faults.take("training_failed", name) is not None:
                self.task = None
                yield [f"【{ONE_CLICK}】\nStatus：Failed\n\n{FAILURE}", SHOWN, HIDDEN, SAME]
                return
        self.task = None
        yield [self._text("Completed", len(STAGES), []), SHOWN, HIDDEN, self._voice_update()]

    def _stage_logs(self, name: str, epochs: int) -> Iterator[list[str]]:
        yield ["[Preprocess] start", *(f"[Preprocess] {each}/3" for each in (1, 2, 3)), "[Preprocess] done"]
        yield [f"[F0] {each}/3" for each in (1, 2, 3)]
        epoch = "{0}\tINFO\t====> Epoch: {1} [now_timestamp] | (0:00:00.50)"
        yield [*(epoch.format(name, each) for each in range(1, epochs + 1)), SAVED]
        yield ["adding"]

    def _text(self, status: str, stage: int, log: list[str]) -> str:
        parts = [f"【{ONE_CLICK}】\nStatus：{status}"]
        if stage:
            parts.append("Completed stages：\n" + "\n".join(f"✓ {each}：Succeeded" for each in STAGES[:stage]))
        if stage < len(STAGES):
            parts.append(f"Current stage：{STAGES[stage]}")
        if log:
            parts.append("\n".join(log[-LOG_LINES:]))
        return "\n\n".join(parts)

    def _voice_update(self) -> dict[str, Any]:
        return {"choices": [f"{each}.pth" for each in self._voices], "__type__": "update"}

    def _preprocess(self, folder: str, *_rest: Any) -> Iterator[Values]:
        log = ["[Preprocess] start", "[Preprocess] 1/3", "[Preprocess] 3/3", "[Preprocess] done"]
        failure = ""
        if folder.startswith("/nope"):
            log, failure = ["[Preprocess] start", f"[Preprocess][failed] FileNotFoundError: {folder}"], FAILURE
        return self._step(SLICING, SLICING, [SLICING], log, failure)

    def _extract(self, *_given: Any) -> Iterator[Values]:
        log = ["[F0] 1/3", "[F0] 3/3"]
        return self._step(FEATURES, FEATURES, ["F0 extraction", "HuBERT features"], log, "")

    def _step(self, kind: str, title: str, parts: list[str], log: list[str], failure: str) -> Iterator[Values]:
        waiting = self._begin(kind)
        if waiting:
            yield [waiting, SAME, SAME]
            return
        yield [f"【{title}】\nStatus：Starting", HIDDEN, SHOWN]
        for part in parts:
            yield [f"【{part}】\nStatus：Running", HIDDEN, SHOWN]
            for count in range(1, len(log) + 1):
                self._clock.wait(STEP_S)
                status = "Finalizing" if count == len(log) else "Running"
                yield [f"【{part}】\nStatus：{status}\n\n" + "\n".join(log[:count]), HIDDEN, SHOWN]
        self.task = None
        end = f"Failed\n\n{failure}" if failure else "Completed"
        yield [f"【{title}】\nStatus：{end}", SHOWN, HIDDEN]


class OneClickOf2023:
    """Version 2.2: no lock, no stop; each text comes when a step is done."""

    def __init__(self, voices: VoiceBank, clock: SimulatedClock, faults: FaultBook) -> None:
        self._voices = voices
        self._clock = clock
        self._faults = faults
        self._prepared: set[str] = set()
        self.functions: dict[str, Callable[..., Values]] = {"train_start": self._train}
        self.generators: dict[str, Callable[..., Iterator[Values]]] = {
            "train_start_all": self._one_click,
            "train_preprocess": lambda *_given: self._log("start preprocess", "end preprocess"),
            "train_extract_f0_feature": lambda *_given: self._log("todo-f0-3", "all-feature-done"),
        }
        self.stops: dict[int, Callable[..., Values]] = {}

    def forget(self) -> None:
        """Do nothing: this version keeps no task."""

    def _one_click(self, name: str, rate: str, _pitched: bool, folder: str, *rest: Any) -> Iterator[Values]:
        text = "Step 1: Processing data"
        yield [text]
        self._clock.wait(4 * STEP_S)
        text += f"\n\nstart preprocess\n{folder}/sample_0000.wav->Suc.\nend preprocess"
        text += "\n\nstep2:Pitch extraction & feature extraction"
        yield [text]
        self._clock.wait(6 * STEP_S)
        text += "\n\ntodo-f0-3\nf0ing,now-0,all-3,-0_0.wav\nall-feature-done\n\nStep 3a: Model training started"
        yield [text]
        self._clock.wait(EPOCH_S * int(rest[4]))
        text += "\nTraining complete. You can check the training logs in the console."
        yield [text]
        if self._faults.take("training_failed", name) is None:
            self._voices[name] = parse_rate(rate)
            self._prepared.add(name)
        yield [f"{text}\nadded_IVF_Flat\nAll processes have been completed!"]

    def _train(self, name: str, *_rest: Any) -> Values:
        if name not in self._prepared:
            raise LookupError(name)
        self._clock.wait(2 * STEP_S)
        return [DONE_2023]

    def _log(self, first: str, last: str) -> Iterator[Values]:
        for text in ("", f"{first}\n", f"{first}\n{last}\n"):
            self._clock.wait(STEP_S / 50)
            yield [text]
