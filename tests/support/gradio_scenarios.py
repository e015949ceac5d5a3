"""Which tests cover which recorded scenario of Gradio: ``docs/gradio-recordings.md`` is written from this table.

A test is named as ``file::function``; the replay takes every scenario with calls by itself, the mock is compared with
all.
"""

REPLAY = "tests/unit/clients/gradio/test_recordings.py::test_every_recorded_call_ends_as_it_should"
SMALL = "tests/unit/clients/gradio/test_recordings.py::test_calls_without_a_stream_end_as_they_should"
MOCK = "tests/unit/clients/mock/gradio/test_shapes.py::test_the_mock_answers_as_the_recorded_server_did"
SESSION = "tests/integration/gradio/test_session.py"
ACCESS = "tests/unit/clients/gradio/test_http.py"
FAULTS = "tests/integration/gradio/test_faults.py"

SCENARIOS: dict[str, tuple[str, ...]] = {
    "auth_login": (REPLAY, MOCK, f"{ACCESS}::test_it_signs_in_where_the_server_wants_it"),
    "cancel_event_endpoint": (REPLAY, MOCK, f"{SESSION}::test_the_server_cancels_once_it_is_told"),
    "cancel_plain_function": (REPLAY, MOCK, f"{SESSION}::test_the_server_cancels_once_it_is_told"),
    "cancel_while_queued": (REPLAY, MOCK),
    "cancels_dependency": (REPLAY, MOCK),
    "client_disconnect_mid_job": (
        REPLAY,
        MOCK,
        f"{SESSION}::test_a_lost_stream_ends_its_calls_and_says_what_can_be_asked",
    ),
    "config_info": (
        "tests/unit/clients/mock/gradio/test_shapes.py::test_config_and_info_have_the_recorded_keys",
        "tests/unit/clients/gradio/test_config.py::test_every_generation_is_read",
    ),
    "error_bad_requests": (REPLAY, SMALL, MOCK, f"{FAULTS}::test_refused_calls_are_typed_and_sent_once"),
    "error_exception": (REPLAY, MOCK, f"{SESSION}::test_errors_in_the_server_s_words_or_without"),
    "error_gr_error": (REPLAY, MOCK, f"{SESSION}::test_errors_in_the_server_s_words_or_without"),
    "files_upload_download": (REPLAY, MOCK, f"{ACCESS}::test_files_go_both_ways"),
    "generator_progress_diffs": (REPLAY, MOCK, f"{SESSION}::test_a_generator_with_progress"),
    "gr_update_output": (REPLAY, MOCK, f"{SESSION}::test_a_component_update_is_unwrapped"),
    "heartbeat_idle_sse": (REPLAY, MOCK),
    "huge_output_64MiB": (REPLAY, MOCK),
    "limits_queue_full_max_file_show_error": (
        REPLAY,
        SMALL,
        MOCK,
        f"{SESSION}::test_a_full_queue_is_told",
        f"{ACCESS}::test_a_file_over_the_limit_is_not_sent_where_the_limit_is_known",
    ),
    "log_info_warning": (REPLAY, MOCK, f"{SESSION}::test_messages_go_to_a_listener"),
    "predict_simple_types": (REPLAY, SMALL, MOCK, f"{SESSION}::test_a_plain_call"),
    "queue_rank_eta": (REPLAY, MOCK),
    "reconnect_unknown_session": (MOCK, f"{FAULTS}::test_every_early_end_of_the_stream_says_so"),
    "reset_endpoint": (REPLAY, MOCK),
    "session_state": (REPLAY, MOCK, f"{SESSION}::test_state_stays_with_the_session"),
    "simple_call_api": (MOCK,),
    "tqdm_progress": (REPLAY, MOCK),
    "whoami_request": (REPLAY, MOCK),
}
