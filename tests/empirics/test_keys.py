"""The key of a recorded run is the name of its folder, now and ever after."""

from pathlib import Path

import pytest

from genmem.empirics.records.runs import find

RECORDS = Path(__file__).parents[2] / "records"


@pytest.mark.parametrize("folder", sorted(path.name for path in RECORDS.iterdir() if path.is_dir()))
def test_recorded_configs_have_the_keys_that_they_were_recorded_under(folder):
    records = find(RECORDS / folder)
    assert records
    for record in records:
        assert record.config.key == record.key == record.directory.name
        record.config.check()
