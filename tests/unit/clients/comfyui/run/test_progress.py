"""How far a run is: from recorded messages of three releases, and from messages that are odd."""

import pytest
from support.recordings import COMFYUI_VERSIONS, comfyui, exchanges, messages

from movie_director.clients.comfyui.run.progress import ProgressTracker


def node(class_type, title=None, **inputs):
    return {"class_type": class_type, "inputs": inputs} | ({"_meta": {"title": title}} if title else {})


CHAIN = {
    "1": node("Loader", "Load"),
    "2": node("KSampler", "Sample", model=["1", 0]),
    "3": node("SaveImage", "Save", images=["2", 0]),
    "9": node("Lonely", "Not needed", x=1),
}


class Clock:
    """A clock that the test turns."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def tracker(prompt=CHAIN, outputs=("3",), clock=None):
    return ProgressTracker(prompt, outputs, clock or Clock())


def state(node_id, value, most, state="running", display=None):
    return {"value": value, "max": most, "state": state, "node_id": node_id, "display_node_id": display or node_id}


def recorded_runs():
    for version in COMFYUI_VERSIONS:
        for scenario in ("run_simple", "run_cached", "reconnect_midjob", "previews_flag_on", "expand_and_async"):
            lines = comfyui(version, scenario)
            for exchange in exchanges(lines, "POST", "/prompt"):
                prompt_id = exchange.answer.get("json", {}).get("prompt_id", "")
                if any(kind == "execution_success" for kind, _ in messages(lines, prompt_id)):
                    name = f"{version} {scenario} {exchange.request['id']}"
                    yield pytest.param(exchange.request["json"]["prompt"], messages(lines, prompt_id), id=name)


@pytest.mark.parametrize(("prompt", "told"), list(recorded_runs()))
def test_a_recorded_run_goes_from_nothing_to_all_and_never_back(prompt, told):
    made = ProgressTracker(prompt)
    fractions = [0.0]
    for kind, data in told:
        if made.take(kind, data):
            fractions.append(made.snapshot().fraction)
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)


def test_nodes_that_no_output_needs_do_not_count():
    made = tracker()
    made.take("executing", {"node": "1"})
    made.take("executing", {"node": "2"})
    assert made.snapshot().fraction == pytest.approx(1 / 12)
    assert made.snapshot().stage == "Sample"


def test_without_known_outputs_every_node_that_feeds_no_other_counts_as_one():
    made = tracker(outputs=None)
    made.take("executing", {"node": "1"})
    made.take("executing", {"node": "2"})
    assert made.snapshot().fraction == pytest.approx(1 / 13)


def test_cached_nodes_are_taken_off():
    made = tracker()
    made.take("execution_cached", {"nodes": ["1", "77"]})
    made.take("progress", {"node": "2", "value": 5, "max": 10})
    assert made.snapshot().fraction == pytest.approx(5 / 11)


def test_a_run_that_is_all_cached_is_done():
    made = tracker()
    assert made.snapshot().fraction == 0.0
    made.take("execution_cached", {"nodes": ["1", "2", "3"]})
    assert made.snapshot().fraction == 1.0


def test_an_unknown_prompt_is_not_done_before_it_began():
    made = tracker({}, None)
    assert made.snapshot().fraction == 0.0
    made.take("progress", {"node": "5", "value": 1, "max": 2})
    assert made.snapshot().fraction == 0.5
    assert made.snapshot().stage == "5"


def test_the_old_style_finishes_a_node_when_the_next_is_named():
    made = tracker()
    steps = []
    for told in (
        ("executing", {"node": "1"}),
        ("executing", {"node": "2"}),
        ("progress", {"node": "2", "value": 1, "max": 4}),
        ("executing", {"node": "2"}),
        ("progress", {"node": "2", "value": 4, "max": 4}),
        ("executing", {"node": "3"}),
        ("executing", {"node": None}),
    ):
        assert made.take(*told)
        now = made.snapshot()
        steps.append((round(now.fraction * 12, 3), now.step, now.total_steps, now.stage))
    assert steps == [
        (0, None, None, "Load"),
        (1, None, None, "Sample"),
        (3.5, 1, 4, "Sample"),
        (3.5, 1, 4, "Sample"),
        (11, 4, 4, "Sample"),
        (11, None, None, "Save"),
        (12, None, None, ""),
    ]


def test_the_new_style_takes_the_states_at_their_word():
    made = tracker()
    made.take("progress_state", {"nodes": {"1": state("1", 1, 1, "finished"), "2": state("2", 3, 10)}})
    now = made.snapshot()
    assert now.fraction == pytest.approx(4 / 12)
    assert (now.step, now.total_steps, now.stage) == (3, 10, "Sample")
    made.take("executing", {"node": "3"})
    assert made.snapshot().fraction == pytest.approx(4 / 12), "with states, the next node's name finishes nothing"


def test_children_of_an_expanded_node_stand_for_it():
    made = tracker()
    nodes = {
        "2": state("2", 0, 1),
        "2.0.0.1": state("2.0.0.1", 1, 1, "finished", display="2"),
        "2.0.0.2": state("2.0.0.2", 1, 2, display="2"),
    }
    made.take("progress_state", {"nodes": nodes})
    assert made.snapshot().fraction == pytest.approx(10 * 0.75 / 12)


def test_expanded_nodes_are_shown_as_the_node_they_stand_for():
    made = tracker()
    made.take("executing", {"node": "2.0.0.1", "display_node": None})
    assert made.snapshot().stage == "Sample"
    made.take("executing", {"node": "2.0.0.9", "display_node": "1"})
    assert made.snapshot().stage == "Load"


@pytest.mark.parametrize("as_states", [False, True], ids=["progress", "progress_state"])
@pytest.mark.parametrize(
    "class_types", [("Upscale",), ("KSampler",), ("Upscale", "Interpolate"), ("Upscale", "KSampler")]
)
def test_every_step_of_every_node_moves_the_bar(class_types, as_states):
    """Whatever its class is called, and after however many nodes without steps."""
    prompt = {str(each): node("Light", x=1) for each in range(9)}
    prompt |= {class_type: node(class_type, x=1) for class_type in class_types}
    made = tracker(prompt, list(prompt))
    finished = {node_id: state(node_id, 1, 1, "finished") for node_id in prompt if node_id not in class_types}
    for node_id in finished:
        made.take("executing", {"node": node_id})
    if as_states:
        made.take("progress_state", {"nodes": finished})
    fractions = [made.snapshot().fraction]
    for node_id in class_types:
        made.take("executing", {"node": node_id})
        for step in range(1, 21):
            kind = "progress_state" if as_states else "progress"
            running = {
                "nodes": {**finished, node_id: state(node_id, step, 20)},
                "node": node_id,
                "value": step,
                "max": 20,
            }
            made.take(kind, running)
            before, now = fractions[-1], made.snapshot().fraction
            assert now > before or (now == before and step == 1), "the first step may tell of more work"
            fractions.append(now)
        finished[node_id] = state(node_id, 20, 20, "finished")
    assert fractions[-1] == pytest.approx(1.0)


def test_a_node_with_a_second_bar_does_not_go_back():
    made = tracker()
    made.take("progress", {"node": "2", "value": 10, "max": 10})
    before = made.snapshot().fraction
    made.take("progress", {"node": "2", "value": 1, "max": 10})
    assert made.snapshot().fraction == before
    assert made.snapshot().step == 1


def test_a_node_that_was_not_foreseen_makes_the_whole_longer_but_never_goes_back():
    made = tracker()
    made.take("progress", {"node": "2", "value": 10, "max": 10})
    before = made.snapshot().fraction
    made.take("progress", {"node": "50", "value": 0, "max": 1000})
    assert made.snapshot().fraction == before
    for node_id in ("1", "3", "50"):
        made.take("progress", {"node": node_id, "value": 7, "max": 7})
    assert made.snapshot().fraction == 1.0


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("progress", {"node": "2", "value": 5, "max": 0}),
        ("progress", {"node": "2", "value": -5, "max": 10}),
        ("progress", {"node": "2", "value": "5", "max": "10"}),
        ("progress", {"node": "2", "value": float("nan"), "max": float("inf")}),
        ("progress", {"node": "2", "value": True, "max": None}),
        ("progress", {"value": 1, "max": 2}),
        ("progress", {}),
        ("execution_cached", {"nodes": None}),
        ("execution_cached", {"nodes": "12"}),
        ("executing", {"node": True}),
        ("executing", {"node": ["2"]}),
        ("progress_state", {"nodes": None}),
        ("progress_state", {"nodes": {"2": None}}),
        ("progress_state", {"nodes": {"2": {}}}),
        ("progress_state", {"nodes": {"": {"state": "running", "display_node_id": ""}}}),
        ("progress_state", {"nodes": {5: {"state": "running", "display_node_id": 7.5}}}),
        ("progress_state", {"nodes": {"2": {"state": "pending", "value": 9, "max": 9}}}),
        ("progress_state", {"nodes": {"2.1": {"state": "running", "display_node_id": 5}}}),
    ],
)
def test_odd_numbers_and_forms_count_as_nothing_done(kind, data):
    made = tracker()
    assert made.take(kind, data)
    assert made.snapshot().fraction == 0.0


def test_more_than_the_whole_is_the_whole():
    made = tracker()
    made.take("progress", {"node": "2", "value": 99, "max": 10})
    assert made.snapshot().step == 10
    assert made.snapshot().fraction == pytest.approx(10 / 12)


def test_progress_without_a_node_is_the_running_one_s():
    made = tracker()
    made.take("executing", {"node": "2"})
    made.take("progress", {"node": None, "value": 5, "max": 10})
    assert made.snapshot().step == 5


def test_progress_after_a_reconnect_says_which_node_runs():
    made = tracker()
    made.take("progress", {"node": "2", "value": 5, "max": 10})
    assert made.snapshot().stage == "Sample"


def test_other_messages_change_nothing():
    made = tracker()
    assert not made.take("status", {})
    assert not made.take("executed", {"node": "2"})


def test_the_time_left_is_told_once_it_can_be_guessed():
    clock = Clock()
    made = tracker(clock=clock)
    made.take("execution_cached", {"nodes": ["1", "3"]})
    clock.now = 1.0
    made.take("progress", {"node": "2", "value": 1, "max": 10})
    assert made.snapshot().eta_s is None, "too soon"
    clock.now = 10.0
    made.take("progress", {"node": "2", "value": 2, "max": 10})
    assert made.snapshot().eta_s == pytest.approx(40.0)
    made.take("progress", {"node": "2", "value": 10, "max": 10})
    assert made.snapshot().eta_s == 0.0
