"""fsdd: ten spoken digits, 8 kHz, six speakers; 5/5 digits, three speakers each, disjoint between the splits.

Jackson et al., the Free Spoken Digit Dataset, version 1.0.10: 50 clips per digit and speaker. Ten classes are
too few for meta-validation classes. Read from GitHub's archive of that version, whose SHA-256 could not be
verified, or from a folder with its files.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from metanas.base.errors import DataError
from metanas.data.adapter import DOMAINS, Clip, Examples, Remote
from metanas.data.episode import Split
from metanas.data.files import FromFiles
from tasks import splits
from tasks.files import digest, members, sounds
from tasks.modality.speech import log_mels, recording

RATE = 8_000  # Hz
SPEAKERS: dict[Split, tuple[str, ...]] = {
    "train": ("jackson", "nicolas", "theo"),
    "test": ("george", "lucas", "yweweler"),
}


@DOMAINS.register("fsdd")
class FSDD(FromFiles):
    """3,000 spoken digits (Jackson et al.); 5/5 digits, speakers disjoint between splits."""

    name = "fsdd"
    modality = "speech"
    licence = "CC BY-SA 4.0"
    citation = "Jackson et al., Free Spoken Digit Dataset 1.0.10"
    packages = ("torchaudio",)
    recipe = "v1"
    items = 3_000
    remotes = (
        Remote(
            "fsdd/free-spoken-digit-dataset-1.0.10.zip",
            "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.10.zip",
        ),
    )
    layouts = (("fsdd/recordings",),)

    def clips(self, root: Path | None, names: Sequence[str]) -> Iterator[tuple[str, Clip]]:
        return sounds(self.locate(root)[0], names)

    def load(self, root: Path | None) -> Examples:
        class_split = splits.read("digits_half")
        total, clips, names, labels, groups = 0, [], [], [], []
        speakers = [speaker for split in SPEAKERS.values() for speaker in split]
        for name, content in members(self.locate(root)[0], ".wav"):
            total += 1
            file = name.rpartition("/")[2]  # 7_jackson_32.wav
            digit, speaker = (*file.split("_"), "", "")[:2]
            split = next((s for s, digits in class_split.items() if digit in digits), None)
            if split is None or speaker not in speakers:
                raise DataError(
                    f"fsdd: {name}: expected DIGIT_SPEAKER_NUMBER.wav with a digit and one of the speakers "
                    f"{', '.join(speakers)}"
                )
            if speaker in SPEAKERS[split]:
                clips.append(recording(name, content, RATE))
                names.append(file)
                labels.append(int(digit))
                groups.append(speakers.index(speaker))
        if not clips:
            raise DataError(f"fsdd: no WAV file in {self.locate(root)[0]}")
        return Examples(
            x=log_mels(clips, RATE),
            labels=np.array(labels, np.int64),
            classes=tuple(str(digit) for digit in range(10)),
            splits=class_split,
            source=digest(
                part for n, clip in zip(names, clips, strict=True) for part in (n.encode(), clip.tobytes())
            ),
            groups=np.array(groups, np.int64),
            sample=total != self.items,
            extra={"clip": names},
        )
