"""Seeds: from one root an independent seed for each purpose, launch and workload."""

import hashlib


def derive_seed(root: int, *purpose: str | int) -> int:
    """Return a 32-bit seed that is the same wherever the root and the purpose are.

    Prompts and arrivals are derived without the deployment, so that two deployments are asked the same.
    """
    text = "/".join(str(part) for part in (root, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
