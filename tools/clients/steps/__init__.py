"""The steps that every client takes, in the order of the table.

A step is a function of a `Walk`, with a name that says what it shows. It makes what it needs and
depends on no other.
"""

from . import asymmetric, blobs, callers, keys, material, pairs

ALL = [step for part in (pairs, keys, material, asymmetric, blobs, callers) for step in part.STEPS]
