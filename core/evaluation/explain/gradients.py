"""Contributions of nets: integrated gradients, on signals, scaled features and the windows of a trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from core.evaluation.explain.attribution import Attribution

# integrated gradients: steps, at most, and how far the sum may miss the change of the logit
STEPS, MOST_STEPS, TOLERANCE = 32, 512, 5e-3
CHUNK = 512  # forward passes at a time


def signals(net: Any, x: Mapping[str, np.ndarray], columns: Sequence[str], types: Sequence[str]) -> Attribution:
    """Of a net on signals: channels are the columns, silence the point of comparison."""
    inputs = {name: np.nan_to_num(np.asarray(x[name], dtype=np.float32)) for name in net.shapes_}
    found, base = integrated(net, inputs)
    values = np.concatenate([found[name].sum(axis=2) for name in inputs], axis=1)
    return Attribution(values, base, tuple(columns), tuple(types), "integrated gradients")


def stacked(steps: Sequence[Any], x: Any, columns: Sequence[str], types: Sequence[str]) -> Attribution:
    """Of a net on the channels of all types side by side."""
    for step in steps[:-1]:
        x = step.transform(x)
    return signals(steps[-1], x, columns, types)


def dense(
    net: Any,
    z: np.ndarray,
    tail: Callable[[np.ndarray], np.ndarray] | None,
    columns: Sequence[str],
    types: Sequence[str],
) -> Attribution:
    """Of a dense net on scaled features; components between are linear and taken into the function."""
    import torch

    project = None
    if tail is not None:
        start = tail(np.zeros((1, z.shape[1])))
        weight = torch.as_tensor((tail(np.eye(z.shape[1])) - start).T, dtype=torch.float32)
        shift = torch.as_tensor(start[0], dtype=torch.float32)

        def project(rows: Any) -> Any:
            return torch.nn.functional.linear(rows, weight, shift)

    found, base = integrated(net, {"features": z.astype(np.float32)}, project=project)
    return Attribution(found["features"], base, tuple(columns), tuple(types), "integrated gradients")


def sequence(steps: Sequence[Any], x: Any, columns: Sequence[str], types: Sequence[str]) -> Attribution:
    """Of a net on the windows of a trial: a row is a trial, and each window has its part."""
    order = list(range(len(columns)))
    for step in steps[:-1]:
        x = step.transform(x)
        if type(step).__name__ == "Streams":
            order = [i for name in x if name != "mask" for i in step.columns[name]]
    found, base = integrated(steps[-1], dict(x), fixed=("mask",))
    whole = np.concatenate(list(found.values()), axis=2)
    return Attribution(
        whole.sum(axis=1), base, tuple(columns[i] for i in order), tuple(types[i] for i in order),
        "integrated gradients", over_time=whole.sum(axis=2),
    )  # fmt: skip


def integrated(
    net: Any, inputs: Mapping[str, np.ndarray], fixed: Sequence[str] = (), project: Callable | None = None
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Integrated gradients from zero to each row, of the logit of High or the score of the likeliest class.

    Steps are doubled until the sum misses the change by no more than TOLERANCE, or there are MOST_STEPS.

    Parameters
    ----------
    fixed
        Inputs that are no numbers to be moved, such as a mask.
    project
        What is done to ``features`` before the net.

    Returns
    -------
    (dict, ndarray)
        Contributions by input, in its shape; what the net says of zero, shape (n_rows,).
    """
    import torch

    from core.models.net import alone

    moved = [name for name in inputs if name not in fixed]
    n = len(next(iter(inputs.values())))
    several = len(net.classes_) > 2

    def scores(*tensors: Any) -> Any:
        given = dict(zip((*moved, *fixed), tensors, strict=False))
        if project is not None:
            given["features"] = project(given["features"])
        return net.module_(**given).double()

    def said(*tensors: Any) -> Any:
        found = scores(*tensors)
        return found.gather(1, tensors[-1][:, None])[:, 0] if several else found[:, 1] - found[:, 0]

    out = {name: np.zeros(inputs[name].shape) for name in moved}
    base = np.zeros(n)
    with alone(net.seed):
        net.module_.eval()
        for start in range(0, n, CHUNK // STEPS):
            rows = slice(start, start + CHUNK // STEPS)
            here = [torch.as_tensor(inputs[name][rows]) for name in (*moved, *fixed)]
            with torch.no_grad():
                chosen = scores(*here).argmax(dim=1)
            found, zero = _along(said, here[: len(moved)], (*here[len(moved) :], chosen))
            base[rows] = zero
            for name, value in zip(moved, found, strict=True):
                out[name][rows] = value
    return out, base


def _along(said: Callable, moved: list, rest: tuple) -> tuple[list[np.ndarray], np.ndarray]:
    """Contributions of one batch, with as many steps as it takes."""
    import torch
    from captum.attr import IntegratedGradients

    zeros = tuple(torch.zeros_like(t) for t in moved)
    with torch.no_grad():
        low, high = said(*zeros, *rest), said(*moved, *rest)
    steps = STEPS
    while True:
        found = IntegratedGradients(said).attribute(
            tuple(moved), zeros, additional_forward_args=rest, n_steps=steps, internal_batch_size=CHUNK
        )
        total = torch.stack([f.double().flatten(1).sum(dim=1) for f in found]).sum(dim=0)
        if float((total - (high - low)).abs().max()) <= TOLERANCE or steps >= MOST_STEPS:
            return [f.detach().double().numpy() for f in found], low.numpy()
        steps *= 2
