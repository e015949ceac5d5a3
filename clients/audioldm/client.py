"""Sound effects from AudioLDM and its siblings."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from ..audio.client import AudioClient
from ..core.context import CancelContext, JobContext
from ..core.delivery import outcome_unknown
from ..core.errors import JobLost, NetworkTimeout, ProtocolError
from ..core.json_fields import parse_number
from ..core.model import BackendCancel, Result, ServerInfo
from ..core.options import MIB, ClientOptions
from ..core.request import Request
from ..gradio.login import parse_sign_in
from .input_mapping import CANDIDATES, DURATION, MAX_SEED, MODEL, SEED, Filled, fill_inputs, parse_whole_number
from .request import SoundRequest
from .server_profile import COG, COG_OLD, Profile, ServerProfileCache

if TYPE_CHECKING:
    from ..gradio.config import Dependency, GradioConfig
    from ..gradio.http import GradioHTTP
    from .outputs import Outputs

PROBE_FIRST_BYTE_S = 3.0
LOOK_FIRST_BYTE_S = 15.0
MUTE = "first_byte"
"""Time-out for a server that accepts the connection without a response: an older Cog server at work."""
DEFAULT_CANDIDATES = 3
"""AudioLDM's default number of candidates."""


@dataclass(frozen=True)
class _Server:
    """The server's profile; ``app`` is the function of a Gradio app, None for a Cog server."""

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
        """Create the cache of the server's profile."""
        self.profile_cache = ServerProfileCache()
        self._sign_in = parse_sign_in(self._api_key)

    def probe(self) -> ServerInfo:
        """Return the server's dialect, inputs and capabilities.

        An older Cog server does not respond while it works; if it works for this client, the cached profile is
        returned.
        """
        profile = self.profile_cache.profile
        try:
            profile = self._ask(None, PROBE_FIRST_BYTE_S).profile
        except NetworkTimeout as error:
            if profile is None or error.code != MUTE or not self.profile_cache.at_work:
                raise
        details = {**profile.details, "inputs": [each.name for each in profile.fields]}
        return ServerInfo(
            profile.version, profile.dialect, profile.capabilities, profile.models, profile.latency_s, details
        )

    def run(self, job: JobContext) -> Result:
        """Generate the sound and fetch it."""
        from .outputs import Outputs

        request = cast(SoundRequest, job.request)
        server = self._get_server(job)
        profile = server.profile
        seed = random.randint(0, MAX_SEED) if request.seed is None else request.seed
        inputs = fill_inputs(profile.fields, request, seed)
        for note in inputs.notes:
            job.log(note)
        outputs = Outputs(self.http, job, self.codec, request)
        sent_seed = parse_whole_number(inputs.of(profile.fields, SEED))
        self.profile_cache.at_work.add(job.job_id)
        try:
            said_seed = self._generate(job, server, inputs, outputs, sent_seed)
        except JobLost as error:
            raise _add_seed(error, sent_seed) from error.__cause__
        finally:
            self.profile_cache.at_work.discard(job.job_id)
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
        """Raise ``JobLost``: these servers can't be asked for a sound later."""
        lost = outcome_unknown(
            "The connection to the sound server was lost, and the server keeps no results.",
            "Generate it again.",
        )
        raise _add_seed(lost, parse_whole_number(job.state.get("seed")))

    def cancel_on_backend(self, job: CancelContext) -> BackendCancel:
        """Cancel the run if the server supports it; otherwise wait until the server is free."""
        dialect = job.state.get("dialect")
        if dialect in (COG, COG_OLD):
            from .cog.run import cancel

            return cancel(self.http, job)
        if dialect is None:  # nothing was sent
            return BackendCancel.CONFIRMED
        from .gradio.run import cancel as wait_for_the_end

        return wait_for_the_end(self.profile_cache, job)

    def disconnect(self, timeout_s: float) -> None:
        """Stop the webhook listener."""
        self.profile_cache.close()

    def auth_headers(self) -> dict[str, str]:
        """Return the headers of every request; a ``NAME:PASSWORD`` for a Gradio app is not a bearer token."""
        return dict(self._headers) if self._sign_in else super().auth_headers()

    def _ask(self, job: JobContext | None, first_byte_s: float) -> _Server:
        """Detect the server: a Cog server, or one of the Gradio apps."""
        from .server_probe import fetch_cog_profile

        profile = fetch_cog_profile(self.http, job, first_byte_s=first_byte_s)
        if profile is not None:
            return _Server(profile)
        from .gradio.app import fetch_app_profile

        try:
            found = fetch_app_profile(self.http, self._sign_in, job)
        except ProtocolError as error:
            if error.code == "not_gradio":
                error.code = "not_a_sound_server"
                error.hint = "Use the web app of AudioLDM or AudioLDM2, or a Cog container of a sound model."
            raise
        return _Server(found[0], found[1:])

    def _get_server(self, job: JobContext) -> _Server:
        """Return the server's profile once its model is loaded."""
        from .cog.api import CogAPI
        from .cog.run import wait_while_loading

        while True:
            try:
                server = self._ask(job, LOOK_FIRST_BYTE_S)
            except NetworkTimeout as error:
                if self.profile_cache.profile is None or error.code != MUTE:
                    raise
                job.message("The server is busy with another sound.")
                continue
            if server.profile.fields:
                self.profile_cache.profile = server.profile
                return server
            wait_while_loading(CogAPI(self.http, quick_s=LOOK_FIRST_BYTE_S), job)

    def _generate(
        self, job: JobContext, server: _Server, inputs: Filled, outputs: Outputs, seed: int | None
    ) -> int | None:
        """Generate the sound; return the seed that the server reports, if any. ``seed`` is the requested one."""
        profile = server.profile
        seconds = parse_number(inputs.of(profile.fields, DURATION)) or 1.0
        work = seconds * (parse_number(inputs.of(profile.fields, CANDIDATES)) or DEFAULT_CANDIDATES)
        if server.app is not None:
            from .gradio.app import make_values
            from .gradio.run import GradioRun

            app_run = GradioRun(job, self.profile_cache, profile, server.app, work, self.interval_s)
            app_run.run(make_values(profile.fields, inputs.values), outputs, seed)
            return None
        from .cog.run import CogRun

        run = CogRun(self.http, job, self.profile_cache, profile, work, self.interval_s)
        run.run(inputs, outputs, seed)
        return run.log.seed


def _add_seed(error: JobLost, seed: int | None) -> JobLost:
    """Add the seed to the hint, so that the same sound can be made again; None if no seed was sent."""
    if seed is not None:
        error.hint = f"{error.hint} Seed {seed} will give the same sound."
        error.context["seed"] = seed
    return error
