"""Instances as flows: the field of directions that leads each pixel to its cell's centre.

`targets` turns labels into flows, `masks` turns flows back into labels. Flows are unit vectors here
(y, x); networks of the Cellpose family put out five times as much. numpy and numba alone.
"""
