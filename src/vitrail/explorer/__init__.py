"""A sample as a folder that Xenium Explorer opens: image, outlines, transcripts, counts, groups.

The viewer reads zarr archives of format 2 in zip files, and an OME-TIFF with its pyramid; the file
``experiment.xenium`` names them. Positions are micrometres from the image's outer corner.
"""
