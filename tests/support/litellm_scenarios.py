"""Which tests cover which recorded scenario of LiteLLM: ``docs/litellm-recordings.md`` is written from this table.

A test is named as ``file::function``; the replay test takes every scenario with chat calls by itself.
"""

REPLAY = "tests/integration/litellm/test_recordings.py::test_every_recorded_chat_call_ends_as_it_should"
SHAPES = "tests/integration/litellm/test_recordings.py::test_the_mock_s_streams_have_the_recorded_shapes"
ERRORS = "tests/integration/litellm/test_recordings.py::test_the_mock_s_refusals_have_the_recorded_shapes"
LISTS = "tests/integration/litellm/test_recordings.py::test_the_mock_s_small_answers_have_the_recorded_shapes"
KEYS = "tests/integration/litellm/test_recordings.py::test_the_mock_guards_its_routes_as_recorded"
PROBE = "tests/integration/litellm/test_recordings.py::test_probe_reads_the_recorded_lists"
CHAT = "tests/integration/litellm/test_chat.py"

SCENARIOS: dict[str, tuple[str, ...]] = {
    "auth": (REPLAY, KEYS, f"{CHAT}::test_keys"),
    "auth_none": (PROBE,),
    "auth_with_prisma": (REPLAY,),
    "chat_nonstream": (REPLAY,),
    "completions_embeddings": (
        "tests/integration/litellm/test_recordings.py::test_what_the_client_does_not_use_is_left_alone",
    ),
    "disconnect_before_first_token": (f"{CHAT}::test_cancel_before_the_first_token_says_what_is_known_of_the_server",),
    "disconnect_midstream": (REPLAY, f"{CHAT}::test_cancel_in_mid_stream_stops_the_server_at_once"),
    "disconnect_nonstream": (f"{CHAT}::test_stream_false_leaves_out_the_deltas_only",),
    "errors": (REPLAY, ERRORS),
    "errors_bad_request": (REPLAY, LISTS),
    "errors_retry_policy": (REPLAY, f"{CHAT}::test_refusals_are_typed_and_not_repeated"),
    "health": (LISTS,),
    "models_info": (PROBE, LISTS),
    "response_format": (REPLAY, "tests/integration/litellm/test_servers.py::test_the_way_to_ask_is_found_once_a_model"),
    "stream_429": (REPLAY, ERRORS),
    "stream_basic": (REPLAY, SHAPES),
    "stream_ctx": (REPLAY, ERRORS),
    "stream_error_before_first": (REPLAY, ERRORS),
    "stream_length": (REPLAY, SHAPES),
    "stream_mid_drop": (REPLAY, SHAPES),
    "stream_mid_error": (REPLAY, SHAPES),
    "stream_mock": (REPLAY,),
    "stream_reasoning": (REPLAY, SHAPES),
    "stream_stall": (REPLAY, SHAPES),
    "stream_thinktag": (REPLAY, SHAPES),
    "stream_tools": (REPLAY, SHAPES),
    "stream_upstream_no_done": (REPLAY,),
    "stream_upstream_no_usage": (REPLAY, SHAPES),
    "stream_usage": (REPLAY, SHAPES),
    "token_counter": (LISTS,),
}
