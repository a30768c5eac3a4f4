"""Chains of dense layers and narrow convolutions in steps that numba compiles for the machine.

One client trains at a time, and all of a step happens in one call: its weights stay in the
second-level cache, where a stack of many clients would drive them out. Of chains with wide
convolutions only the dense layers are taken over (`dense.py`).

From the outside in: `build.py` makes the engine, `engine.py` trains clients, `stack.py` holds one
model, `layout.py` turns its chain into a table, `steps.py` walks it, and the other modules do
one kind of layer each, on `tiles.py`.
"""
