"""speech_commands: 35 spoken words, 16 kHz, version 0.02. Words and speakers are disjoint between the splits.

Warden 2018. There is no published class split: eight of the command words are meta-test classes (yes no up
down left right stop go), see `splits/speech_commands_*.txt`. A hash of the speaker decides which one split
may use the speaker's clips. A word with fewer than LEAST clips in its split is left out, which happens only
in a sample. Read from the published archive (the SHA-256 that torchaudio lists) or from a folder with its
files.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from metanas.base import philox
from metanas.base.errors import DataError
from metanas.data.adapter import DOMAINS, Clip, Examples, Remote
from metanas.data.episode import Split
from metanas.data.files import FromFiles
from tasks import splits
from tasks.files import digest, members, sounds
from tasks.modality.speech import RATE, log_mels, recording

SHARES: tuple[tuple[float, Split], ...] = (
    (0.4, "train"),
    (0.6, "val"),
    (1.0, "test"),
)  # cumulative, speakers
LEAST: dict[Split, int] = {"train": 10, "val": 10, "test": 20}  # 5 shots and the queries of an episode
FRAMES = 80  # of a spectrogram, 1 s


@DOMAINS.register("speech_commands")
class SpeechCommands(FromFiles):
    """35 spoken words (Warden, 2018); 22/5/8 words, speakers disjoint between splits."""

    name = "speech_commands"
    modality = "speech"
    licence = "CC BY 4.0"
    citation = "Warden 2018"
    packages = ("torchaudio",)
    recipe = "v1"
    items = 105_829
    remotes = (
        Remote(
            "SpeechCommands/speech_commands_v0.02.tar.gz",
            "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
            "sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
        ),
    )
    layouts = (("SpeechCommands/speech_commands_v0.02",),)

    def clips(self, root: Path | None, names: Sequence[str]) -> Iterator[tuple[str, Clip]]:
        return sounds(self.locate(root)[0], names)

    def load(self, root: Path | None) -> Examples:
        words = {word: split for split, names in splits.read(self.name).items() for word in names}
        total, usable = 0, []
        for name, content in members(self.locate(root)[0], ".wav"):
            word, file = ("/" + name).split("/")[-2:]
            if word not in words:
                continue  # _background_noise_
            total += 1
            speaker = file.partition("_nohash_")[0]
            if _split_of(speaker) == words[word]:
                usable.append((f"{word}/{file}", word, speaker, recording(name, content, RATE)))
        usable.sort(key=lambda clip: clip[0])
        count = {word: sum(clip[1] == word for clip in usable) for word in words}
        class_split = {
            split: tuple(w for w in names if count[w] >= LEAST[split])
            for split, names in splits.read(self.name).items()
        }
        classes = [word for split in class_split.values() for word in split]
        chosen = [clip for clip in usable if clip[1] in set(classes)]
        if not chosen:
            raise DataError(f"speech_commands: no word is spoken often enough in {total} clips")
        speakers = sorted({clip[2] for clip in chosen})
        return Examples(
            x=log_mels((clip[3] for clip in chosen), RATE, FRAMES),
            labels=np.array([classes.index(clip[1]) for clip in chosen], np.int64),
            classes=tuple(classes),
            splits=class_split,
            source=digest(part for clip in chosen for part in (clip[0].encode(), clip[3].tobytes())),
            groups=np.searchsorted(speakers, [clip[2] for clip in chosen]),
            sample=total != self.items,
            extra={"clip": [clip[0] for clip in chosen]},
        )


def _split_of(speaker: str) -> Split:
    """The split that may use a speaker's clips, a pure function of the speaker's name."""
    place = philox.key("speech_commands", speaker) / 2**64
    return next(split for share, split in SHARES if place < share)
