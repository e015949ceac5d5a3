"""Sound effects from AudioLDM and its siblings."""

from __future__ import annotations

import random
from typing import Any, ClassVar, cast

from ..audio.client import AudioClient
from ..base import ServerInfo
from ..context import CancelContext, JobContext
from ..errors import JobLost, NetworkTimeout
from ..jobs import BackendCancel, Result
from ..options import MIB, ClientOptions
from ..requests import Request
from .fields import CANDIDATES, DURATION, MAX_SEED, SEED, Filled, filled, number_of
from .profile import COG, COG_OLD, Knowledge, Profile
from .request import SoundRequest

PROBE_FIRST_BYTE_S = 3.0
LOOK_FIRST_BYTE_S = 15.0
DEFAULT_CANDIDATES = 3
"""What AudioLDM makes to choose from, unless told."""


class AudioLDMClient(AudioClient):
    """Sound effects from a Cog container (AudioLDM, AudioGen, MMAudio, Stable Audio) or AudioLDM's own web app.

    One sound at a time: these servers have one model in memory. A run can't be found again on the server, so nothing
    can be re-joined: a job that may have been sent before ends as ``JobLost``.
    """

    name: ClassVar[str] = "audioldm"
    request_types: ClassVar[tuple[type[Request], ...]] = (SoundRequest,)
    default_options: ClassVar[ClientOptions] = ClientOptions(
        first_byte_timeout_s=900.0, max_workers=1, max_response_bytes=128 * MIB
    )
    interval_s: ClassVar[float] = 0.5

    def __init__(self, base_url: str, **given: Any) -> None:
        super().__init__(base_url, **given)
        self.knowledge = Knowledge()

    def probe(self) -> ServerInfo:
        """Ask the server who it is and what it can do.

        An older Cog server is mute while it works; if it works for this client, what is known of it is the answer.
        """
        from .server import who

        profile = self.knowledge.profile
        try:
            profile = who(self.http, None, first_byte_s=PROBE_FIRST_BYTE_S)
        except NetworkTimeout:
            if profile is None or not self.knowledge.at_work:
                raise
        details = {**profile.details, "inputs": [each.name for each in profile.fields]}
        return ServerInfo(
            profile.version, profile.dialect, profile.capabilities, profile.models, profile.latency_s, details
        )

    def run(self, job: JobContext) -> Result:
        """Have the sound made and fetch it."""
        from .outputs import Outputs

        request = cast(SoundRequest, job.request)
        profile = self._profile(job)
        seed = random.randint(0, MAX_SEED) if request.seed is None else request.seed
        inputs = filled(profile.fields, request, seed)
        for note in inputs.notes:
            job.log(note)
        outputs = Outputs(self.http, job, self.codec, request)
        self.knowledge.at_work += 1
        try:
            said_seed = self._made(job, profile, inputs, outputs)
        finally:
            self.knowledge.at_work -= 1
        sent_seed = number_of(inputs.of(profile.fields, SEED))
        metadata = {
            "request": request.to_dict(),
            "dialect": profile.dialect,
            "version": profile.version,
            "input": inputs.values,
            "notes": list(inputs.notes),
            "seed": said_seed if said_seed is not None else sent_seed and int(sent_seed),
            "codec": self.codec.name,
            **outputs.described,
        }
        return Result(tuple(outputs.artifacts), problems=tuple(outputs.problems), metadata=metadata)

    def rejoin(self, job: JobContext) -> Result:
        """Say that the sound is lost: these servers can't be asked for it later."""
        raise JobLost(
            "The connection to the sound server is lost, and it keeps no results.",
            code="outcome_unknown",
            hint="Generate it again; with the same seed it will be the same sound.",
        )

    def cancel_on_backend(self, job: CancelContext) -> BackendCancel:
        """Cancel the run where the server can be told; where it can't, wait until it is free."""
        from .cog_run import cancel

        if job.state.get("dialect") in (COG, COG_OLD):
            return cancel(self.http, job)
        return BackendCancel.UNSUPPORTED

    def disconnect(self, timeout_s: float) -> None:
        """Stop listening to the server."""
        self.knowledge.close()

    def _profile(self, job: JobContext) -> Profile:
        """Return who the server is now, once its model is loaded."""
        from .cog import CogAPI
        from .cog_run import wait_while_loading
        from .server import who

        while True:
            try:
                profile = who(self.http, job, first_byte_s=LOOK_FIRST_BYTE_S)
            except NetworkTimeout:
                if self.knowledge.profile is None:
                    raise
                job.message("The server is busy with another sound.")
                continue
            if profile.fields:
                self.knowledge.profile = profile
                return profile
            wait_while_loading(CogAPI(self.http, quick_s=LOOK_FIRST_BYTE_S), job)

    def _made(self, job: JobContext, profile: Profile, inputs: Filled, outputs: Any) -> int | None:
        """Have the sound made; return the seed that the server names, if it does."""
        from .cog_run import CogRun

        seconds = number_of(inputs.of(profile.fields, DURATION)) or 1.0
        work = seconds * (number_of(inputs.of(profile.fields, CANDIDATES)) or DEFAULT_CANDIDATES)
        run = CogRun(self.http, job, self.knowledge, profile, work, self.interval_s)
        run.run(inputs, outputs)
        return run.log.seed
