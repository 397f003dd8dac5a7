"""Training of the flow network: from a table of images and labels to a weight file.

`vitrail.training.run.train` trains; `vitrail.training.synthetic` and `vitrail.training.sets` make
tables to train on.
"""
