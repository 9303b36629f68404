"""Matrix products of a decoder's shapes by route (plain, switch, packed): GFLOP/s and error against float64.

    python perf/matmul.py [--threads 1]

The engine chooses among these routes by a shorter form of this measurement (evalharness/engine/matmul.py).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from _pairs import machine, options

SHAPES = ((768, 2304), (768, 3072), (3072, 768), (768, 50257))
ROWS = (1, 4, 16, 64, 128, 512)


def fastest(product: Callable[[], object], seconds: float) -> float:
    """Least seconds of one product, tried for `seconds`."""
    product()
    best, until = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < until:
        start = time.perf_counter()
        product()
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    parser = options("measures matrix products by route; there is no peer: all routes are in torch")
    args = parser.parse_args()
    import torch
    import torch.nn.functional as F

    from evalharness.engine.matmul import choose_route, pack_weight, packed_matmul, switched

    torch.set_num_threads(args.threads)
    generator = torch.Generator().manual_seed(0)
    for inputs, outputs in SHAPES[:1] if args.quick else SHAPES:
        w = torch.randn(outputs, inputs, generator=generator) * 0.02
        packed = pack_weight(w)
        for rows in ROWS[2:3] if args.quick else ROWS:
            x = torch.randn(rows, inputs, generator=generator)
            exact = x.double() @ w[:64].double().T

            def switch(x: torch.Tensor = x, w: torch.Tensor = w) -> torch.Tensor:
                with switched(True):
                    return F.linear(x, w)

            routes = {
                "plain": lambda x=x, w=w: F.linear(x, w),
                "switch": switch,
                "packed": lambda x=x, packed=packed: packed_matmul(x, packed, None),
            }
            line: dict[str, object] = {"inputs": inputs, "outputs": outputs, "rows": rows}
            with torch.inference_mode():
                for name, product in routes.items():
                    speed = 2e-9 * rows * inputs * outputs / fastest(product, 0.05 if args.quick else 0.3)
                    error = float((product()[:, :64].double() - exact).abs().max())
                    line[name] = {"gflops": round(speed), "error": float(f"{error:.1e}")}
            print(json.dumps(line), flush=True)
    chosen = {str(rows): choose_route(768, rows) for rows in (16, 128)}
    print(json.dumps({"name": "products", "threads": args.threads, **machine(), "chosen_for_rows": chosen}))


if __name__ == "__main__":
    main()
