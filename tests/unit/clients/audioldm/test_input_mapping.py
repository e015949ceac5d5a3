"""A server's inputs filled with what is asked for; logs and clocks read."""

from __future__ import annotations

import http.client
import json
import threading

import pytest

from movie_director.clients import ClientOptions, errors
from movie_director.clients.audioldm import SoundRequest, log_progress, time_estimate
from movie_director.clients.audioldm.cog.api import Prediction, failed, parse_health, parse_problems, refused
from movie_director.clients.audioldm.cog.api import _json as as_json
from movie_director.clients.audioldm.cog.schema import parse_fields
from movie_director.clients.audioldm.cog.webhook_listener import WebhookListener
from movie_director.clients.audioldm.gradio.app import make_fields
from movie_director.clients.audioldm.input_mapping import DURATION, Field, fill_inputs, parse_whole_number
from movie_director.clients.core.context import JobContext
from movie_director.clients.core.job_internals import JobInternals
from movie_director.clients.core.json_fields import parse_number
from movie_director.clients.gradio.config import parse_config
from movie_director.clients.mock.audioldm.cog_schemas import document
from movie_director.clients.mock.audioldm.server import MockAudioLDM


class Owner:
    def cancel(self, _job_id):
        return False

    def record(self, job):
        return {}

    def queue_position(self, _job):
        return None

    def dispatch(self, _job):
        pass


@pytest.fixture
def job():
    return JobContext(JobInternals("id", "audioldm", SoundRequest("rain", 5.0), Owner()), ClientOptions(), None)


def lines(job):
    return [event.line for event in job._job.log._logs] if hasattr(job._job.log, "_logs") else []


def input_for(image, **wanted):
    fields = parse_fields(document(image))
    return fill_inputs(fields, SoundRequest(**{"prompt": "rain", "duration_s": 6.0, **wanted}), 7)


def test_audioldm_s_duration_is_the_next_member_as_a_text():
    made = input_for("audioldm", guidance=30, candidates=9, steps=20)
    assert made.values == {
        "text": "rain",
        "duration": "7.5",
        "random_seed": 7,
        "guidance_scale": 20.0,
        "n_candidates": 5,
    }
    assert made.notes == (
        "duration: 7.5 instead of 6.0, the next value that this server accepts.",
        "guidance: 20.0 instead of 30, the nearest value that this server accepts.",
        "This server has no steps; the value is ignored.",
        "candidates: 5 instead of 9, the nearest value that this server accepts.",
    )


def test_the_siblings_names_are_known():
    assert input_for("audiogen", settings={"top_k": 100}).values == {
        "prompt": "rain",
        "duration": 6.0,
        "output_format": "wav",
        "top_k": 100,
    }
    assert input_for("mmaudio", negative_prompt="music", steps=20, guidance=3).values == {
        "prompt": "rain",
        "duration": 6.0,
        "seed": 7,
        "negative_prompt": "music",
        "cfg_strength": 3.0,
        "num_steps": 20,
    }
    made = input_for("stable-audio", duration_s=60.0)
    assert made.values == {"prompt": "rain", "seconds_total": 47, "seed": 7}
    assert made.of(parse_fields(document("stable-audio")), "steps") == 100
    assert made.of(parse_fields(document("stable-audio")), "candidates") is None


def test_an_image_that_makes_no_sound_is_refused():
    for nonsense in (document("image"), {}, [], None, {"components": {"schemas": {"Input": {"properties": [1]}}}}):
        with pytest.raises(errors.ProtocolError) as caught:
            parse_fields(nonsense)
        assert caught.value.code == "not_sound"


def test_schemas_of_newer_pydantic_and_odd_ones_are_read():
    properties = {
        "prompt": {"type": "string"},
        "duration": {"anyOf": [{"type": "null"}, {"type": "number", "maximum": 10}], "default": None, "x-order": 0},
        "seed": {"anyOf": [{"$ref": "#/components/schemas/gone"}], "x-order": "first"},
        "odd": 5,
        "nothing": {"type": 3, "allOf": [3]},
    }
    read = parse_fields({"components": {"schemas": {"Input": {"properties": properties, "required": 5}}}})
    assert [each.name for each in read] == ["duration", "prompt", "seed", "nothing"]
    assert (read[0].kind, read[0].maximum, read[3].kind) == ("number", 10, "string")


def test_an_unknown_setting_or_model_is_said_with_the_nearest():
    with pytest.raises(errors.ValidationError, match="has no topk; it has top_k") as caught:
        input_for("audiogen", settings={"topk": 1})
    assert caught.value.problems
    fields = (Field("text", "prompt"), Field("model", "model", choices=("audioldm-m-full", "audioldm-l-full")))
    with pytest.raises(errors.MissingResource) as missing:
        fill_inputs(fields, SoundRequest("rain", 5.0, model="audioldm-m-ful"), 1)
    assert missing.value.nearest[0] == "audioldm-m-full"
    assert (
        fill_inputs(fields, SoundRequest("rain", 5.0, model="audioldm-l-full"), 1).values["model"] == "audioldm-l-full"
    )


@pytest.mark.parametrize(
    ("field", "value", "fitted"),
    [
        (Field("a", kind="number", minimum=2.5, maximum=10, step=2.5), 6.0, 5.0),
        (Field("a", kind="number", minimum=2.5, maximum=10, step=2.5), 99, 10.0),
        (Field("a", kind="number", minimum=2.5, maximum=10, step=2.5), 0.1, 2.5),
        (Field("a", kind="number", step=0.5), 1.3, 1.5),
        (Field("a", kind="integer", maximum=5.0), 7, 5),
        (Field("a", kind="integer"), "x", None),
        (Field("a"), 7, "7"),
        (Field("a"), 2.50, "2.5"),
        (Field("a", choices=("low", "high")), 5, None),
        (Field("a", choices=(1, 2, "x")), 1.9, 2),
        (Field("a", choices=("low", "high")), "low", "low"),
    ],
)
def test_values_are_fitted(field, value, fitted):
    assert field.fit(value) == fitted
    assert type(field.fit(value)) is type(fitted)


def test_what_fits_nothing_is_left_out():
    fields = (Field("text", "prompt"), Field("output_format", "format", choices=("mp3", "flac")))
    assert fill_inputs(fields, SoundRequest("rain", 5.0), 1).values == {"text": "rain"}


def test_the_inputs_of_a_gradio_app_have_names_of_their_own():
    kinds = [
        ("textbox", "Prompt"),
        ("textbox", "More"),
        ("slider", "Odd"),
        ("slider", "Odd"),
        ("radio", "Which"),
        ("image", ""),
    ]
    listed = [{"id": at, "type": kind, "props": {"label": label}} for at, (kind, label) in enumerate(kinds)]
    dependencies = [{"inputs": [0, 1, 2, 3, 4, 5, 9], "outputs": []}]
    config = parse_config({"version": "3.34.0", "dependencies": dependencies, "components": listed})
    fields = make_fields(config, config.dependencies[0])
    assert [each.name for each in fields] == ["prompt", "More", "Odd", "Odd'", "Which", "input 5", "input 6"]
    assert [each.role for each in fields] == ["prompt", *[""] * 6]


def test_an_answer_that_is_no_json():
    assert as_json(b"{", str) is None
    assert as_json(b"[1]", str) == [1]


def test_numbers():
    assert [parse_whole_number(each) for each in (0, "7", 3.9, None, "x")] == [0, 7, 3, None, None]
    assert [parse_number(each) for each in ("2.5", 3, "nan", "x", True, None, [1])] == [
        2.5,
        3,
        None,
        None,
        None,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("line", "progress"),
    [
        ("DDIM Sampler: 40%|2/5", (0.4, 2, 5)),
        ("DDIM Sampler:  20%|██        | 40/200 [00:04<00:16,  9.81it/s]", (0.2, 40, 200)),
        ("  0%|          | 0/50 [00:00<?, ?it/s]", (0.0, 0, 50)),
        ("999%|", (1.0, None, None)),
        ("3/10 [00:01<00:02]", (0.3, 3, 10)),
        ("Sampling step 5/20", (0.25, 5, 20)),
        ("built on 11/22/2026", None),
        ("step 9/5", None),
        ("Using seed: 5", None),
    ],
)
def test_progress_bars_are_read(line, progress):
    assert log_progress.parse_progress(line) == progress


def test_a_growing_log_is_read_once_and_late_parts_are_left_out(job):
    seen = []
    job.log = seen.append
    reader = log_progress.LogReader(job, str)
    for log in ("Using seed: 12\n", "", "Using seed: 12\nA: 20%|1/5\rA: 40%|2/5\n", "Using seed: 12\n", None, 5):
        reader.take(log)
    assert seen == ["Using seed: 12"]
    assert job._job.status.progress.fraction == 0.4
    assert reader.seed == 12
    assert reader.has_progress
    assert reader.last_line == "A: 40%|2/5"
    reader.take("another log\n")
    assert seen == ["Using seed: 12", "another log"]
    assert reader.seed is None
    assert log_progress.LogReader(job, str).last_line == ""


def test_the_clock_says_nothing_until_it_has_learnt_and_never_reaches_the_end(job):
    estimates = time_estimate.Estimates()
    clock = time_estimate.Clock(job, estimates, 10.0)
    clock.learn()
    clock.report()
    progress = job._job.status.progress
    assert (progress.fraction, progress.estimated) == (None, True)
    clock.learn()
    assert estimates.estimate_seconds(10.0) is not None
    estimates.learn(0.0, 5.0)
    for seconds in (10.0, 20.0, 40.0, 20.0):
        estimates.learn(10.0, seconds)
    assert estimates.estimate_seconds(5.0) == 10.0
    clock.report()
    progress = job._job.status.progress
    assert progress.estimated
    assert progress.fraction < 0.2
    assert progress.eta_s == pytest.approx(20, abs=2)
    fractions = [time_estimate.estimate_fraction(at, 10.0) for at in (0, 5, 10, 20, 1000)]
    assert fractions == sorted(fractions)
    assert fractions[2] == pytest.approx(0.9)
    assert fractions[-1] < 1
    assert time_estimate.estimate_fraction(1.0, 0.0) == pytest.approx(0.9)


def test_refusals_and_failures_are_typed():
    detail = {"detail": [{"loc": ["body", "input", "duration"], "msg": "too long"}, {"loc": 5}, 7]}
    refusal = refused(Prediction(422, detail, "words"))
    assert isinstance(refusal, errors.ValidationError)
    assert refusal.problems == ("duration: too long.", "request: .")
    assert refused(Prediction(422, None, "words")).problems == ("words",)
    assert isinstance(refused(Prediction(409)), errors.Overloaded)
    assert refused(Prediction(500, None, "boom")).message.endswith("boom")
    assert isinstance(failed("CUDA out of memory.", "", str), errors.OutOfMemory)
    assert isinstance(failed(None, "torch.cuda.OutOfMemoryError: x", str), errors.OutOfMemory)
    assert "gave no reason" in failed(None, "", str).message
    assert parse_problems(5) == []
    assert parse_health([], str) is None
    assert parse_health({"status": "fine"}, str) is None
    assert parse_health({"status": "READY", "setup": 5}, str).log == ""


def test_answers_that_are_no_runs():
    for value in (None, [], {"status": 5}, {}):
        with pytest.raises(errors.ProtocolError):
            Prediction(200, value).run  # noqa: B018 - the property raises


def post(url, body, length=None):
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=60)
    headers = {} if length is None else {"Content-Length": length}
    connection.request("POST", f"/{path}", body, headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_listener_hears_its_own_runs_only():
    heard = []
    listener = WebhookListener()
    try:
        url = listener.address("run", heard.append)
        assert post(url, json.dumps({"status": "processing"})) == 200
        for body in (b"{", b"[1]", b"[" * 100_000):
            assert post(url, body) == 200
        assert post(url.replace("/run", "/other"), b"{}") == 200
        assert post(f"{url.rpartition('/')[0]}x/run", b"{}") == 200
        assert post(url, b"", "nonsense") in (400, 413)
        listener.forget("run")
        listener.forget("run")
        assert post(url, b"{}") == 200
    finally:
        listener.close()
    assert heard == [{"status": "processing"}]
    assert not [each for each in threading.enumerate() if each.name.startswith("movie-director-audioldm")]


def test_the_mock_knows_its_dialects():
    with pytest.raises(ValueError, match="no such dialect"):
        MockAudioLDM(dialect="cog-0.5")


def test_requests_are_checked():
    wrong = SoundRequest("", 0, guidance="x", steps=0, seed=-1, candidates=0, model=5, settings=3, sample_rate=1)
    assert len(wrong.problems()) == 9
    assert SoundRequest("rain", 1.0, guidance=0, negative_prompt="x", model="m").problems() == []


@pytest.mark.parametrize(
    ("image", "wanted", "sent"),
    [
        ("audioldm", 3.04, "5.0"),
        ("audioldm", 2.53, "2.5"),
        ("audioldm", 99.0, "20.0"),
    ],
)
def test_a_duration_is_not_shorter_than_asked_for_unless_it_must(image, wanted, sent):
    assert input_for(image, duration_s=wanted).values["duration"] == sent


@pytest.mark.parametrize(
    ("kind", "step", "wanted", "sent"),
    [("integer", None, 3.2, 4), ("integer", None, 3.04, 3), ("number", 0.5, 3.2, 3.5), ("number", None, 3.2, 3.2)],
)
def test_a_duration_in_steps_is_rounded_up(kind, step, wanted, sent):
    field = Field("duration", role=DURATION, kind=kind, step=step, minimum=1.0, maximum=10.0)
    assert field.fit(wanted) == sent
    assert type(field.fit(wanted)) is type(sent)
    assert field.fit(60) == 10
