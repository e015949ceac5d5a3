"""Which tests cover which recorded scenario of ComfyUI: ``docs/comfyui-recordings.md`` is written from this table.

A test is named as ``file::function``. SHAPES sends the recorded requests to the mock and compares what comes back;
REPLAY plays the recorded messages to the client.
"""

SHAPES = "tests/unit/clients/mock/comfyui/test_shapes.py::test_the_mock_answers_as_the_recorded_server_did"
REPLAY = "tests/integration/comfyui/test_replay.py::test_every_recorded_prompt_ends_as_it_did"
EVENTS = "tests/integration/comfyui/test_replay.py::test_a_plain_run_in_its_events"
RECONNECT = "tests/integration/comfyui/test_replay.py::test_a_lost_websocket_is_back_in_mid_job"
INTERRUPTS = "tests/integration/comfyui/test_replay.py::test_interrupts_of_the_client_reach_the_job_and_only_this_one"
FRAMES = "tests/unit/clients/comfyui/server/test_messages.py::test_recorded_binary_frames"
FILES = "tests/unit/clients/comfyui/server/test_outputs.py::test_every_recorded_file_is_found"
EDITOR = "tests/unit/clients/comfyui/workflow/conversion/test_pairs.py::test_result_equals_the_editors_own"
FAULTS = "tests/integration/comfyui/test_faults.py"

SCENARIOS: dict[str, tuple[str, ...]] = {
    "api_key": (SHAPES,),
    "assets_enabled": (SHAPES,),
    "blocked_and_odd": (SHAPES, f"{FAULTS}::test_an_output_that_was_blocked_is_said_and_is_not_the_end"),
    "cached_without_client_id": (SHAPES,),
    "connect": (
        SHAPES,
        "tests/unit/clients/comfyui/server/test_messages.py::test_the_feature_flags_are_those_the_editor_sends",
    ),
    "cors_and_gzip": (SHAPES,),
    "execution_errors": (
        SHAPES,
        REPLAY,
        "tests/unit/clients/comfyui/test_execution_errors.py::test_recorded_errors_name_node_class_and_reason",
    ),
    "expand_and_async": (SHAPES, REPLAY),
    "fast_job_race": (SHAPES,),
    "history_api": (SHAPES,),
    "interrupt": (SHAPES, REPLAY, INTERRUPTS),
    "large_output": (SHAPES,),
    "media_outputs": (SHAPES, FILES),
    "multi_user": (SHAPES,),
    "origin_check": (SHAPES,),
    "previews_flag_off": (SHAPES, REPLAY, FRAMES),
    "previews_flag_on": (SHAPES, REPLAY, FRAMES),
    "progress_flood": (SHAPES, REPLAY),
    "prompt_errors": (SHAPES,),
    "queue_ops": (SHAPES,),
    "reconnect_midjob": (SHAPES, REPLAY, RECONNECT),
    "run_cached": (SHAPES, REPLAY),
    "run_simple": (SHAPES, REPLAY, EVENTS),
    "same_client_id_twice": (SHAPES,),
    "save_image_websocket": (SHAPES, FRAMES),
    "server_info": (SHAPES,),
    "server_killed": (SHAPES, f"{FAULTS}::test_a_server_that_was_restarted_has_lost_the_job"),
    "text_frames": (SHAPES, FRAMES),
    "two_clients": (SHAPES,),
    "upload": (SHAPES,),
    "userdata": (SHAPES,),
    "view": (SHAPES,),
    "worker_dead": (SHAPES, f"{FAULTS}::test_a_worker_that_died_of_the_job_is_said"),
    "worker_dead_same_number": (
        SHAPES,
        f"{FAULTS}::test_a_server_that_runs_nothing_while_jobs_wait_is_found_out",
    ),
    "workflow_conversion": (EDITOR,),
    "workflow_conversion_rules": (EDITOR,),
}
