"""Results and inputs elsewhere: on another file system, and on an S3 server."""

import hashlib
import shutil
import tempfile
from pathlib import Path

import pytest
from undisturbed import differing

LINKS_REFUSED = """
import os

def refuse(*arguments, **options):
    raise PermissionError(1, "Operation not permitted")

os.link = refuse
"""


def without_samples(deployment):
    for name in ("A", "B", "cohort"):
        shutil.rmtree(deployment.folder / "results" / name)
    return deployment


def test_a_file_system_without_hard_links_gives_the_same_bits(finished, tmp_path):
    """Results in memory, where they are linked to, and a system that refuses to link."""
    deployment = without_samples(finished.copy(tmp_path / "run"))
    (tmp_path / "sitecustomize.py").write_text(LINKS_REFUSED)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as other:
        elsewhere = shutil.move(deployment.folder / "results", other)
        (deployment.folder / "results").symlink_to(elsewhere)
        deployment.run(PYTHONPATH=str(tmp_path))
        log = (deployment.folder / "results/logs/A/assemble.log").read_text()
        assert "image, labels and transcripts are copied" in log
        assert {path.stat().st_nlink for path in Path(elsewhere).rglob("*") if path.is_file()} == {
            1
        }
        assert differing(finished.results(), deployment.results()) == []
        assert deployment.planned() == set()


# S3.

BUCKET = "tissue"


class Server:
    """An S3 server on this machine."""

    def __init__(self, endpoint):
        import boto3

        self.endpoint = endpoint
        self._resource = boto3.resource("s3", endpoint_url=endpoint, region_name="us-east-1")
        self._resource.create_bucket(Bucket=BUCKET)
        self.bucket = self._resource.Bucket(BUCKET)

    def arguments(self, *others):
        return ("--storage-s3-endpoint-url", self.endpoint, *others)

    def results(self, prefix):
        """Hash of each object below a prefix, by the rest of its key."""
        return {
            item.key.removeprefix(prefix): hashlib.sha256(item.get()["Body"].read()).hexdigest()
            for item in self.bucket.objects.filter(Prefix=prefix)
        }


@pytest.fixture(scope="module")
def server():
    from moto.server import ThreadedMotoServer

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        running.start()
        host, port = running.get_host_and_port()
        yield Server(f"http://{host}:{port}")
        running.stop()


@pytest.mark.storage
def test_inputs_are_read_from_s3(finished, tmp_path, server):
    deployment = finished.copy(tmp_path / "run")
    slides = deployment.folder / "results/synthetic"
    for path in slides.rglob("*"):
        if path.is_file():
            server.bucket.upload_file(str(path), f"raw/{path.relative_to(slides)}")
    shutil.rmtree(deployment.folder / "results")
    sheet = deployment.folder / "config/samples.tsv"
    sheet.write_text(sheet.read_text().replace("results/synthetic/", f"s3://{BUCKET}/raw/"))
    arguments = server.arguments("--", "ingest")
    deployment.run(*arguments)
    made = deployment.results()
    local = {p: h for p, h in finished.results().items() if p in made}
    assert {p for p in made if p not in local} == set()
    # The record of the files says what the sheet says.
    assert differing(local, made) == ["A/slide.json", "B/slide.json"]
    record = (deployment.folder / "results/A/slide.json").read_text()
    assert f's3://{BUCKET}/raw/P1/image.ome.tif"' in record
    assert deployment.planned(*arguments) == set()
    print(f"\nread from S3: {len(made) - 2} files equal, 2 differ by the files' names alone")


@pytest.mark.storage
def test_results_are_kept_on_s3(finished, tmp_path, server):
    deployment = finished.copy(tmp_path / "run")
    shutil.rmtree(deployment.folder / "results")
    prefix = "cohorts/one/"
    storage = ("--default-storage-provider", "s3")
    storage += ("--default-storage-prefix", f"s3://{BUCKET}/{prefix}")
    arguments = server.arguments(*storage)
    deployment.run(*arguments)
    made = {
        path: value
        for path, value in server.results(f"{prefix}results/").items()
        if not {"logs", "benchmarks", "shards", "tiles.parquet", ".snakemake_timestamp"}
        & set(path.split("/"))
    }
    assert differing(finished.results(), made) == []
    assert deployment.planned(*arguments) == set()
    left = deployment.folder / "results"
    assert not any(path.suffix in (".h5ad", ".parquet") for path in left.rglob("*"))
    for item in server.bucket.objects.filter(Prefix=f"{prefix}results/A/A.zarr/"):
        item.delete()
    planned = deployment.planned(*arguments)
    assert "assemble A" in planned
    assert "graph A" not in planned
    print(f"\nkept on S3: {len(made)} objects equal to the files of a local run")


@pytest.mark.storage
def test_weights_are_on_this_machine_where_results_are_on_s3(finished, tmp_path, server):
    deployment = finished.copy(tmp_path / "run")
    shutil.rmtree(deployment.folder / "results")
    deployment.set("segment.segmenter", "flows")
    for kind in ("nuclei", "cell"):
        path = deployment.folder / f"{kind}.pt"
        path.touch()
        deployment.set(f"segment.flows.{kind}_weights", path.name)
    storage = ("--default-storage-provider", "s3")
    storage += ("--default-storage-prefix", f"s3://{BUCKET}/cohorts/two")
    assert {"prepare A", "segment B"} <= deployment.planned(*server.arguments(*storage))


@pytest.mark.storage
def test_a_missing_object_is_said_in_one_sentence(finished, tmp_path, server):
    deployment = finished.copy(tmp_path / "run")
    sheet = deployment.folder / "config/samples.tsv"
    gone = f"s3://{BUCKET}/gone/image.ome.tif"
    sheet.write_text(sheet.read_text().replace("results/synthetic/P1/image.ome.tif", gone))
    (deployment.folder / "results/A/slide.json").unlink()
    result = deployment.snakemake(*server.arguments("--", "ingest"))
    assert result.returncode != 0
    assert gone in result.stdout
    assert "Missing input files" in result.stdout
