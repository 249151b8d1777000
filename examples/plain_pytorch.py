"""StopBeforeMemorization in a plain PyTorch loop, on 16 of scikit-learn's digits.

    python examples/plain_pytorch.py

The network predicts the noise and is called as diffusers' models are, so the callback needs nothing but images. Killed
and started again, the loop goes on from its last checkpoint and stops where it would have stopped.
"""

import argparse
from pathlib import Path

import torch
from diffusers import UNet2DModel
from sklearn.datasets import load_digits

from genmem.empirics.training.stopping import StopBeforeMemorization

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--out", type=Path, default=Path("out/plain_pytorch"))
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--first", type=int, default=20, help="optimizer steps before the first check")
parser.add_argument("--spacing", type=float, default=1.1, help="factor in steps between checks")
parser.add_argument("--samples", type=int, default=64, help="images generated at each check")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
checkpoint = args.out / "checkpoint.pt"

torch.manual_seed(0)
digits = torch.from_numpy(load_digits().images / 8 - 1).float()[:, None]
digits = digits[torch.randperm(len(digits))]
images, held_out = digits[:16], digits[-128:]

network = UNet2DModel(
    sample_size=8,
    in_channels=1,
    out_channels=1,
    layers_per_block=2,
    block_out_channels=(16, 32),
    norm_num_groups=4,
    down_block_types=("DownBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D"),
)
optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
alphabar = torch.cumprod(1 - torch.linspace(1e-4, 2e-2, 1000), dim=0)

stopper = StopBeforeMemorization(
    images, held_out, args.out / "best.safetensors", first=args.first, spacing=args.spacing, samples=args.samples
)
start = 0
if checkpoint.exists():
    state = torch.load(checkpoint, weights_only=True)
    start = state["step"]
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    stopper.load_state_dict(state["stopper"])

stop = stopper.after_step(start, network)
for step in range(start + 1, args.steps + 1):
    if stop:
        break
    torch.manual_seed(step)  # so that a resumed run draws the same batches
    batch = images[torch.randint(len(images), (32,))]
    k = torch.randint(1000, (len(batch),))
    noise = torch.randn_like(batch)
    signal = alphabar[k].view(-1, 1, 1, 1)
    loss = (network(signal.sqrt() * batch + (1 - signal).sqrt() * noise, k).sample - noise).square().mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    stop = stopper.after_step(step, network)
    if step % 50 == 0 or stop:
        state = {
            "step": step,
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "stopper": stopper.state_dict(),
        }
        torch.save(state, args.out / "checkpoint.part")
        (args.out / "checkpoint.part").replace(checkpoint)

stopper.restore(network)
outcome = stopper.outcome
print(
    f"ended at step {outcome.step} ({outcome.reason}); kept step {outcome.best_step}; "
    f"{len(outcome.checks)} checks took {outcome.share:.0%} of the time"
)
