"""Out of memory: every wording is the same error on every backend, and nothing else is."""

from __future__ import annotations

import re
import time
from types import SimpleNamespace

import pytest

from movie_director.clients import errors
from movie_director.clients.audioldm.cog.api import failed as audioldm_failed
from movie_director.clients.comfyui.execution_errors import run_error
from movie_director.clients.core.foreign_text import MAX_CHARS
from movie_director.clients.core.memory_errors import WORDINGS, is_out_of_memory
from movie_director.clients.gradio.errors import make_function_error as gradio_failure
from movie_director.clients.litellm.errors import RequestContext, make_stream_error, parse_error_object
from movie_director.clients.litellm.errors import make_error as litellm_failure
from movie_director.clients.rvc.errors import generation_error as rvc_error
from movie_director.clients.wan2gp import VideoRequest
from movie_director.clients.wan2gp.errors import generation_failed as wan2gp_error

SAID = [
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB",
    "torch.cuda.OutOfMemoryError: CUDA out of memory.",
    "torch.OutOfMemoryError: Allocation on device 0 would exceed allowed memory. (out of memory)",
    "Allocation on device",
    "CUDA error: out of memory",
    "CUDA_ERROR_OUT_OF_MEMORY: out of memory",
    "cudaErrorMemoryAllocation: unknown",
    "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 5000 MiB on device 0: cudaMalloc failed",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "HIP out of memory. Tried to allocate 512.00 MiB",
    "hipErrorOutOfMemory",
    "HIPBLAS_STATUS_ALLOC_FAILED",
    "MPS backend out of memory (MPS allocated: 8.00 GB, other allocations: 384.00 KB, max allowed: 9.07 GB).",
    "RuntimeError: Invalid buffer size: 13.35 GB",
    "Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)",
    "XPU out of memory. Tried to allocate 1.00 GiB",
    "level_zero backend failed with error: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)",
    "UR_RESULT_ERROR_OUT_OF_HOST_MEMORY",
    "Could not allocate tensor with 1073741824 bytes. There is not enough GPU video memory available!",
    "it is likely that you have unsufficient VRAM and you should therefore reduce the video resolution",
    "it is likely that you have unsufficient RAM and / or Reserved RAM allocation should be reduced",
    "insufficient VRAM",
    "The GPU is out of VRAM",
    "not enough memory: you tried to allocate 8589934592 bytes.",
    "[enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: not enough memory: you tried to allocate 4 bytes.",
    "[enforce fail at CPUAllocator.cpp:64] . DefaultCPUAllocator: can't allocate memory: you tried 4 bytes.",
    "[Errno 12] Cannot allocate memory",
    "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 12.0 GiB for an array with shape (3, 4)",
    "Failed to allocate memory for requested buffer of size 1073741824",
    "MemoryError",
    "std::bad_alloc",
    "bad allocation",
    "OOM when allocating tensor with shape[1,64]",
    "No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
    "model requires more system memory (5.6 GiB) than is available (3.2 GiB)",
    "The paging file is too small for this operation to complete. (os error 1455)",
]
INNOCENT = [
    "mat1 and mat2 shapes cannot be multiplied",
    "cudaMallocAsync does not support this platform",
    "The memory of a summer is not a number",
    "Invalid buffer size for the reader",
    "insufficient permission to read the file",
    "the voice's file can't be read",
    "program ran out of ideas",
    "",
]
ACCESS = SimpleNamespace(server="http://localhost:7860", http=SimpleNamespace(redact=str, clean=lambda error: error))
WHERE = RequestContext("http://localhost:4000", "demo-writer", has_key=True)

MAPPERS = {
    "comfyui": lambda said: run_error({"exception_type": "RuntimeError", "exception_message": said}, {}),
    "wan2gp": lambda said: wan2gp_error(said, VideoRequest("a boat", "t2v")),
    "litellm": lambda said: litellm_failure(parse_error_object(500, {"message": said}), WHERE, {}),
    "litellm in mid-stream": lambda said: make_stream_error({"message": said}, WHERE),
    "rvc": lambda said: rvc_error(said, doing="the conversion", code="conversion_failed"),
    "audioldm": lambda said: audioldm_failed(said, "", str),
    "audioldm by the log": lambda said: audioldm_failed("", said, str),
    "gradio": lambda said: gradio_failure(ACCESS, "generate", said),
}


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("backend", MAPPERS)
def test_every_wording_is_out_of_memory_on_every_backend(backend, said):
    error = MAPPERS[backend](f"RuntimeError: {said}\n")
    assert isinstance(error, errors.OutOfMemory), repr(error)
    assert error.code == "out_of_memory"
    assert error.hint


@pytest.mark.parametrize("said", INNOCENT)
@pytest.mark.parametrize("backend", MAPPERS)
def test_other_words_are_not(backend, said):
    assert not isinstance(MAPPERS[backend](said), errors.OutOfMemory)


def test_comfyui_s_own_class_of_error_is_enough():
    assert isinstance(run_error({"exception_type": "torch.OutOfMemoryError"}, {}), errors.OutOfMemory)


def test_every_wording_in_the_list_has_an_example():
    assert [each for each in WORDINGS if not any(re.search(each, said, re.IGNORECASE) for said in SAID)] == []


def test_the_ends_of_a_long_text_are_looked_at():
    filling = "x" * (2 * MAX_CHARS)
    assert is_out_of_memory(f"CUDA out of memory {filling}")
    assert is_out_of_memory(f"{filling} CUDA out of memory")
    assert not is_out_of_memory(f"{filling} CUDA out of memory {filling}")


@pytest.mark.parametrize(
    "part", ["out of ", "not enough free ", "not enough gpu video ", "can't ", "memory ", "un", "\0"]
)
def test_a_megabyte_of_near_misses_takes_no_time(part):
    text = part * (1_000_000 // len(part))
    started = time.perf_counter()
    assert not is_out_of_memory(text)
    assert time.perf_counter() - started < 5.0
