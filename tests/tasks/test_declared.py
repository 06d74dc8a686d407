"""Domains that YAML files declare: each source on real files made here, and each fault in one line."""

import csv
import gzip
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image

from metanas import testing
from metanas.base.errors import DataError, InvalidValue
from metanas.base.registry import UnknownName
from metanas.cli import listing
from metanas.data.adapter import DOMAINS
from metanas.data.domain import Domain
from metanas.data.episode_page import write as write_page
from metanas.data.prepare import prepare
from metanas.data.store import folder_of, open_store
from tests.web import Site, serve

CLASSES = ("ant", "bee", "cat", "dog")
LISTED = "{train: [ant, bee], test: [cat, dog]}"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import datasets

    monkeypatch.setenv("METANAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("METANAS_DOMAINS", str(tmp_path))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    return tmp_path


def declare(here: Path, source: str, *, modality: str = "text", splits: str = LISTED, more: str = "") -> Path:
    path = here / "own.yaml"
    path.write_text(f"modality: {modality}\nsource: {source}\nsplits: {splits}\n{more}", encoding="utf-8")
    return path


def table() -> list[dict[str, Any]]:
    return [
        {
            "said": f"{name} number {i}",
            "kind": name,
            "by": f"p{i % 3}",
            "fold": "train" if name < "c" else "test",
        }
        for i in range(8)
        for name in CLASSES
    ]


def written(here: Path, form: str) -> Path:
    file, rows = here / f"animals.{form}", table()
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
    elif form == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        with file.open("w", newline="", encoding="utf-8") as lines:
            out = csv.DictWriter(lines, list(rows[0]))
            out.writeheader()
            out.writerows(rows)
    return file


def test_a_table_is_the_same_domain_in_every_format(here: Path) -> None:
    prints = set()
    for form in ("csv", "parquet", "jsonl"):
        written(here, form)
        declare(here, f"{{{form}: animals.{form}, text: said, label: kind, group: by}}")
        opened = open_store("own")
        prints.add(opened.fingerprint)
        assert opened.examples.splits == {"train": ("ant", "bee"), "test": ("cat", "dog")}
        assert len(set(np.asarray(opened.examples.groups).tolist())) == 3
    assert len(prints) == 1
    assert Domain.open("own").spec(2).input_shape == (96,)


def test_splits_by_column_shares_and_all(here: Path) -> None:
    written(here, "csv")
    source = "{csv: animals.csv, text: said, label: kind}"
    declare(here, source, splits="{column: fold}")
    assert open_store("own").examples.splits == {"train": ("ant", "bee"), "test": ("cat", "dog")}
    declare(here, source, splits="test")
    assert open_store("own").examples.splits == {"test": CLASSES}
    declare(here, source, splits="{train: 0.5, val: 0.25, test: 0.25}")
    splits = open_store("own").examples.splits
    assert [len(splits[s]) for s in ("train", "val", "test")] == [2, 1, 1]
    assert sorted(c for names in splits.values() for c in names) == list(CLASSES)


def test_what_the_yaml_says_and_what_the_files_hold_name_the_cache(here: Path) -> None:
    file = written(here, "csv")
    declare(here, "{csv: animals.csv, text: said, label: kind}")
    first = folder_of("own", None)
    declare(here, "{csv: animals.csv, text: said, label: kind}", more="width: 50\n")
    second = folder_of("own", None)
    file.write_text(file.read_text(encoding="utf-8") + "one more,dog,p0,test\n", encoding="utf-8")
    assert len({first, second, folder_of("own", None)}) == 3


def pictures(folder: Path) -> None:
    for number, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for i in range(5):
            noise = np.random.default_rng([number, i]).integers(0, 255, (20, 30, 3), np.uint8)
            Image.fromarray(noise).save(folder / name / f"{i}.png")


def test_images_of_a_folder_an_archive_and_a_table_of_paths_are_the_same(here: Path) -> None:
    pictures(here / "animals")
    shutil.make_archive(str(here / "zipped"), "zip", here / "animals")
    with (here / "index.csv").open("w", newline="", encoding="utf-8") as lines:
        rows = csv.writer(lines)
        rows.writerow(["image", "label"])
        rows.writerows([f"animals/{name}/{i}.png", name] for name in CLASSES for i in range(5))
    found = []
    for source in ("{folder: animals}", "{folder: zipped.zip}", "{csv: index.csv}"):
        declare(here, source, modality="image", more="size: 16\n")
        found.append(open_store("own"))
    assert found[0].examples.x.shape == (20, 3, 16, 16)
    assert len({store.fingerprint for store in found}) == 1


def sounds(folder: Path, *, group: bool = False) -> None:
    """Tones with noise, of two rates and one in stereo FLAC; group: named as in Speech Commands."""
    for number, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for i in range(4):
            rate = 8000 if i == 1 and not group else 16000
            tone = np.sin(np.arange(rate // 2) * (0.05 + 0.03 * number)) * 8000
            noise = np.random.default_rng([number, i]).normal(0, 200, len(tone))
            clip, stem = (tone + noise).astype(np.int16), f"p{i}_nohash_0" if group else f"{i}"
            if i == 2 and not group:
                soundfile.write(folder / name / f"{stem}.flac", np.stack([clip, clip], 1), rate)
            else:
                soundfile.write(folder / name / f"{stem}.wav", clip, rate)


def test_sounds_of_a_folder_and_torchaudio_s_speech_commands(here: Path) -> None:
    sounds(here / "animals")
    declare(here, "{folder: animals}", modality="speech", more="frames: 50\n")
    domain = Domain.open("own")
    assert domain.spec(2).input_shape == (40, 50)
    place = domain.store.extra["clip"][0]
    ((name, (samples, rate)),) = DOMAINS["own"]().clips(None, [place])
    assert (name, rate, len(samples)) == (place, 16000, 8000)

    sounds(here / "data/SpeechCommands/speech_commands_v0.02", group=True)
    declare(here, "{torchaudio: SPEECHCOMMANDS, group: speaker}", modality="speech")
    store = open_store("own", here / "data")
    assert store.examples.splits["test"] == ("cat", "dog")
    assert len(set(np.asarray(store.examples.groups).tolist())) == 4


def test_torchvision_reads_a_local_copy(here: Path) -> None:
    import torchvision

    raw = here / "data/FashionMNIST/raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 40), ("t10k", 20)):
        images = np.random.default_rng(count).integers(0, 256, (count, 28, 28), np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        header = np.array([0x803, count, 28, 28], ">i4").tobytes()
        for kind, content in (
            ("images-idx3", header + images.tobytes()),
            ("labels-idx1", np.array([0x801, count], ">i4").tobytes() + labels.tobytes()),
        ):
            (raw / f"{part}-{kind}-ubyte").write_bytes(content)
            (raw / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(content))
    splits = "{train: [Coat, Dress], test: [Bag, Sneaker]}"
    declare(here, "{torchvision: FashionMNIST}", modality="image", splits=splits, more="channels: 1\n")
    examples = open_store("own", here / "data").examples
    assert examples.x.shape == (24, 1, 28, 28) and examples.classes == ("Coat", "Dress", "Bag", "Sneaker")
    first = torchvision.datasets.FashionMNIST(here / "data", train=True)
    image, label = first[3]
    assert first.classes[label] == "Dress"
    assert (np.asarray(examples.x)[0, 0] == np.asarray(image)).all()
    with pytest.raises(DataError, match="FashionMNIST is missing from the data folder; without --data-root"):
        open_store("own", here)


def test_series_are_lists_of_numbers_in_any_table(here: Path) -> None:
    rows = [
        {"pulse": [[c + i / 9 + t, -t] for t in range(5 + i % 2)], "kind": name}
        for c, name in enumerate(CLASSES)
        for i in range(4)
    ]
    for row in rows:
        row["pulse"] = np.array(row["pulse"]).T.tolist()  # (channels, steps)
    pq.write_table(pa.Table.from_pylist(rows), here / "pulses.parquet")
    (here / "pulses.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with (here / "pulses.csv").open("w", newline="", encoding="utf-8") as lines:
        out = csv.DictWriter(lines, ["pulse", "kind"])
        out.writeheader()
        out.writerows({**row, "pulse": json.dumps(row["pulse"])} for row in rows)
    prints = set()
    for form in ("csv", "parquet", "jsonl"):
        declare(
            here,
            f"{{{form}: pulses.{form}, series: pulse, label: kind}}",
            modality="series",
            more="steps: 8\n",
        )
        prints.add(open_store("own").fingerprint)
    x = np.asarray(open_store("own").examples.x)
    assert len(prints) == 1 and x.shape == (16, 2, 8)
    assert np.isnan(x[0, 0]).tolist() == [False] * 5 + [True] * 3 and x[1, 1, :6].tolist() == [
        0,
        -1,
        -2,
        -3,
        -4,
        -5,
    ]
    assert Domain.open("own").spec(2).input_shape == (2, 8)
    page = write_page("own", here / "p.html", suite="", split="test", episode=0, shots=1, root=None)
    assert "2 channels over 5 steps" in page.read_text(encoding="utf-8")


def test_hugging_face_reads_a_local_copy_and_its_card(here: Path) -> None:
    import datasets

    names = datasets.ClassLabel(names=list(CLASSES))
    features = datasets.Features({"text": datasets.Value("string"), "label": names})
    rows = [{"text": row["said"], "label": CLASSES.index(row["kind"])} for row in table()]
    copy = here / "someone/animals"
    copy.mkdir(parents=True)
    datasets.Dataset.from_list(rows, features=features).to_parquet(copy / "train-00000-of-00001.parquet")
    card = "---\nlicense: cc-by-4.0\n---\n# Animals\n```bibtex\n@misc{a,\n title={Animals}}\n```\n"
    (copy / "README.md").write_text(card, encoding="utf-8")
    declare(here, "{hf: someone/animals}")
    store = open_store("own")
    assert store.examples.splits == {"train": ("ant", "bee"), "test": ("cat", "dog")}
    assert (DOMAINS["own"].licence, DOMAINS["own"].citation) == ("cc-by-4.0", "@misc{a, title={Animals}}")
    declare(here, "{hf: someone/animals, parts: [validation]}")
    with pytest.raises(DataError, match="own: .*no part 'validation' in someone/animals; there are: train"):
        open_store("own")


def test_hugging_face_s_own_errors_are_one_line(here: Path) -> None:
    (here / "mixed").mkdir()
    (here / "mixed/a.csv").write_text("text,label\nhi,a\n", encoding="utf-8")
    (here / "mixed/b.csv").write_text("words,kind\nhi,a\n", encoding="utf-8")
    declare(here, "{hf: mixed}")
    with pytest.raises(
        DataError, match="^own: hf mixed cannot be read .*generating the dataset .* words: .*local copy"
    ) as caught:
        open_store("own")
    assert "\n" not in str(caught.value)


def test_hugging_face_images_come_undecoded(here: Path) -> None:
    pictures(here / "animals/train")
    declare(here, "{hf: animals}", modality="image", more="size: 16\n")
    of_datasets = np.asarray(open_store("own").examples.x)
    declare(here, "{folder: animals}", modality="image", more="size: 16\n")
    assert (of_datasets == np.asarray(open_store("own").examples.x)).all()


CSV = "{csv: animals.csv, text: said, label: kind}"
WRONG = [
    (
        "{csv: animals.csv, text: sayed, label: kind}",
        LISTED,
        "",
        "no column 'sayed'; it has said, kind, by, fold",
    ),
    ("{csv: plants.csv, text: said}", LISTED, "", "plants.csv is missing; paths are below --data-root"),
    ("{csv: a.csv, folder: b}", LISTED, "", "source names one of hf, .*; got folder, csv"),
    (CSV, "{train: [ant], test: [catt]}", "", "no example of class 'catt' of test; there is 'cat'"),
    (CSV, "{train: [ant], test: [ant]}", "", "class 'ant' stands there twice; splits are disjoint"),
    (CSV, "{train: 0.6, test: 0.6}", "", "the shares add up to 1.2; at most 1"),
    (CSV, "{train: 0.9, test: 0.1}", "", "a share of 0.1 of 4 classes is none"),
    (CSV, "{train: [ant, bee]}", "", "no classes for 'test'; a domain is tested"),
    (CSV, "{column: by}", "", "animals.csv: row 1: split is 'p0'; expected one of train, val, test"),
    (CSV, "{train: 0.5, tset: 0.5}", "", "splits: no split is named 'tset'; did you mean 'test'"),
    (CSV, "{train: 0.5, validation: 0.5}", "", "no split is named 'validation'; did you mean 'val'"),
    (CSV, "{colum: fold}", "", "no split is named 'colum'; did you mean 'column'"),
    (CSV, "{column: fold, train: 0.5}", "", "splits.train: there is no such key; there are: column"),
    (CSV, "tset", "", "splits: no split is named 'tset'; did you mean 'test'"),
    (CSV, "[ant]", "", "splits: it is \\['ant'\\]; it must be {train: "),
    (CSV, "{train: 50, test: 50}", "", "train: it is 50; it must be a share above 0 and at most 1"),
    (CSV, "{train: [0, 1], test: [2]}", "", "train: 0 is no text; class names are: quote it, as '0'"),
    (CSV, "{train: [no], test: [ant]}", "", "train: False is no text; class names are: quote it, as 'yes'"),
    (CSV, "{train: 0.5, test: [ant]}", "", "there are lists of classes and shares; it is one or the other"),
    (CSV, LISTED, "wdith: 3\n", "wdith: there is no such key; did you mean 'width'"),
    (CSV, LISTED, "license: MIT\n", "license: there is no such key; did you mean 'licence'"),
    (CSV, LISTED, "label: kind\n", "label: there is no such key; it is one of source"),
    (CSV, LISTED, "split: test\n", "split: there is no such key; did you mean 'splits'"),
    (CSV.replace("label", "labels"), LISTED, "", "source.labels: there is no such key; did you mean 'label'"),
    (CSV, LISTED, "width: 0\n", "width: Input should be greater than or equal to 1, got 0"),
    (CSV, LISTED, "width: long\n", "width: Input should be a valid integer, .*, got 'long'"),
    (CSV, LISTED, "size: 28\n", "a domain: size is of image; text has width and words"),
    (
        "{folder: .}",
        LISTED,
        "modality: speech\nsteps: 4\n",
        "a domain: steps is of series; speech has frames",
    ),
    (CSV, LISTED, "modality: audio\n", "modality: it is 'audio'; did you mean 'speech'"),
    ("{csv: animals.csv, layout: class/file}", LISTED, "", "layout is of folder; this source is csv"),
    (CSV, LISTED, "downloads: {a.csv: {url: 'https://x'}}\n", "there are a.csv; the source is animals.csv"),
    (CSV, LISTED, "downloads: {animals.csv: {url: 'https://x', md5: z}}\n", "md5: String should match"),
    ("{hf: someone/else}", LISTED, "", "someone/else is missing; a data set of the hub needs `revision:`"),
    ("{hf: someone/else, revision: main}", LISTED, "", "revision is 'main'; it is a commit, since branches"),
    ("{folder: ., layout: class}", LISTED, "", "layout is 'class'; it is words of class, group, split, file"),
    ("{csv: animals.csv, image: said}", LISTED, "", "image is of modality image, and this is text"),
    ("{torchvision: FashionMNST}", LISTED, "modality: image\n", "torchvision.datasets has no 'FashionMNST'"),
    (
        "{torchaudio: YESNO}",
        LISTED,
        "modality: speech\n",
        "torchaudio 'YESNO' has no classes that can be read",
    ),
    ("{folder: .}", LISTED, "modality: series\n", "series are lists of numbers in a column of csv"),
    (
        "{csv: animals.csv, series: said, label: kind}",
        LISTED,
        "modality: series\n",
        "row 1: said is 'ant number 0'; expected a list of numbers",
    ),
]


@pytest.mark.parametrize(("source", "splits", "more", "message"), WRONG, ids=[w[3][:30] for w in WRONG])
def test_what_is_wrong_is_one_line(here: Path, source: str, splits: str, more: str, message: str) -> None:
    written(here, "csv")
    declare(here, source, splits=splits, more=more)
    if more.startswith("modality"):
        path = here / "own.yaml"
        path.write_text(path.read_text(encoding="utf-8").removeprefix("modality: text\n"), encoding="utf-8")
    with pytest.raises((DataError, InvalidValue), match=message) as caught:
        open_store("own")
    named = "own" in str(caught.value) or "animals.csv" in str(caught.value)
    assert named and "\n" not in str(caught.value)


def test_an_empty_file_is_named_and_what_it_does_not_state(here: Path) -> None:
    written(here, "csv")
    declare(here, CSV)
    (check,) = (c for c in testing.checks("domain", "own") if c.name == "says_where_it_comes_from")
    with pytest.raises(testing.CheckFailed, match="licence is not stated; write `licence:` in the YAML file"):
        check()
    (here / "own.yaml").write_text("")
    with pytest.raises(InvalidValue, match="own.yaml does not describe a domain: it is empty"):
        open_store("own")


def test_a_folder_of_other_files_says_what_it_has(here: Path) -> None:
    pictures(here / "animals")
    declare(here, "{folder: animals}", modality="speech")
    with pytest.raises(DataError, match="animals: no speech files, which end in .wav, .*; it has 20 of .png"):
        open_store("own")
    (here / "animals").rename(here / "other")
    (here / "animals").mkdir()
    with pytest.raises(DataError, match="animals: no speech files, .*; it has no files"):
        open_store("own")


def test_labels_are_text_or_whole_numbers(here: Path) -> None:
    rows = [{"text": f"number {i}", "label": i % 4} for i in range(40)]
    prints = set()
    for kind in (int, float, str):
        labelled = [{**row, "label": kind(row["label"])} for row in rows]
        pq.write_table(pa.Table.from_pylist(labelled), here / "numbers.parquet")
        declare(here, "{parquet: numbers.parquet}", splits="{train: ['0', '1'], test: ['2', '3']}")
        prints.add(open_store("own").fingerprint)
    assert len(prints) == 1
    pq.write_table(pa.table({"text": ["a", "b"], "label": [1.0, 0.5]}), here / "numbers.parquet")
    with pytest.raises(DataError, match="row 2: label is 0.5; expected a class: text or a whole number"):
        open_store("own")


def test_a_file_is_downloaded_from_where_the_yaml_says(here: Path) -> None:
    written(here, "csv")
    content = (here / "animals.csv").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    with serve(Site({"/a.csv": content})) as site:
        more = f"downloads: {{animals.csv: {{url: '{site.url}/a.csv', sha256: {digest}}}}}\n"
        declare(here, CSV, splits=LISTED, more=more)
        beside = open_store("own").fingerprint
        (here / "animals.csv").unlink()
        with pytest.raises(DataError, match="`metanas data prepare own` does it"):
            open_store("own")
        (prepared,) = prepare(["own"], None)
    assert prepared.action == "built" and prepared.fingerprint == beside


@pytest.mark.parametrize("splits", [LISTED, "{train: 0.5, test: 0.5}"])
def test_labels_that_differ_in_case_or_spaces_are_refused(here: Path, splits: str) -> None:
    path = here / "animals.csv"
    written(here, "csv")
    path.write_text(path.read_text().replace(",bee,", ",Bee ,", 1))
    declare(here, CSV, splits=splits)
    with pytest.raises(
        DataError, match=r"animals.csv: row .*: label '(bee|Bee )'; did you mean '(Bee |bee)'"
    ):
        open_store("own")


def test_a_sound_that_is_cut_off_is_refused(here: Path) -> None:
    for name in CLASSES:
        for number in range(6):
            path = here / "sounds" / name / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.zeros(8000, np.int16), 16_000, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:4000])
    declare(here, "{folder: sounds}", modality="speech")
    with pytest.raises(DataError, match=r"dog/5.wav: cut off: 4000 bytes, but its header says 16044"):
        open_store("own")


def test_a_wrong_file_stops_neither_lists_nor_other_domains(here: Path) -> None:
    (here / "own.yaml").write_text("modality: [", encoding="utf-8")
    assert "own" in {row["name"] for row in listing.rows("domains")}
    rows = {row["name"]: row for row in listing.data_status(None)}
    assert rows["own"]["state"] == "wrong" and "own.yaml is not YAML" in rows["own"]["next"]
    assert rows["digits"]["state"] == "to be built"


def test_a_name_that_is_taken_is_refused(here: Path) -> None:
    declare(here, CSV).rename(here / "digits.yaml")
    with pytest.raises(
        InvalidValue, match=r"domain 'digits' is that of tasks.digits; give .*digits.yaml another"
    ):
        DOMAINS["digits"]


def test_a_sound_with_a_number_that_is_none_is_refused(here: Path) -> None:
    """Read as whole numbers, it was silence."""
    for name in CLASSES:
        (here / "sounds" / name).mkdir(parents=True)
        wave = np.sin(np.arange(4000) / 9).astype(np.float32)
        for number in range(8):
            wave[7] = np.nan if (name, number) == ("bee", 3) else 0
            soundfile.write(here / "sounds" / name / f"{number}.wav", wave, 8000, subtype="FLOAT")
    declare(here, "{folder: sounds}", modality="speech")
    with pytest.raises(DataError, match="bee/3.wav: sample 7 is not a finite number"):
        open_store("own")


def test_files_that_are_not_read_as_domains_are_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(here, CSV).rename(here / "mine.yml")
    places = (here, here / "nowhere", written(here, "csv"))
    monkeypatch.setenv("METANAS_DOMAINS", os.pathsep.join(map(str, places)))
    lines = listing.problems("domains")
    for line, words in zip(
        lines,
        ("mine.yml is left out: rename it to mine.yaml", "nowhere, which does not exist", "neither a folder"),
        strict=True,
    ):
        assert words in line
    with pytest.raises(UnknownName, match="no domain named 'mine'; .* .*mine.yml is left out: rename it"):
        open_store("mine")
    monkeypatch.delenv("METANAS_DOMAINS")
    monkeypatch.chdir(here)
    assert not listing.problems("domains")
