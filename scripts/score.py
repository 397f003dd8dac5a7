"""Stage score: a segmenter over a table of images and labels to its scores."""

from vitrail import job


def main(job):
    import json
    from pathlib import Path

    from vitrail.evaluate import chosen_rows, score
    from vitrail.io.examples import read_table
    from vitrail.segmentation import load_configured

    settings = job.params.settings
    scores, images = score(
        chosen_rows(read_table(job.input.table), settings["split"]),
        load_configured(job.params.segment),
        settings["diameter"],
        settings["resamples"],
        settings["seed"],
        job.log.info,
    )
    content = {"scores": scores, "images": images, "provenance": job.provenance}
    Path(job.output.scores).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


job.run(main, snakemake)
