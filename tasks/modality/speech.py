"""Speech as log-mel spectrograms of a fixed size; frames after the end of a clip are NaN (padding)."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from metanas.base.errors import DataError
from tasks.files import samples

RATE = 16_000  # Hz
BANDS, FRAMES, HOP, WINDOW = 40, 64, 200, 512  # 12.5 ms per frame, 0.8 s in all


def log_mels(clips: Iterable[NDArray[np.int16]], rate: int, frames: int = FRAMES) -> NDArray[np.float16]:
    """Natural-log mel energies (n, BANDS, frames) of clips at `rate` Hz, truncated or padded with NaN."""
    import torch  # not at the top, so that a cached domain opens without it
    from torchaudio.transforms import MelSpectrogram, Resample

    resample = Resample(rate, RATE, dtype=torch.float32)  # computes its kernel once, not for every clip
    mel = MelSpectrogram(RATE, n_fft=WINDOW, hop_length=HOP, n_mels=BANDS)
    rows = []
    for clip in clips:
        row = np.full((BANDS, frames), np.nan, np.float16)
        wave = resample(torch.from_numpy(clip.astype(np.float32) / 32768))
        energy = torch.log(mel(wave) + 1e-6)[:, :frames]
        row[:, : energy.shape[1]] = energy.numpy()
        rows.append(row)
    return np.stack(rows)


def recording(name: str, content: bytes, rate: int) -> NDArray[np.int16]:
    """The samples of a WAV file that must have `rate` Hz. DataError for another rate or too few samples."""
    clip, actual = samples(name, content)
    if actual != rate:
        raise DataError(f"{name}: {actual} Hz, expected {rate}")
    if len(clip) * RATE <= WINDOW // 2 * rate:  # the first frame mirrors half a window
        least = WINDOW // 2 * rate // RATE
        raise DataError(f"{name}: {len(clip)} samples at {rate} Hz; a spectrogram needs more than {least}")
    return clip


def trimmed(clip: NDArray[np.int16], threshold: int = 200) -> NDArray[np.int16]:
    """The clip without the silence (samples up to `threshold`) at both ends; at least one sample."""
    loud = np.flatnonzero(np.abs(clip.astype(np.int32)) > threshold)
    return clip[loud[0] : loud[-1] + 1] if len(loud) else clip[:1]
