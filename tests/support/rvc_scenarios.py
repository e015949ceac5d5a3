"""Which tests cover which recorded scenario of the RVC servers: ``docs/rvc-recordings.md`` is written from this table.

A test is named as ``file::function``. Rows are named by the folder of the server and the scenario.
"""

RECORDINGS = "tests/integration/test_rvc_recordings.py"
CONVERT = "tests/integration/test_rvc_convert.py"

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
}
