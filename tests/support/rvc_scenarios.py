"""Which tests cover which recorded scenario of the RVC servers: ``docs/rvc-recordings.md`` is written from this table.

A test is named as ``file::function``. Rows are named by the folder of the server and the scenario.
"""

RECORDINGS = "tests/integration/rvc/test_recordings.py"
CONVERT = "tests/integration/rvc/test_convert.py"
APPLIO = "tests/integration/rvc/test_applio.py"
WEBUI = "tests/integration/rvc/test_webui.py"
LEFT_ALONE = f"{RECORDINGS}::test_the_queue_of_the_page_is_not_used_but_what_it_leaves_behind_is_known"
TRAININGS = f"{RECORDINGS}::test_the_mock_s_trainings_tell_what_was_recorded"
BY_NAME = f"{RECORDINGS}::test_by_its_name_a_generator_of_2023_starts_anew_each_time"

SCENARIOS: dict[str, tuple[str, ...]] = {
    "rvc-python-0.1.5/probe": (
        f"{RECORDINGS}::test_rvc_python_is_recognised_by_its_recording",
        f"{RECORDINGS}::test_the_mock_rvc_python_has_the_recorded_shapes",
    ),
    "rvc-python-0.1.5/models": (
        f"{RECORDINGS}::test_the_mock_rvc_python_has_the_recorded_shapes",
        f"{CONVERT}::test_a_phantom_in_the_list_is_found_out_when_it_is_loaded",
    ),
    "rvc-python-0.1.5/params": (f"{RECORDINGS}::test_the_mock_rvc_python_has_the_recorded_shapes",),
    "rvc-python-0.1.5/convert": (
        f"{RECORDINGS}::test_the_mock_rvc_python_has_the_recorded_shapes",
        f"{RECORDINGS}::test_resampling_by_the_server_plays_slow_and_is_never_asked_for",
    ),
    "rvc-python-0.1.5/upload_model": (f"{RECORDINGS}::test_the_mock_rvc_python_has_the_recorded_shapes",),
    "rvc-python-0.1.5/blocking": (
        f"{RECORDINGS}::test_the_mock_is_mute_while_it_converts_as_recorded",
        f"{CONVERT}::test_a_mute_server_is_not_down",
    ),
    "rvc-python-0.1.5/disconnect": (
        f"{RECORDINGS}::test_the_mock_is_mute_while_it_converts_as_recorded",
        f"{CONVERT}::test_cancel_ends_the_job_at_once_and_keeps_the_lane_until_the_server_is_free",
    ),
    **{
        f"{server}/{scenario}": tests
        for server in ("rvc-webui-main-gradio-3.14", "rvc-webui-2.2.231006-gradio-3.34")
        for scenario, tests in {
            "probe": (
                f"{RECORDINGS}::test_the_recorded_webui_is_recognised",
                f"{RECORDINGS}::test_the_mock_webui_has_the_recorded_functions_and_small_answers",
            ),
            "models_and_load": (f"{RECORDINGS}::test_the_mock_webui_answers_as_recorded",),
            "infer_convert": (
                f"{RECORDINGS}::test_the_mock_webui_answers_as_recorded",
                f"{WEBUI}::test_errors_that_hide_in_good_answers_are_found",
            ),
            "queue_ws_convert": (LEFT_ALONE,),
            "queue_ws_train": (
                LEFT_ALONE,
                f"{WEBUI}::test_an_abandoned_training_keeps_the_server_busy_until_it_is_seen_out",
            ),
        }.items()
    },
    "rvc-webui-2.2.231006-gradio-3.34/upload_then_convert": (f"{RECORDINGS}::test_the_mock_webui_answers_as_recorded",),
    "rvc-webui-main-gradio-3.14/train_all_http_iterate": (
        TRAININGS,
        f"{WEBUI}::test_a_voice_is_trained_with_stages_and_epochs_and_can_be_used",
    ),
    "rvc-webui-main-gradio-3.14/train_steps": (TRAININGS,),
    "rvc-webui-main-gradio-3.14/train_busy_and_stop": (
        f"{RECORDINGS}::test_the_mock_s_main_branch_is_busy_and_stopped_as_recorded",
        f"{WEBUI}::test_a_training_of_somebody_else_is_not_waited_for",
        f"{WEBUI}::test_cancel_stops_the_trainer_and_sees_the_generator_out",
    ),
    "rvc-webui-2.2.231006-gradio-3.34/train_all_http_fn_index": (
        TRAININGS,
        f"{WEBUI}::test_the_older_one_is_trained_too_by_the_steps_that_it_tells",
    ),
    "rvc-webui-2.2.231006-gradio-3.34/train_all_http_iterate": (BY_NAME,),
    "rvc-webui-2.2.231006-gradio-3.34/train_steps": (BY_NAME,),
    "rvc-webui-2.2.231006-gradio-3.34/train_start_blocking": (
        f"{RECORDINGS}::test_train_start_of_2023_says_the_same_whatever_happened",
    ),
    "applio-gradio-6.20/probe": (
        f"{RECORDINGS}::test_the_recorded_applio_is_recognised",
        f"{RECORDINGS}::test_the_mock_applio_has_the_recorded_functions",
    ),
    "applio-gradio-6.20/models": (f"{RECORDINGS}::test_the_mock_applio_answers_as_recorded",),
    "applio-gradio-6.20/upload_convert": (
        f"{RECORDINGS}::test_the_mock_applio_answers_as_recorded",
        f"{APPLIO}::test_a_refusal_for_want_of_consent_is_found_in_the_answer_too",
    ),
    "applio-gradio-6.20/tts": (
        f"{RECORDINGS}::test_the_mock_applio_answers_as_recorded",
        f"{APPLIO}::test_applio_speaks_itself_only_when_it_is_named",
    ),
    "applio-gradio-6.20/train_steps": (
        f"{RECORDINGS}::test_the_mock_applio_answers_as_recorded",
        f"{APPLIO}::test_a_voice_is_trained_with_samples_that_go_over_http",
    ),
    "applio-gradio-6.20/queue_v4_events": (f"{RECORDINGS}::test_the_mock_applio_s_queue_tells_what_was_recorded",),
    "rvc-0.3.5/inference": (f"{RECORDINGS}::test_rvc_0_3_5_is_not_taken_for_one_of_ours",),
}
