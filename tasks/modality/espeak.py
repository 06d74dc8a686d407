"""Speech synthesis with eSpeak NG, from the package espeakng-loader (GPL-3, only called).

The library has one global state per process, so it is loaded once (`_library`).
"""

import ctypes
from functools import cache

import numpy as np
from numpy.typing import NDArray

from metanas.base.errors import DataError

RATE_HZ = 22_050
_SYNCHRONOUS, _UTF8, _RATE, _PITCH = 2, 1, 1, 3  # constants of speak_lib.h
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def speak(text: str, *, voice: str, rate: int, pitch: int) -> NDArray[np.int16]:
    """Speak `text`: samples at RATE_HZ. voice: as "en-us+adam"; rate: words per minute; pitch: 0-100.

    DataError for an unknown voice or a missing package. Some of eSpeak's voices carry noise from one call to
    the next; use those that do not (tests/contracts/test_domains.py checks it).
    """
    library, chunks, _ = _library()
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise DataError(f"eSpeak NG has no voice {voice!r}; its data files are not those we know")
    library.espeak_SetParameter(_RATE, rate, 0)
    library.espeak_SetParameter(_PITCH, pitch, 0)
    chunks.clear()
    raw = text.encode() + b"\0"
    library.espeak_Synth(raw, len(raw), 0, 0, 0, _UTF8, None, None)
    return np.concatenate(chunks) if chunks else np.zeros(0, np.int16)


@cache
def _library() -> tuple[ctypes.CDLL, list[NDArray[np.int16]], object]:
    """The library, the samples of its last call, and the callback, which must outlive C's pointer to it."""
    try:
        import espeakng_loader
    except ImportError:
        raise DataError("spoken-words needs eSpeak NG: pip install 'metanas[speech]'") from None
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    chunks: list[NDArray[np.int16]] = []

    def receive(samples: "ctypes._Pointer[ctypes.c_short]", count: int, events: int) -> int:
        if samples and count > 0:
            chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    callback = _CALLBACK(receive)
    library.espeak_SetSynthCallback(callback)
    return library, chunks, callback
