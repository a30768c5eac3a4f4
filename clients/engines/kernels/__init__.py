"""Forward and backward of common layers for a stack of models, one per client.

Letters in shapes: K clients, B rows of a batch. Two layouts: rows (K, B, features), and images
(K, channels, height, width, B). With the batch innermost, all that a convolution and its gradient
copy are long runs of memory, which PyTorch's own unfolding and folding do not have.

A layer's weights are one tensor (K, outputs, columns): inputs, then the bias, then zeros up to a
multiple of 16 numbers. The bias meets a column of ones, so it costs no operation of its own, and
every client's weights begin at a multiple of 64 bytes: the bits of a client do not depend on its
place in the stack, nor on how many others there are.
"""
