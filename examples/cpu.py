"""Settings for training on a CPU, made before torch is loaded: import this module first."""

import ctypes
import os
import platform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tibetan.arguments import Settings

# Threads that spin while they wait take the core that the one they wait for needs, as soon as anything else runs.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def use_cpu(settings: "Settings") -> "Settings":
    """The run as a CPU does it: freed memory is kept, and bfloat16 becomes float32 where it is only emulated."""
    if not settings.grpo.use_cpu:
        return settings
    raise_malloc_thresholds()
    if not settings.grpo.bf16 or multiplies_bfloat16():
        return settings
    print("This processor only emulates bfloat16, 40 times slower: the run is in float32, as with `--bf16 false`.")
    return settings.replace(bf16=False)


def multiplies_bfloat16() -> bool:
    """Whether torch multiplies bfloat16 faster than float32 here, or at least not much slower."""
    import torch  # after the setting above

    return torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def raise_malloc_thresholds() -> None:
    """Make glibc keep freed memory instead of mapping it anew, which halves the time of small training steps on CPU."""
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # names of the options in malloc.h
        for option, size_mb in ((mmap_threshold, 512), (trim_threshold, 1024), (top_pad, 64)):
            mallopt(option, size_mb * 2**20)
