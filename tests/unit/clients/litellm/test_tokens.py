"""How many tokens a text has."""

from __future__ import annotations

import pytest

from movie_director.clients.litellm.tokens import TokenMeter, estimate_messages, estimate_text

PROSE = (
    "The old lighthouse keeper climbed the iron stairs one last time. Below him the storm threw itself against the"
    " rocks, and somewhere out in the darkness a ship was looking for his light. He had promised nobody anything,"
    " and yet he had never once let the lamp go out."
)


CODE = """def shots(script):
    \"\"\"Return the shots.\"\"\"
    found = []
    for line in script.splitlines():
        if line.startswith(("INT.", "EXT.")):
            found.append({"scene": line, "seconds": 4.0})
    return found
"""


CHINESE = (
    "老灯塔看守人最后一次爬上铁楼梯。暴风雨在他脚下拍打着岩石，黑暗中有一艘船正在寻找他的灯光。"
    "他从未向任何人许下诺言，却一次也没有让灯熄灭。"
)


SAMPLES = {"prose": (PROSE, 55, 0.10), "code": (CODE, 53, 0.30), "Chinese": (CHINESE, 97, 0.25)}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_estimate_is_as_far_off_as_it_says(name):
    text, true, allowed = SAMPLES[name]
    assert abs(estimate_text(text) / true - 1) <= allowed


def test_messages_cost_more_than_their_text():
    assert estimate_messages([]) == 3
    assert estimate_messages([{"role": "user", "content": "rain"}]) == 3 + 4 + estimate_text("rain")
    shown = {"role": "user", "content": [{"type": "text", "text": "rain"}, {"type": "image_url"}]}
    assert estimate_messages([shown]) == 3 + 4 + estimate_text("rain") + 1000
    assert estimate_messages([{"role": "assistant", "content": None, "tool_calls": [{"id": "x"}]}]) > 7


def test_the_meter_learns_each_model_s_ratio():
    meter, messages = TokenMeter(), [{"role": "user", "content": "x " * 200}]
    estimate = estimate_messages(messages)
    assert meter.tokens("m", messages) == round(1.2 * estimate)
    for nonsense in (None, 0, -5, "9", 2.5):
        meter.learn("m", messages, nonsense)
    meter.learn("m", [{"role": "user", "content": "hi"}], 30)  # its template, mostly
    assert not meter.knows("m")
    meter.learn("m", messages, round(estimate * 2))
    assert meter.knows("m")
    assert meter.ratio("m") == pytest.approx(2, abs=0.02)
    meter.learn("m", messages, round(estimate))
    assert meter.ratio("m") == pytest.approx(1.7, abs=0.02)
    meter.learn("n", messages, 10**9)
    assert meter.ratio("n") == 3.0
    assert meter.ratio("other") == 1.2
