"""Conversations: what is kept, what is sent, what fits, what is saved."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from support.chat import CHAT, starter
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import LiteLLMClient, errors, events
from movie_director.clients.litellm import ChatRequest, Conversation
from movie_director.clients.mock import Fault
from movie_director.clients.mock.litellm.errors import error as refusal
from movie_director.clients.mock.litellm.server import MockLiteLLM

WORDS = "The rain falls on the pier and nobody comes. "


@dataclass
class Logline:
    title: str


@pytest.fixture
def start():
    with starter() as run:
        yield run


def sent(mock, at=-1):
    return mock.requests.matching(CHAT)[at].json["messages"]


def roles(messages):
    return [each["role"] for each in messages]


def talk(conversation, turns, text=WORDS):
    for number in range(turns):
        conversation.ask(f"Turn {number}. {text}").result(HANG_GUARD_S)


@pytest.fixture
def film_talk(start):
    """A conversation of two turns, the second cut short, and its mock server."""
    mock, client = start()
    chat = Conversation(client, "You write films.", temperature=0.2)
    chat.ask("A logline").result(HANG_GUARD_S)
    chat.ask("A synopsis", max_tokens=4).result(HANG_GUARD_S)
    return mock, chat


def test_a_conversation_remembers(film_talk):
    mock, chat = film_talk
    assert roles(chat.messages) == ["system", "user", "assistant", "user", "assistant"]
    assert roles(sent(mock)) == ["system", "user", "assistant", "user"]
    assert mock.requests.matching(CHAT)[-1].json["max_tokens"] == 4
    assert chat.estimate_tokens() > 50
    assert chat.count_tokens().source == "server"


def test_a_turn_is_regenerated(film_talk):
    _, chat = film_talk
    short = chat.messages[-1]["content"]
    chat.regenerate().result(HANG_GUARD_S)
    assert chat.messages[-1]["content"] == short
    chat.regenerate(max_tokens=None).result(HANG_GUARD_S)
    assert chat.messages[-1]["content"] != short
    assert roles(chat.messages) == ["system", "user", "assistant", "user", "assistant"]


def test_a_branch_is_edited_and_the_conversation_stays(film_talk):
    _, chat = film_talk
    other = chat.branch(1)
    assert roles(other.messages) == ["system", "user", "assistant"]
    assert chat.branch().messages == chat.branch(9).messages == chat.messages
    other.edit("A dialogue").result(HANG_GUARD_S)
    assert other.messages[-1]["content"].startswith("MARA")
    assert chat.messages[1]["content"] == "A logline"


def test_one_turn_at_a_time_and_a_lost_turn_is_taken_back(start):
    mock, client = start()
    chat = Conversation(client)
    with pytest.raises(errors.ValidationError) as caught:
        chat.regenerate()
    assert caught.value.code == "nothing_asked"
    mock.inject(Fault("stall", on=CHAT))
    job = chat.ask("A logline")
    assert roles(chat.messages) == ["user"]
    with pytest.raises(errors.ValidationError) as caught:
        chat.ask("A synopsis")
    assert caught.value.code == "turn_under_way"
    mock.wait_for_request(CHAT)
    job.cancel()
    assert chat.messages == []
    mock.inject(Fault("content_policy"))
    chat.ask("A logline").exception(HANG_GUARD_S)
    assert chat.messages == []
    chat.ask("A logline").result(HANG_GUARD_S)
    before = chat.messages
    mock.inject(Fault("content_policy"))
    chat.regenerate().exception(HANG_GUARD_S)
    assert chat.messages == before
    wait_for(lambda: not client.runner.busy())


def test_tool_calls_stay_in_the_conversation(start):
    _, client = start()
    chat = Conversation(client, tools=[{"type": "function", "function": {"name": "cut", "parameters": {}}}])
    chat.ask("Cut it").result(HANG_GUARD_S)
    assert chat.messages[-1]["tool_calls"][0]["function"]["name"] == "cut"


def test_tool_calls_are_answered_in_the_conversation(start):
    mock, client = start()
    parameters = {"type": "object", "properties": {"shot": {"type": "string"}}}
    tools = [{"type": "function", "function": {"name": "cut", "parameters": parameters}}]
    chat = Conversation(client, tools=tools)
    result = chat.ask("Cut it", schema=Logline, tool_choice="required").result(HANG_GUARD_S)
    assert result.data is None
    assert len(mock.requests.matching(CHAT)) == 1
    (call,) = result.metadata["tool_calls"]
    for wrong in ({}, {"x": "done"}, {call["id"]: "done", "x": "done"}):
        with pytest.raises(errors.ValidationError) as caught:
            chat.answer_tools(wrong)
        assert caught.value.code == "wrong_tool_answers"
    mock.inject(Fault("content_policy"))
    chat.answer_tools({call["id"]: "done"}).exception(HANG_GUARD_S)
    assert roles(chat.messages) == ["user", "assistant"]
    assert chat.answer_tools({call["id"]: "done"}).result(HANG_GUARD_S).data["title"]
    body = mock.requests.matching(CHAT)[-1].json
    assert "tool_choice" not in body
    assert body["messages"][-1] == {"role": "tool", "tool_call_id": call["id"], "content": "done"}
    assert body["messages"][-2]["tool_calls"] == [call]
    assert roles(chat.messages) == ["user", "assistant", "tool", "assistant"]
    with pytest.raises(errors.ValidationError):
        Conversation(client).answer_tools({call["id"]: "done"})


def test_oldest_turns_are_left_out_when_the_window_is_full(start):
    mock, client = start(windows={"demo": 300})
    chat = Conversation(client, "You write films.", max_tokens=40)
    talk(chat, 8, WORDS * 3)
    last = sent(mock)
    assert roles(last)[0] == "system"
    assert last[0]["content"] == "You write films."
    assert last[-1]["content"].startswith("Turn 7")
    assert len(last) < len(chat.messages) - 1 == 16
    assert roles(last)[1] == "user"


def test_the_conversation_is_summed_up_once_and_the_summary_stands_for_it(start):
    mock, client = start(windows={"demo": 300})
    chat = Conversation(client, "You write films.", overflow="summarise", max_tokens=40)
    talk(chat, 12, WORDS * 3)
    summaries = [each for each in mock.requests.matching(CHAT) if "Sum up" in each.json["messages"][0]["content"]]
    assert 2 <= len(summaries) < 12
    assert "Mara has come back" in json.dumps(sent(mock))
    assert "Turn 0" not in json.dumps(sent(mock))
    assert len(chat.messages) == 25
    assert any("Mara has come back" in each.json["messages"][1]["content"] for each in summaries[1:])
    branch = chat.branch()
    branch.ask("And now?").result(HANG_GUARD_S)
    assert len(sent(mock)) < 12
    early = chat.branch(1)
    early.ask("And now?").result(HANG_GUARD_S)
    assert roles(sent(mock)) == ["system", "user", "assistant", "user"]


def test_without_a_summary_the_turns_are_left_out(start):
    mock, client = start(windows={"demo": 300})
    chat = Conversation(client, overflow="summarise", max_tokens=40)
    talk(chat, 3, WORDS * 3)
    mock.inject(Fault("content_policy", times=1))
    job = chat.ask("And now? " + WORDS * 6)
    assert job.result(HANG_GUARD_S).metadata["fit"]["summary"] == ""
    assert [each for each in job.events() if isinstance(each, events.Logged) and "without a summary" in each.line]


def test_a_window_is_learnt_from_the_server_s_refusal(start):
    mock, client = start(windows={"demo": 300}, dialect="openai")
    chat = Conversation(client, max_tokens=20)
    talk(chat, 10, WORDS * 3)
    assert client.profile_cache.window("demo") == 300
    assert len(sent(mock)) < 19
    refused = client.submit(ChatRequest(messages=chat.messages, max_tokens=20)).exception(HANG_GUARD_S)
    assert isinstance(refused, errors.ContextWindowExceeded)
    assert client.submit(ChatRequest(messages=chat.messages, overflow="trim", max_tokens=20)).result(HANG_GUARD_S).text


def test_a_learnt_window_goes_with_the_next_look_at_the_server_or_the_next_refusal(start):
    mock, client = start(windows={"demo": 300}, dialect="openai")
    chat = Conversation(client, max_tokens=20)
    talk(chat, 10, WORDS * 3)
    assert client.profile_cache.window("demo") == 300
    client.count_tokens(chat.messages)
    assert client.profile_cache.window("demo") == 300
    mock.windows["demo"] = 900
    client.profile_cache.learn_window("demo", 900)
    assert client.profile_cache.window("demo") == 900
    client.probe()
    assert client.profile_cache.window("demo") is None
    client.profile_cache.learn_window("demo", 300)
    mock.windows["other"] = 500
    client.profile_cache.forget()
    client.count_tokens(chat.messages)
    assert client.profile_cache.window("demo") is None


class Vague(MockLiteLLM):
    """Refuses long conversations without saying how long they may be."""

    def _chat(self, request):
        if len(request.json()["messages"]) > 5:
            return refusal(400, "the request exceeds the available context size, try increasing it", "invalid")
        return super()._chat(request)


def test_a_window_is_guessed_where_the_refusal_names_none_and_the_user_s_counts(start):
    mock, client = start(server=Vague, windows={"demo": None})
    chat = Conversation(client, max_tokens=20)
    talk(chat, 4)
    assert len(sent(mock)) <= 5
    assert client.profile_cache.window("demo") is None  # a guess is good for its job only
    few = chat.ask("And then?", window=60).result(HANG_GUARD_S)
    assert few.metadata["fit"]["window"] == 60
    assert few.metadata["fit"]["dropped"] > 0


def test_the_count_is_corrected_where_the_server_counts_more(start):
    mock, client = start(windows={"demo": 300})
    client.profile_cache.meter.learn("demo", [{"role": "user", "content": "x " * 100}], 1)
    chat = Conversation(client, max_tokens=20)
    talk(chat, 1, WORDS * 9)
    client.profile_cache.meter.learn("demo", [{"role": "user", "content": "x " * 100}], 1, weight=1.0)
    talk(chat, 2, WORDS * 9)
    assert len(mock.requests.matching(CHAT)) > 3
    assert client.profile_cache.meter.ratio("demo") > 0.5


def test_one_turn_that_is_too_long_is_refused(start):
    _, client = start(windows={"demo": 300})
    job = Conversation(client).ask("rain " * 600)
    assert isinstance(job.exception(HANG_GUARD_S), errors.ContextWindowExceeded)


def test_a_conversation_is_saved_and_loaded(start, tmp_path):
    _, client = start(windows={"demo": 300})
    chat = Conversation(client, "You write films.", overflow="summarise", max_tokens=40)
    talk(chat, 6, WORDS * 3)
    path = tmp_path / "chat.json"
    chat.save(path)
    again = Conversation.load(client, path)
    assert again.to_dict() == chat.to_dict()
    assert again.messages == chat.messages
    assert [each.name for each in tmp_path.iterdir()] == ["chat.json"]
    again.ask("And now?").result(HANG_GUARD_S)


def test_a_conversation_with_a_dataclass_and_files_is_saved(start, tmp_path):
    mock, client = start(windows={"vision": 3000})
    (tmp_path / "a.png").write_bytes(b"png")
    chat = Conversation(client, schema=Logline, images=[tmp_path / "a.png"])
    chat.ask("A logline").result(HANG_GUARD_S)
    chat.ask("Another", schema=Logline, temperature=0.5).result(HANG_GUARD_S)
    chat.save(tmp_path / "chat.json")
    again = Conversation.load(client, tmp_path / "chat.json")
    assert again.to_dict() == chat.to_dict()
    again.regenerate().result(HANG_GUARD_S)
    body = mock.requests.matching(CHAT)[-1].json
    assert body["temperature"] == 0.5
    assert body["response_format"]["json_schema"]["name"] == "Logline"
    assert body["messages"][-1]["content"][1]["image_url"]["url"] == "data:image/png;base64,cG5n"


def pictures(message):
    content = message["content"] if isinstance(message["content"], list) else []
    return [part["image_url"]["url"] for part in content if part["type"] == "image_url"]


@pytest.fixture
def picture_talk(start, tmp_path):
    """A conversation about a picture, asked with a temperature, and its mock server."""
    mock, client = start(windows={"vision": 3000})
    (tmp_path / "a.png").write_bytes(b"png")
    chat = Conversation(client)
    chat.ask("What is it?", images=[tmp_path / "a.png"], temperature=0.5).result(HANG_GUARD_S)
    return mock, chat


def test_the_pictures_and_changes_of_a_turn_stay_with_it(picture_talk):
    mock, chat = picture_talk
    address = "data:image/png;base64,cG5n"
    chat.regenerate(top_p=0.5).result(HANG_GUARD_S)
    body = mock.requests.matching(CHAT)[-1].json
    assert pictures(sent(mock)[-1]) == [address]
    assert (body["temperature"], body["top_p"]) == (0.5, 0.5)
    chat.edit("What is it really?").result(HANG_GUARD_S)
    assert sent(mock)[-1]["content"][0]["text"] == "What is it really?"
    assert pictures(sent(mock)[-1]) == [address]
    chat.branch().regenerate().result(HANG_GUARD_S)
    assert mock.requests.matching(CHAT)[-1].json["temperature"] == 0.5
    assert chat.count_tokens().tokens > 0
    assert "base64" not in json.dumps(chat.to_dict())


def test_what_a_lost_turn_changed_is_not_kept(picture_talk):
    mock, chat = picture_talk
    mock.inject(Fault("content_policy"))
    chat.ask("And now?", temperature=1.5).exception(HANG_GUARD_S)
    chat.regenerate(images=["http://host/b.png"]).result(HANG_GUARD_S)
    assert pictures(sent(mock)[-1]) == ["http://host/b.png"]
    assert mock.requests.matching(CHAT)[-1].json["temperature"] == 0.5
    chat.ask("And now?").result(HANG_GUARD_S)
    assert [pictures(each) for each in sent(mock)] == [["http://host/b.png"], [], []]
    assert "temperature" not in mock.requests.matching(CHAT)[-1].json


@pytest.mark.parametrize(("text", "images"), [("", []), ("What is it?", [5])])
def test_a_turn_without_words_or_with_no_picture_is_refused(picture_talk, text, images):
    _, chat = picture_talk
    with pytest.raises(errors.ValidationError):
        chat.ask(text, images=images)


def test_files_that_are_no_conversation(tmp_path):
    client = LiteLLMClient("http://127.0.0.1:9")
    whole = Conversation(client, "You write films.").to_dict()
    wrong = ["", "[]", "{}", json.dumps({**whole, "version": 9})]
    wrong += [json.dumps({**whole, "messages": [{"role": "king"}]}), json.dumps({**whole, "messages": [5]})]
    for text in wrong:
        (tmp_path / "chat.json").write_text(text, encoding="utf-8")
        with pytest.raises(errors.ValidationError) as caught:
            Conversation.load(client, tmp_path / "chat.json")
        assert caught.value.code == "invalid_conversation"
    with pytest.raises(errors.StorageError):
        Conversation.load(client, tmp_path / "missing.json")
    with pytest.raises(errors.StorageError):
        Conversation(client).save(tmp_path / "no folder" / "chat.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(errors.StorageError):
        Conversation(client).save(tmp_path / "folder")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["chat.json", "folder"]
