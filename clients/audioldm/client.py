"""Sound effects from AudioLDM and its siblings."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from ..audio.client import AudioClient
from ..core.context import CancelContext, JobContext
from ..core.errors import JobLost, NetworkTimeout, ProtocolError
from ..core.json_fields import parse_number
from ..core.model import BackendCancel, Result, ServerInfo
from ..core.options import MIB, ClientOptions
from ..core.request import Request
from ..gradio.login import sign_in_of
from .input_mapping import CANDIDATES, DURATION, MAX_SEED, MODEL, SEED, Filled, filled, whole_number_of
from .request import SoundRequest
from .server_profile import COG, COG_OLD, Profile, ServerProfileCache

if TYPE_CHECKING:
    from ..gradio.config import Dependency, GradioConfig
    from ..gradio.http import GradioHTTP
    from .outputs import Outputs

PROBE_FIRST_BYTE_S = 3.0
LOOK_FIRST_BYTE_S = 15.0
MUTE = "first_byte"
"""The time-out of a server that takes the connection and says nothing: an older Cog server does so while it works."""
DEFAULT_CANDIDATES = 3
"""What AudioLDM makes to choose from, unless told."""


@dataclass(frozen=True)
class _Server:
    """Who it is; ``app`` is where the function of a Gradio app is to be found, None for a Cog server."""

    profile: Profile
    app: tuple[GradioHTTP, GradioConfig, Dependency] | None = None


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

    def set_up(self) -> None:
        """Remember what the server says of itself."""
        self.knowledge = ServerProfileCache()
        self._sign_in = sign_in_of(self._api_key)

    def probe(self) -> ServerInfo:
        """Ask the server who it is and what it can do.

        An older Cog server is mute while it works; if it works for this client, what is known of it is the answer.
        """
        profile = self.knowledge.profile
        try:
            profile = self._ask(None, PROBE_FIRST_BYTE_S).profile
        except NetworkTimeout as error:
            if profile is None or error.code != MUTE or not self.knowledge.at_work:
                raise
        details = {**profile.details, "inputs": [each.name for each in profile.fields]}
        return ServerInfo(
            profile.version, profile.dialect, profile.capabilities, profile.models, profile.latency_s, details
        )

    def run(self, job: JobContext) -> Result:
        """Have the sound made and fetch it."""
        from .outputs import Outputs

        request = cast(SoundRequest, job.request)
        server = self._server(job)
        profile = server.profile
        seed = random.randint(0, MAX_SEED) if request.seed is None else request.seed
        inputs = filled(profile.fields, request, seed)
        for note in inputs.notes:
            job.log(note)
        outputs = Outputs(self.http, job, self.codec, request)
        sent_seed = whole_number_of(inputs.of(profile.fields, SEED))
        self.knowledge.at_work.add(job.job_id)
        try:
            said_seed = self._made(job, server, inputs, outputs, sent_seed)
        except JobLost as error:
            raise _lost(error, sent_seed) from error.__cause__
        finally:
            self.knowledge.at_work.discard(job.job_id)
        metadata = {
            "request": request.to_dict(),
            "dialect": profile.dialect,
            "version": profile.version,
            "input": inputs.values,
            "notes": list(inputs.notes),
            "model": inputs.of(profile.fields, MODEL),
            "seed": sent_seed if said_seed is None else said_seed,
            "codec": self.codec.name,
            **outputs.described,
        }
        return Result(tuple(outputs.artifacts), problems=tuple(outputs.problems), metadata=metadata)

    def rejoin(self, job: JobContext) -> Result:
        """Say that the sound is lost: these servers can't be asked for it later."""
        lost = JobLost(
            "The connection to the sound server is lost, and it keeps no results.",
            code="outcome_unknown",
            hint="Generate it again.",
        )
        raise _lost(lost, whole_number_of(job.state.get("seed")))

    def cancel_on_backend(self, job: CancelContext) -> BackendCancel:
        """Cancel the run where the server can be told; where it can't, wait until it is free."""
        dialect = job.state.get("dialect")
        if dialect in (COG, COG_OLD):
            from .cog.run import cancel

            return cancel(self.http, job)
        if dialect is None:  # nothing was sent
            return BackendCancel.CONFIRMED
        from .gradio.run import cancel as wait_for_the_end

        return wait_for_the_end(self.knowledge, job)

    def disconnect(self, timeout_s: float) -> None:
        """Stop listening to the server."""
        self.knowledge.close()

    def auth_headers(self) -> dict[str, str]:
        """Return the headers that go with every request; a ``NAME:PASSWORD`` for a Gradio app is no bearer token."""
        return dict(self._headers) if self._sign_in else super().auth_headers()

    def _ask(self, job: JobContext | None, first_byte_s: float) -> _Server:
        """Find out who the server is: a Cog server, or one of the Gradio apps."""
        from .server_probe import cog_profile

        profile = cog_profile(self.http, job, first_byte_s=first_byte_s)
        if profile is not None:
            return _Server(profile)
        from .gradio.app import app_profile

        try:
            found = app_profile(self.http, self._sign_in, job)
        except ProtocolError as error:
            if error.code == "not_gradio":
                error.code = "not_a_sound_server"
                error.hint = "AudioLDM's and AudioLDM2's own web apps and Cog containers of sound models are."
            raise
        return _Server(found[0], found[1:])

    def _server(self, job: JobContext) -> _Server:
        """Return who the server is now, once its model is loaded."""
        from .cog.api import CogAPI
        from .cog.run import wait_while_loading

        while True:
            try:
                server = self._ask(job, LOOK_FIRST_BYTE_S)
            except NetworkTimeout as error:
                if self.knowledge.profile is None or error.code != MUTE:
                    raise
                job.message("The server is busy with another sound.")
                continue
            if server.profile.fields:
                self.knowledge.profile = server.profile
                return server
            wait_while_loading(CogAPI(self.http, quick_s=LOOK_FIRST_BYTE_S), job)

    def _made(self, job: JobContext, server: _Server, inputs: Filled, outputs: Outputs, seed: int | None) -> int | None:
        """Have the sound made; return the seed that the server names, if it does. ``seed`` is the one it is sent."""
        profile = server.profile
        seconds = parse_number(inputs.of(profile.fields, DURATION)) or 1.0
        work = seconds * (parse_number(inputs.of(profile.fields, CANDIDATES)) or DEFAULT_CANDIDATES)
        if server.app is not None:
            from .gradio.app import values_of
            from .gradio.run import GradioRun

            app_run = GradioRun(job, self.knowledge, profile, server.app, work, self.interval_s)
            app_run.run(values_of(profile.fields, inputs.values), outputs, seed)
            return None
        from .cog.run import CogRun

        run = CogRun(self.http, job, self.knowledge, profile, work, self.interval_s)
        run.run(inputs, outputs, seed)
        return run.log.seed


def _lost(error: JobLost, seed: int | None) -> JobLost:
    """Say how the lost sound can be had again: with the seed that the server was sent, None if it was sent none."""
    if seed is not None:
        error.hint = f"{error.hint} With seed {seed} it will be the same sound."
        error.context["seed"] = seed
    return error
