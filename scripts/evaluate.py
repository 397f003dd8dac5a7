"""Stage evaluate: the scores of all segmenters to tables and curves."""

from vitrail import job


def main(job):
    import json
    from pathlib import Path

    from vitrail.io.tsv import write_tsv
    from vitrail.score_curves import draw_curves

    found = {
        name: json.loads(Path(path).read_text(encoding="utf-8"))
        for name, path in zip(job.params.names, job.input.scores, strict=True)
    }
    for part in ("scores", "images"):
        rows = [{"segmenter": name, **row} for name in found for row in found[name][part]]
        write_tsv(getattr(job.output, part), rows)
    draw_curves({name: content["scores"] for name, content in found.items()}, job.output.curves)


job.run(main, snakemake)
