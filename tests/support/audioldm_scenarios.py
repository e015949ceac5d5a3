"""Which tests cover which recorded scenario of the sound servers: ``docs/audioldm-recordings.md`` is written from it.

The replay test sends every recorded request to the mock, in the recorded order and rhythm, and compares the answers.
"""

REPLAY = "tests/integration/audioldm/test_recordings.py::test_the_mock_answers_as_the_server_did"
STATES = "tests/integration/audioldm/test_recordings.py::test_every_recorded_end_of_a_run_is_understood"
INPUTS = "tests/integration/audioldm/test_recordings.py::test_the_recorded_inputs_are_understood"
COG = "tests/integration/audioldm/test_cog.py"
APPS = "tests/integration/audioldm/test_apps.py"

SCENARIOS: dict[str, tuple[str, ...]] = {
    "async_cancel": (REPLAY, f"{COG}::test_cancel_stops_this_run_and_no_other"),
    "async_webhook": (
        REPLAY,
        STATES,
        f"{COG}::test_an_older_server_that_shares_our_disk_works_in_the_background_and_can_be_told",
    ),
    "disconnect": (REPLAY, f"{APPS}::test_a_call_that_was_cancelled_keeps_the_lane_until_the_server_is_free"),
    "errors": (REPLAY, STATES, f"{COG}::test_failures_of_the_run_are_typed"),
    "probe": (REPLAY, INPUTS, f"{COG}::test_probe"),
    "sse": (REPLAY,),
    "sync": (REPLAY, STATES),
    "sync_cancel_from_other_thread": (
        REPLAY,
        f"{COG}::test_cancel_stops_this_run_and_no_other",
        f"{COG}::test_an_older_server_can_not_be_told_while_a_call_waits",
    ),
    "sync_disconnect": (REPLAY,),
    "text2audio": (REPLAY, f"{APPS}::test_the_sound_is_taken_out_of_the_video"),
}
