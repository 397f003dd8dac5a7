import pytest
from once import once


@pytest.fixture(autouse=True, scope="session")
def threads_stay_as_they_are():
    """Scripts that run inside of the tests' process must not change its number of threads.

    A job fixes it before numba is imported; here numba runs already and refuses.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vitrail.job._fix_threads", lambda threads: None)
        yield


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory):
    """Folder with nuclei.pt and cells.pt: the weights of a small network that finds discs."""

    def make(folder):
        from tiny_network import write_weights

        folder.mkdir()
        write_weights(folder)

    return once(tmp_path_factory, "tiny_weights", make)
