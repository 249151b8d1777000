"""numba's compiler for the theory's kernels, which keeps what it compiled for the next start where that is possible."""

import contextlib
from collections.abc import Callable

import numba
from numba.core.caching import FunctionCache


def njit(*, cache: bool = True, **options) -> Callable:
    """numba.njit with these options, except that `cache` is a wish.

    Where neither the folder of the code nor the user's cache can be written, as in many containers, and on a full disk,
    each process compiles anew; NUMBA_CACHE_DIR may name a folder that can. There numba.njit itself raises.
    """

    def decorate(function: Callable) -> Callable:
        kernel = numba.njit(**options)(function)
        if cache:
            # "No locator available": no folder to keep the code in.
            with contextlib.suppress(RuntimeError):
                kernel._cache = _Cache(function)  # what enable_caching() does, with numba's own class
        return kernel

    return decorate


class _Cache(FunctionCache):
    def save_overload(self, sig, data) -> None:
        # A disk that fills up costs a compilation at the next start, not this computation.
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)
