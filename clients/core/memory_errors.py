"""Out of memory: one list of the messages of servers, frameworks and drivers, for the graphics card and main memory.

The messages are foreign text: only the ends of a long one are searched, and the search takes linear time.
"""

from __future__ import annotations

import re

from .foreign_text import cut_middle

WORDINGS = (
    r"out[ _]?of[ _]?(?:(?:device|host|gpu|video|system)[ _])?(?:memory|vram\b)",  # PyTorch on all devices
    r"[iu]nsufficient (?:(?:gpu|video|system|device) )?(?:v?ram\b|memory)",  # WanGP ("unsufficient VRAM"), Metal
    r"not enough (?:(?:free |gpu |video |system |device )*memory|v?ram\b)",  # Windows, DirectML, PyTorch on the CPU
    r"(?:can't|cannot|could not|unable to|failed to) allocate",  # DefaultCPUAllocator, NumPy, ONNX Runtime, llama.cpp
    r"allocation on device",  # ComfyUI
    r"(?:cublas|cudnn|hipblas|cusolver|cusparse|curand|cufft|miopen)_(?:status_)?alloc_failed",
    r"cudaMalloc\b|hipMalloc\b|errorMemoryAllocation",
    r"requires more (?:system |gpu )?memory",  # Ollama
    r"no available memory for the cache",  # vLLM
    r"oom when allocating",  # TensorFlow
    r"invalid buffer size: \d",  # PyTorch on MPS
    r"\bMemoryError\b|bad_alloc\b|\bbad allocation\b",
    r"paging file is too small|os error 1455\b",  # Windows, while a model is loaded
)
_PATTERN = re.compile("|".join(WORDINGS), re.IGNORECASE)


def is_out_of_memory(*texts: str) -> bool:
    """Return True if one of the texts reports that memory has run out."""
    return any(_PATTERN.search(cut_middle(text)) for text in texts)
