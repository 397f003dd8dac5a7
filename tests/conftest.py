import pytest


@pytest.fixture(autouse=True, scope="session")
def threads_stay_as_they_are():
    """Scripts that run inside of the tests' process must not change its number of threads.

    A job fixes it before numba is imported; here numba runs already and refuses.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vitrail.job._fix_threads", lambda threads: None)
        yield
