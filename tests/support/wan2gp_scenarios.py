"""Which tests cover which recorded scenario of WanGP: ``docs/wan2gp-recordings.md`` is written from this table.

A test is named as ``file::function``. WEB and MCP send the recorded requests to the mock and compare what comes back;
CLIENT_MCP and PLAYED play the recorded answers to the client, CLIENT_WEB runs it against the mock that WEB compares.
"""

WEB = "tests/unit/clients/mock/wan2gp/test_shapes.py::test_the_mock_answers_as_the_recorded_program_did"
WIRING = "tests/unit/clients/mock/wan2gp/test_shapes.py::test_the_wiring_is_the_recorded_one"
COMMAND_LINE = "tests/unit/clients/mock/wan2gp/test_shapes.py::test_the_command_line_says_what_the_mock_says"
MCP = "tests/unit/clients/mock/wan2gp/test_mcp_shapes.py::test_the_mock_answers_as_the_recorded_server_did"
PLAYED = "tests/integration/wan2gp/test_replay.py::test_a_recorded"
CLIENT_WEB = "tests/integration/wan2gp/test_web.py"
CLIENT_MCP = "tests/integration/wan2gp/test_mcp.py"

SCENARIOS: dict[str, tuple[str, ...]] = {
    "cli_dry_run": (COMMAND_LINE,),
    "cli_process_mixed_errors": (COMMAND_LINE,),
    "cli_process_ok": (COMMAND_LINE,),
    "cli_sigint": (COMMAND_LINE,),
    "config_outline": (WIRING,),
    "gradio_abort": (
        WEB,
        f"{PLAYED}_abort_of_the_first_of_two_tasks",
    ),
    "gradio_abort_queued_by_client_id": (
        WEB,
        f"{PLAYED}_queue_out_of_which_a_task_was_taken",
    ),
    "gradio_call_api_json_settings": (WEB,),
    "gradio_cancel_route_on_process_tasks": (
        WEB,
        f"{PLAYED}_call_that_was_cancelled_by_gradio_itself",
    ),
    "gradio_client_1.10.0": (WEB,),
    "gradio_client_2.7.2": (WEB,),
    "gradio_disconnect_mid_generation": (
        WEB,
        f"{PLAYED}_stream_that_was_dropped",
    ),
    "gradio_generate_zip": (
        WEB,
        f"{PLAYED}_generation",
        f"{CLIENT_WEB}::test_the_functions_are_called_in_the_programs_order",
    ),
    "gradio_image_to_video_zip": (
        WEB,
        f"{PLAYED}_image_to_video_generation",
        f"{CLIENT_WEB}::test_media_go_into_the_queue_file",
    ),
    "gradio_invalid_settings": (
        WEB,
        "tests/integration/wan2gp/test_replay.py::test_recorded_refusals_come_in_the_programs_words",
        f"{CLIENT_WEB}::test_what_is_refused_keeps_the_programs_words",
    ),
    "gradio_load_without_trigger_id": (
        WEB,
        f"{PLAYED}_load_that_did_nothing_is_no_success",
    ),
    "gradio_model_error": (
        WEB,
        f"{PLAYED}_out_of_memory",
        f"{CLIENT_WEB}::test_failures_are_typed_and_the_next_job_succeeds",
    ),
    "gradio_settings_json_upload": (WEB,),
    "gradio_two_sessions": (
        WEB,
        f"{PLAYED}_generation_beside_another_session",
        f"{CLIENT_WEB}::test_each_job_has_its_own_session_and_only_one_is_on_the_server",
    ),
    "mcp_cancel": (MCP, f"{CLIENT_MCP}::test_a_recorded_cancel_is_confirmed_when_the_job_has_ended"),
    "mcp_discovery": (MCP, f"{CLIENT_MCP}::test_an_unknown_model_is_found_out_before_the_job_is_handed_in"),
    "mcp_errors": (MCP, f"{CLIENT_MCP}::test_recorded_failures_are_typed_in_the_servers_words"),
    "mcp_generate_ok": (MCP, f"{CLIENT_MCP}::test_a_recorded_generation_is_followed_to_its_file"),
    "mcp_handshake_tools": (MCP, f"{CLIENT_MCP}::test_probe_says_which_generation_of_tools_it_has"),
    "mcp_upload_image_to_video": (MCP, f"{CLIENT_MCP}::test_a_recorded_image_to_video_job_uploads_its_picture"),
}
