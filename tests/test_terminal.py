"""Whatever becomes of a command's output, its disk or its patience: one sentence at most, and no traceback."""

import errno
import os
import resource
import subprocess
import sys

import pytest

from genmem.commands.terminal import in_ascii
from genmem.shared.errors import Failure
from genmem.shared.files import written_whole

GENMEM = [sys.executable, "-m", "genmem"]


def full():
    """Stands for a full disk: no file may grow beyond 4096 bytes, and a write beyond them is an OSError."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("predict --out a.nc", "a.nc"),
        ("phase-diagram --points 3 --out new/a.nc", "new/a.nc"),
        pytest.param("simulate --d 10 --out a.nc", "a.nc", marks=pytest.mark.slow),
        pytest.param("figures spectrum --out f", "f/spectrum.nc", marks=pytest.mark.slow),
        pytest.param("report --out r", "r/", marks=pytest.mark.slow),
    ],
)
def test_a_full_disk_is_one_sentence_and_leaves_no_part_of_a_file(line, file, tmp_path):
    result = subprocess.run([*GENMEM, *line.split()], capture_output=True, text=True, cwd=tmp_path, preexec_fn=full)
    assert result.returncode == 1
    assert result.stderr.startswith(f"genmem: '{file}") and result.stderr.endswith(f"{os.strerror(errno.EFBIG)}\n")
    assert result.stderr.count("\n") == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_measured_times_meet_a_full_disk(tmp_path):
    from tests.figures.recorded import write_run

    write_run(tmp_path / "runs", 32, 0, gen=150, mem=480, steps=1500)
    line = ["measure", "runs", "--out", "times.json"]
    result = subprocess.run(
        [*GENMEM, *line],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64)),
    )
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert result.stderr.startswith("genmem: 'times.json' could not be written")
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_what_stood_there_survives_a_write_that_fails(tmp_path):
    path = tmp_path / "kept"
    path.write_text("old")
    with (
        pytest.raises(Failure, match="'.*kept' could not be written: No space left on device"),
        written_whole(path) as part,
    ):
        part.write_text("ne")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("line", ["--help", "train --help", "predict --tau 1 2 3"])
def test_a_closed_pipe_is_quiet(line):
    """As after `| head -1`, but closed before the first word, so that it does not depend on who is faster."""
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run([*GENMEM, *line.split()], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, b"")


def test_output_that_cannot_be_written_is_said():
    with open("/dev/full", "w") as nowhere:
        result = subprocess.run([*GENMEM, "--help"], stdout=nowhere, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert result.stderr == "genmem: the output could not be read or written: No space left on device\n"


@pytest.mark.parametrize(
    ("encoding", "printed"),
    [
        ("utf-8", "τ ≥ 5 ψ² Δ é ─│┌ 図"),
        ("latin-1", "tau >= 5 psi² Delta é -|+ ?"),
        ("cp1252", "tau >= 5 psi² Delta é -|+ ?"),
        ("ascii", "tau >= 5 psi^2 Delta e -|+ ?"),
    ],
)
def test_a_terminal_prints_what_its_encoding_has_and_the_nearest_of_the_rest(encoding, printed):
    code = "from genmem.commands.terminal import prepare; prepare(); print('τ ≥ 5 ψ² Δ é ─│┌ 図')"
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
    assert result.stdout.decode(encoding) == printed + "\n" and result.stderr == b""


def test_every_greek_letter_has_a_name_in_ascii():
    assert [in_ascii(letter) for letter in "αβγδεζηθικλμνξοπρστυφχψω"] == (
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lamda mu nu xi omicron pi rho sigma tau upsilon phi "
        "chi psi omega"
    ).split()


def test_an_interrupt_that_python_would_drop_ends_the_command():
    """Python prints and forgets an exception in a destructor, so that Ctrl-C at the wrong moment did nothing."""
    code = """
import signal, time
import genmem.__main__ as front
class Dropped:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
def work(arguments):
    Dropped()
    time.sleep(30)
front._run = work
front.main()
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=25)
    assert result.returncode == 130
    assert result.stderr == "genmem: interrupted; the same command goes on where it stopped\n"
