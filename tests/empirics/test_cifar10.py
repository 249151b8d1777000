"""On an archive of CIFAR-10's layout with fewer images. The real one is never fetched here."""

import hashlib
import http.server
import io
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest

from genmem.empirics.data import cifar10, datasets
from genmem.empirics.data.places import FOLDER_VARIABLE
from genmem.shared.errors import InputError

NAMES = [f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6)] + ["cifar-10-batches-bin/test_batch.bin"]
RECORDS = np.random.default_rng(0).integers(0, 256, (6, 4, 3073)).astype(np.uint8)
RECORDS[:, :, 0] %= 10


def write(path, members):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return hashlib.md5(path.read_bytes()).hexdigest()


def members():
    return {name: records.tobytes() for name, records in zip(NAMES, RECORDS, strict=True)}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The folder with the archive, and its md5."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    return tmp_path, write(tmp_path / cifar10.FILE, {"cifar-10-batches-bin/readme.html": b"x"} | members())


def test_images_and_labels_are_those_of_the_bytes(home):
    folder, md5 = home
    train, train_labels, test, test_labels = cifar10.read(cifar10.archive(md5=md5))
    assert train.shape == (20, 3, 32, 32) and test.shape == (4, 3, 32, 32) and train.dtype == np.float32
    assert np.array_equal(train_labels, RECORDS[:5, :, 0].ravel()) and np.array_equal(test_labels, RECORDS[5, :, 0])
    # The red channel comes first, each channel row by row.
    record = RECORDS[2, 3]
    assert train[11, 0, 0, 1] == pytest.approx(record[2] / 127.5 - 1, abs=1e-6)
    assert train[11, 2, 31, 31] == pytest.approx(record[-1] / 127.5 - 1, abs=1e-6)
    assert train[11, 1, 2, 5] == pytest.approx(record[1 + 1024 + 2 * 32 + 5] / 127.5 - 1, abs=1e-6)


def test_the_data_set_reads_it(home, monkeypatch):
    monkeypatch.setattr(cifar10.archive, "__defaults__", (cifar10.URL, home[1]))
    data = datasets.load("cifar10")
    assert len(data.pool) == 20 and len(data.held_out) == 4 and data.bound == 1


def test_an_archive_or_a_folder_of_the_layout_is_read_by_its_path(home, tmp_path_factory, monkeypatch):
    folder, _ = home
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    with tarfile.open(folder / cifar10.FILE) as tar:
        tar.extractall(elsewhere / "whole", filter="data")
    expected = cifar10.read(folder / cifar10.FILE)
    # An absolute path, a path from here, and a name in the folder of the data.
    names = [folder / cifar10.FILE, "whole", "whole/cifar-10-batches-bin", cifar10.FILE]
    for name in names:
        data = datasets.load(f"cifar10:{name}")
        assert np.array_equal(data.pool, expected[0]) and np.array_equal(data.held_out_labels, expected[3])
    (elsewhere / "whole" / NAMES[2]).unlink()
    with pytest.raises(InputError, match="no file 'data_batch_3.bin'"):
        datasets.load("cifar10:whole")
    with pytest.raises(InputError, match=f"there is no 'nowhere.tar.gz' and no '{folder / 'nowhere.tar.gz'}'"):
        datasets.load("cifar10:nowhere.tar.gz")


def test_a_truncated_or_other_archive_is_refused_before_it_is_read(home):
    folder, md5 = home
    path = folder / cifar10.FILE
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="truncated or another file.*remove it, or download"):
        cifar10.archive(md5=md5)
    with pytest.raises(InputError, match="truncated or another file"):
        datasets.load("cifar10")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda parts: parts.pop(NAMES[3]), "no member 'cifar-10-batches-bin/data_batch_4.bin'"),
        (lambda parts: parts.update({NAMES[5]: b"short"}), "no records of 3073 bytes"),
    ],
)
def test_an_archive_of_another_layout_is_one_sentence(tmp_path, change, words):
    parts = members()
    change(parts)
    write(tmp_path / "x.tar.gz", parts)
    with pytest.raises(InputError, match=words):
        cifar10.read(tmp_path / "x.tar.gz")


def test_what_is_no_archive_at_all_is_one_sentence(tmp_path):
    whole = tmp_path / "whole.tar.gz"
    write(whole, members())
    for content in (b"", b"no archive", whole.read_bytes()[:2000], whole.read_bytes()[:-3000]):
        (tmp_path / "x.tar.gz").write_bytes(content)
        with pytest.raises(InputError, match="x.tar.gz"):
            cifar10.read(tmp_path / "x.tar.gz")


def test_nothing_of_an_archive_is_written_anywhere(tmp_path):
    write(tmp_path / "x.tar.gz", members() | {"../outside.bin": b"evil", "/genmem-absolute.bin": b"evil"})
    before = sorted(tmp_path.parent.rglob("*"))
    cifar10.read(tmp_path / "x.tar.gz")
    assert sorted(tmp_path.parent.rglob("*")) == before and not Path("/genmem-absolute.bin").exists()


def test_the_archive_is_fetched_once_with_its_hash_checked(home, tmp_path_factory, monkeypatch):
    source, md5 = home
    target = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv(FOLDER_VARIABLE, str(target))
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=source)

        def log_message(self, *arguments):
            asked.append(arguments)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{cifar10.FILE}"
        try:
            with pytest.raises(InputError, match="could not be fetched.*by hand"):
                cifar10.archive(url, "0" * 32)
            assert not (target / cifar10.FILE).exists()
            path = cifar10.archive(url, md5)
            count = len(asked)
            assert cifar10.archive(url, md5) == path and len(asked) == count
        finally:
            server.shutdown()
    assert len(cifar10.read(path)[0]) == 20
    path.unlink()
    with pytest.raises(InputError, match=f"{target}.*{FOLDER_VARIABLE}"):
        cifar10.archive(url, md5)
