"""Examples as a browser shows them: images and spectrograms as PNG, series as SVG, recordings as sound."""

import io
import wave
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

COLOURS = ("#3b6fb5", "#b5651d", "#3a7d44")  # of a series' channels, in turn


class Picture(NamedTuple):
    """A PNG with its size in pixels, and what it is in words."""

    png: bytes
    width: int
    height: int
    words: str


def picture(x: NDArray[Any]) -> Picture:
    """An image (C, H, W), or a spectrogram (bands, frames), low bands at the bottom and padding in grey."""
    from PIL import Image

    if x.ndim == 3:
        pixels = x.transpose(1, 2, 0) if x.shape[0] == 3 else x[0]
        words = f"image, {x.shape[2]} by {x.shape[1]} pixels"
    else:
        values = x[::-1].astype(np.float32)
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        grey = 255 * (values - low) / max(high - low, 1e-6)
        pixels = np.where(np.isnan(grey), 128, 255 - np.nan_to_num(grey)).astype(np.uint8)
        words = f"log-mel spectrogram, {x.shape[0]} bands by {x.shape[1]} frames"
    raw = io.BytesIO()
    Image.fromarray(pixels).save(raw, "PNG")
    return Picture(raw.getvalue(), pixels.shape[1], pixels.shape[0], words)


def lines(x: NDArray[Any], width: int, height: int) -> str:
    """An SVG of a series (channels, steps): a line a channel, from its smallest to its largest value."""
    values = x[:, ~np.isnan(x[0])].astype(np.float64)
    low, high = values.min(1, keepdims=True), values.max(1, keepdims=True)
    heights = (height - 2) * (1 - (values - low) / np.maximum(high - low, 1e-6)) + 1
    across = width / max(values.shape[1] - 1, 1)
    paths = ["M" + "L".join(f"{i * across:.1f} {y:.1f}" for i, y in enumerate(line)) for line in heights]
    drawn = "".join(
        f'<path fill="none" stroke="{COLOURS[i % len(COLOURS)]}" d="{path}"/>' for i, path in enumerate(paths)
    )
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    label = f"{len(values)} channels over {values.shape[1]} steps"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="lines" {size} role="img" aria-label="{label}">'
    return f"{head}{drawn}</svg>"


def wav(samples: NDArray[np.int16], rate: int) -> bytes:
    """A recording as a WAV file. rate: in Hz."""
    raw = io.BytesIO()
    with wave.open(raw, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return raw.getvalue()


def flac(samples: NDArray[np.int16], rate: int) -> bytes:
    """The same without loss in about half the bytes, for files that are kept."""
    import soundfile

    raw = io.BytesIO()
    soundfile.write(raw, samples, rate, format="FLAC", subtype="PCM_16")
    return raw.getvalue()
