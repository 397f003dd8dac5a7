"""What the stages that run, train or score a segmenter read, by the segmenter and the sample."""

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


def shipped_weights(wildcards):
    """Hashes of the shipped weights that the segmenter reads: other ones make results stale."""
    if not is_segmented(wildcards.sample):
        return {}
    return segmentation.shipped_weights(stage_settings("segment", wildcards.sample))


def weighed(wildcards):
    """The user's weight files that the segmenter reads."""
    if not is_segmented(wildcards.sample):
        return {}
    files = segmentation.weight_files(stage_settings("segment", wildcards.sample))
    return {"weights": [located(file) for file in files]} if files else {}


def segmentable(wildcards):
    """Weight files, and what was measured on the slide where the segmenter measures something."""
    files = weighed(wildcards)
    if is_prepared(wildcards.sample):
        files["prepared"] = of(wildcards.sample, "prepared.json")
    return files


def training_inputs(wildcards):
    """The table, its files, and the weights to begin with."""
    asked = stage_settings("train")
    files = table_files("train", asked["table"])
    return files | ({"start": located(asked["start"])} if asked["start"] else {})


def training_minutes():
    """Minutes for a training: six seconds a step of the default size, as two slow cores need."""
    asked = stage_settings("train")
    steps = asked["steps"] + asked["self_identification"] * asked["pretraining"]
    size = asked["batch"] * (asked["crop"] * asked["width"]) ** 2
    return 60 + 0.1 * steps * size / (8 * (224 * 16) ** 2)


def evaluated(name):
    """The section `segment` for one of the segmenters to evaluate, without the others' options."""
    changes = CONFIG["evaluate"]["segmenters"][name] or {}
    merged = settings.merge(stage_settings("segment"), changes)
    return segmentation.used_settings(merged)


def scored_inputs(wildcards):
    """The table, its files and the weights; one sentence where the segmenter cannot run."""
    asked = evaluated(wildcards.segmenter)
    try:
        segmentation.check(asked)
    except VitrailError as error:
        raise WorkflowError(str(error)) from None
    files = table_files("evaluate", CONFIG["evaluate"]["table"])
    weights = [located(file) for file in segmentation.weight_files(asked)]
    return files | ({"weights": weights} if weights else {})
