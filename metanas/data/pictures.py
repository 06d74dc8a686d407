"""Examples as files that a browser shows: images, spectrograms, series as PNG, recordings as WAV or FLAC."""

import io
import wave
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

PLOT = (240, 48)  # pixels of a plot
COLOURS = ("#3b6fb5", "#b5651d", "#3a7d44", "#8b4fa3")  # of the channels of a series, from the first again


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


def plot(x: NDArray[Any]) -> Picture:
    """A series (channels, steps): a line a channel, from its smallest to its largest value; no padding."""
    from PIL import Image, ImageDraw

    values = x[:, ~np.isnan(x[0])].astype(np.float64)
    low, high = values.min(1, keepdims=True), values.max(1, keepdims=True)
    width, height = PLOT
    down = (height - 3) * (1 - (values - low) / np.maximum(high - low, 1e-6)) + 1
    across = np.linspace(0, width - 1, values.shape[1])
    image = Image.new("RGB", PLOT, "white")
    for channel, line in enumerate(down):
        points = list(zip(across.tolist(), line.tolist(), strict=True))
        ImageDraw.Draw(image).line(points, fill=COLOURS[channel % len(COLOURS)])
    raw = io.BytesIO()
    image.save(raw, "PNG")
    return Picture(raw.getvalue(), width, height, f"series, {len(x)} channels over {values.shape[1]} steps")


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
