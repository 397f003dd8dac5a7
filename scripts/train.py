"""Stage train: a table of images and labels to a weight file with its model card."""

from vitrail import job


def main(job):
    import json
    from pathlib import Path

    from vitrail.io.examples import read_table
    from vitrail.training.card import page
    from vitrail.training.settings import Settings, run_options
    from vitrail.training.stage import train_from_rows

    options, given = run_options(job.params.settings)
    card = train_from_rows(
        read_table(job.input.table),
        Settings.of(given),
        job.output.weights,
        job.params.checkpoints,
        job.log,
        threads=job.threads,
        **options,
    )
    card["provenance"] = job.provenance
    Path(job.output.card).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    Path(job.output.page).write_text(page(card), encoding="utf-8")


job.run(main, snakemake)
