"""What the stages that run a segmenter read, by the segmenter and by what a sample has."""

GIVEN_COLUMNS = ("labels", "nucleus_labels", "boundaries", "nucleus_boundaries")


def is_segmented(sample):
    """Whether the sample's cells are found in its image."""
    return has(sample, "image") and not has(sample, *GIVEN_COLUMNS)


def is_prepared(sample):
    settings = stage_settings("segment", sample)
    return is_segmented(sample) and segmentation.prepares(settings)


def segmenter_settings(wildcards):
    """The section `segment` without the options of the segmenters that are not chosen."""
    return segmentation.used_settings(stage_settings("segment", wildcards.sample))


def segmenter_environment(wildcards):
    name = segmentation.environment(stage_settings("segment", wildcards.sample))
    return str(ROOT / f"envs/{name}.yaml")


def weighed(wildcards):
    """Weight files of the segmenter."""
    if not is_segmented(wildcards.sample):
        return {}
    files = segmentation.weight_files(stage_settings("segment", wildcards.sample))
    return {"weights": files} if files else {}


def segmentable(wildcards):
    """Weight files, and what was measured on the slide where the segmenter measures something."""
    files = weighed(wildcards)
    if is_prepared(wildcards.sample):
        files["prepared"] = of(wildcards.sample, "prepared.json")
    return files
