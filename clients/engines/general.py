"""A stack of models of any kind: PyTorch's `vmap` over the model as it is.

Slower than the kernels written out, and how a product is blocked may depend on how many clients
there are, so here a client's bits are those of its chunk, not its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from clients.engines.chain import NotAChainError, Shape
from clients.engines.feed import CPU, Columns
from clients.engines.kernels.base import Descent, unfold
from federation.arrays import Array, Arrays
from federation.models.tasks import as_tensor


class GeneralStack:
    """`clients` copies of `module`; the interface is that of `Stack`.

    With `draws_together` a model may draw random numbers: torch's default generator of the device
    makes those of all clients.
    """

    draws = False
    columns = Columns()

    def __init__(
        self,
        module: nn.Module,
        inputs: Shape,
        clients: int,
        rows: int,
        device: torch.device = CPU,
        draws_together: bool = False,
    ) -> None:
        self.clients, self.rows, self.inputs, self.device = clients, rows, inputs, device
        self.draws_together = draws_together
        self._module = module
        self.shapes = {name: tuple(value.shape) for name, value in module.named_parameters()}
        self._all = {
            name: torch.zeros(clients, *shape, device=device) for name, shape in self.shapes.items()
        }
        self._all_gradients = [torch.zeros_like(value) for value in self._all.values()]
        randomness = "different" if draws_together else "error"
        self._forward = torch.vmap(self._one, in_dims=(0, 0), randomness=randomness)
        self._result = torch.empty(0)
        self.outputs = self._try()
        self.narrow(clients)

    def _one(self, parameters: dict[str, Tensor], batch: Tensor) -> Tensor:
        outputs: Tensor = torch.func.functional_call(self._module, parameters, (batch,))
        return outputs

    def _try(self) -> int:
        """The number of outputs. Raises NotAChainError where the model cannot be stacked."""
        problem = _refusal(self._module, self.draws_together)
        if problem:
            raise NotAChainError(problem)
        self.narrow(self.clients)
        try:
            shape = (self.clients, self.rows, int(np.prod(self.inputs)))
            outputs = self.forward(torch.zeros(shape, device=self.device))
        except Exception as error:  # noqa: BLE001 - a model may fail in any way under vmap
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise NotAChainError(f"vmap cannot take it: {reason}") from None
        if outputs.dim() != 3 or outputs.shape[1] != self.rows:
            raise NotAChainError(f"it gives an output of shape {tuple(outputs.shape[1:])}")
        return outputs.shape[2]

    def want_gradients(self) -> None:
        """They are there."""

    def expect(self, generators: Sequence[torch.Generator], rows: Sequence[int]) -> None:
        """Nothing is drawn."""

    def narrow(self, count: int) -> None:
        """Go on with the first `count` clients."""
        self._here = {n: v[:count].requires_grad_() for n, v in self._all.items()}
        self.parameters = [value.detach() for value in self._here.values()]
        self.gradients = [value[:count] for value in self._all_gradients]

    def forward(self, batch: Tensor) -> Tensor:
        """Outputs (K, B, outputs) for (K, B, features)."""
        with torch.enable_grad():
            self._result = self._forward(self._here, unfold(batch, 2, self.inputs))
        return self._result.detach()

    def backward(self, g: Tensor, descent: Descent | None) -> None:
        """Fill `gradients`, and move along them if asked to."""
        found = torch.autograd.grad(self._result, list(self._here.values()), g)
        for gradient, value in zip(self.gradients, found, strict=True):
            gradient.copy_(value)
        if descent is not None:
            if descent.keep != 1:
                torch._foreach_mul_(self.parameters, descent.keep)
            torch._foreach_add_(self.parameters, self.gradients, alpha=-descent.rate)

    def load(self, client: int, arrays: Arrays) -> None:
        """Overwrite the weights of the client at that place."""
        self.write([value.detach() for value in self._all.values()], client, arrays)

    def write(self, into: Sequence[Tensor], client: int, arrays: Arrays) -> None:
        """Put named arrays into tensors shaped like the weights."""
        for name, tensor in zip(self.shapes, into, strict=True):
            tensor[client].copy_(as_tensor(np.array(arrays[name])))

    def arrays(self, client: int) -> dict[str, Array]:
        """Copies of the weights of the client at that place."""
        return {n: value.detach()[client].cpu().numpy().copy() for n, value in self._all.items()}

    def named(self, tensors: Sequence[Tensor]) -> dict[str, Tensor]:
        """By the model's names."""
        return dict(zip(self.shapes, tensors, strict=True))


def _refusal(module: nn.Module, may_draw: bool) -> str | None:
    if any(True for _ in module.buffers()):
        return "it has buffers"
    if not all(value.requires_grad for value in module.parameters()):
        return "some of its parameters are frozen"
    draws = nn.modules.dropout._DropoutNd
    if not may_draw and any(isinstance(one, draws) and one.p > 0 for one in module.modules()):
        return "it draws random numbers, and vmap has one stream of them for all clients"
    return None
