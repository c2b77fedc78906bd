"""What a machine with a GPU needs before anything is run on it."""

from pathlib import Path

import pytest

from reproductions.gpu_hour import hour, surroundings


def test_data_are_unpacked_and_checked(tmp_path: Path) -> None:
    data, script = tmp_path / "data", tmp_path / "unpack.py"
    with pytest.raises(hour.ReportError, match=r"CIFAR-10.* with --unpack a script that makes it"):
        surroundings.need_cifar10(data, None)
    script.write_text("import sys; sys.exit('a part is damaged')")
    with pytest.raises(hour.ReportError, match=r"unpack\.py did not make the data: a part is damaged"):
        surroundings.need_cifar10(data, script)
    files = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]
    script.write_text(
        "import sys, pathlib; folder = pathlib.Path(sys.argv[1]) / 'cifar-10-batches-py'; folder.mkdir()\n"
        f"for name in {files}: (folder / name).write_text('wrong')"
    )
    with pytest.raises(hour.ReportError, match=r"data_batch_1 is missing or damaged: .*its digest is another one"):
        surroundings.need_cifar10(data, script)
