"""Calls eSpeak NG, the formant synthesiser that the package espeakng-loader carries (GPL-3, only called).

The library keeps one global state for the process, so it is loaded once (`_library`).
"""

import ctypes
from functools import cache

import numpy as np
from numpy.typing import NDArray

from metanas.store import DataError

RATE_HZ = 22_050
_SYNCHRONOUS, _UTF8, _RATE, _PITCH = 2, 1, 1, 3  # constants of speak_lib.h
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def speak(text: str, *, voice: str, rate: int, pitch: int) -> NDArray[np.int16]:
    """Samples at RATE_HZ. voice: "en-us+adam"; rate: words a minute; pitch: 0-100.

    Some of eSpeak's voices carry noise from one call to the next; use those that do not (a test knows).
    """
    library, heard, _ = _library()
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise DataError(f"eSpeak NG has no voice {voice!r}; its data files are not those we know")
    library.espeak_SetParameter(_RATE, rate, 0)
    library.espeak_SetParameter(_PITCH, pitch, 0)
    heard.clear()
    raw = text.encode() + b"\0"
    library.espeak_Synth(raw, len(raw), 0, 0, 0, _UTF8, None, None)
    return np.concatenate(heard) if heard else np.zeros(0, np.int16)


@cache
def _library() -> tuple[ctypes.CDLL, list[NDArray[np.int16]], object]:
    """The library, what it spoke last, and the callback, of which the C side keeps only a bare pointer."""
    try:
        import espeakng_loader
    except ImportError:
        raise DataError("spoken-words needs eSpeak NG: pip install 'metanas[speech]'") from None
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    heard: list[NDArray[np.int16]] = []

    def hear(samples: "ctypes._Pointer[ctypes.c_short]", count: int, events: int) -> int:
        if samples and count > 0:
            heard.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    callback = _CALLBACK(hear)
    library.espeak_SetSynthCallback(callback)
    return library, heard, callback
