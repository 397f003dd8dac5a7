rule train:
    """Train a flow network on a table of images and labels."""
    input:
        unpack(training_inputs),
    output:
        weights=f"{TRAINING}.pt",
        card=f"{TRAINING}.json",
        page=f"{TRAINING}.md",
    log:
        f"{RESULTS}/logs/train.log",
    benchmark:
        f"{RESULTS}/benchmarks/train.tsv"
    conda:
        "../../envs/train.yaml"
    threads: CONFIG["train"]["threads"]
    resources:
        mem_mb=memory(6000),
        runtime=minutes(training_minutes()),
    params:
        settings=stage_settings("train"),
        checkpoints=f"{TRAINING}-checkpoints",
        code=code_of("train"),
    message:
        f"Training {TRAINING}.pt; losses and time left: {RESULTS}/logs/train.log"
    script:
        "../../scripts/train.py"
