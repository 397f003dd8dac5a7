import pytest


@pytest.fixture(autouse=True)
def threads_stay_as_they_are(monkeypatch):
    """Scripts that run inside of the tests' process must not change its number of threads.

    A job fixes it before numba is imported; here numba runs already and refuses.
    """
    monkeypatch.setattr("vitrail.job._fix_threads", lambda threads: None)
