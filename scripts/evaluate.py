"""Stage evaluate: segmenters over a table of images and labels to their scores."""

from vitrail import job


def main(job):
    from vitrail.evaluate import chosen_rows, evaluate, load_segmenters
    from vitrail.io.examples import read_table
    from vitrail.report.curves import draw_curves

    settings = job.params.settings
    scores, images = evaluate(
        chosen_rows(read_table(job.input.table), settings["split"]),
        load_segmenters(settings["segmenters"], job.params.segment),
        settings["diameter"],
        settings["resamples"],
        settings["seed"],
        job.log.info,
    )
    scores.to_csv(job.output.scores, sep="\t", index=False, float_format="%.6g")
    images.to_csv(job.output.images, sep="\t", index=False, float_format="%.6g")
    draw_curves(scores, job.output.curves)


job.run(main, snakemake)
