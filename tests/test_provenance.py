from vitrail.provenance import record


def test_record_leaves_out_how_the_work_is_divided():
    assert record("tile", {"shards": 3, "size": 10})["settings"] == {"size": 10}
