"""Speech as log-mel spectrograms of one size; frames after the end of a clip are NaN (padding)."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

RATE = 16_000  # Hz
BANDS, FRAMES, HOP, WINDOW = 40, 64, 200, 512  # 12.5 ms a frame, 0.8 s in all


def log_mels(clips: Iterable[NDArray[np.int16]], rate: int, frames: int = FRAMES) -> NDArray[np.float16]:
    """Clips of any length at `rate` Hz to natural-log mel energies (n, BANDS, frames), cut or padded."""
    import torch  # here, so that a domain that is ready opens without it
    from torchaudio.transforms import MelSpectrogram, Resample

    resample = Resample(rate, RATE, dtype=torch.float32)  # its kernel is made once, not for every clip
    mel = MelSpectrogram(RATE, n_fft=WINDOW, hop_length=HOP, n_mels=BANDS)
    out = []
    for clip in clips:
        row = np.full((BANDS, frames), np.nan, np.float16)
        wave = resample(torch.from_numpy(clip.astype(np.float32) / 32768))
        energy = torch.log(mel(wave) + 1e-6)[:, :frames]
        row[:, : energy.shape[1]] = energy.numpy()
        out.append(row)
    return np.stack(out)


def trimmed(clip: NDArray[np.int16], threshold: int = 200) -> NDArray[np.int16]:
    """Without the silence (samples below `threshold`) at both ends."""
    loud = np.flatnonzero(np.abs(clip.astype(np.int32)) > threshold)
    return clip[loud[0] : loud[-1] + 1] if len(loud) else clip[:1]
