"""StopBeforeMemorization in a training script of diffusers' kind, on 16 of scikit-learn's digits.

    accelerate launch examples/diffusers_unconditional.py

Everything is as in diffusers' example of unconditional image generation, with a smaller network and images that need no
download. The lines of the callback are marked; it is called on the main process, and all processes hear its answer.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from diffusers.optimization import get_scheduler
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

from genmem.empirics.training.stopping import StopBeforeMemorization

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--output_dir", type=Path, default=Path("out/diffusers_unconditional"))
parser.add_argument("--max_train_steps", type=int, default=1000)
parser.add_argument("--train_batch_size", type=int, default=16)
parser.add_argument("--learning_rate", type=float, default=2e-3)
parser.add_argument("--lr_warmup_steps", type=int, default=10)
parser.add_argument("--checkpointing_steps", type=int, default=200)
parser.add_argument("--resume_from_checkpoint", type=Path)
parser.add_argument("--mixed_precision", choices=["no", "fp16", "bf16"], default="no")
parser.add_argument("--first_check", type=int, default=20)
parser.add_argument("--check_spacing", type=float, default=1.1)
parser.add_argument("--check_samples", type=int, default=64)
args = parser.parse_args()

accelerator = Accelerator(mixed_precision=args.mixed_precision)
torch.manual_seed(0)
digits = torch.from_numpy(load_digits().images / 8 - 1).float()[:, None]
digits = digits[torch.randperm(len(digits))]
images, held_out = digits[:16], digits[-128:]

model = UNet2DModel(
    sample_size=8,
    in_channels=1,
    out_channels=1,
    layers_per_block=2,
    block_out_channels=(16, 32),
    norm_num_groups=4,
    down_block_types=("DownBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D"),
)
noise_scheduler = DDPMScheduler(num_train_timesteps=1000)
optimizer = torch.optim.AdamW(model.parameters(), lr=args.learning_rate)
train_dataloader = DataLoader(TensorDataset(images), batch_size=args.train_batch_size, shuffle=True)
lr_scheduler = get_scheduler(
    "constant_with_warmup", optimizer, num_warmup_steps=args.lr_warmup_steps * accelerator.num_processes
)
model, optimizer, train_dataloader, lr_scheduler = accelerator.prepare(model, optimizer, train_dataloader, lr_scheduler)

stopper = StopBeforeMemorization(  # callback
    images.to(accelerator.device),
    held_out.to(accelerator.device),
    args.output_dir / "best.safetensors",
    first=args.first_check,
    spacing=args.check_spacing,
    samples=args.check_samples,
)
accelerator.register_for_checkpointing(stopper)  # callback: its state is in every checkpoint
global_step = 0
if args.resume_from_checkpoint:
    accelerator.load_state(args.resume_from_checkpoint)
    global_step = int(args.resume_from_checkpoint.name.split("-")[1])
if accelerator.is_main_process:
    stopper.after_step(global_step, accelerator.unwrap_model(model))  # callback: the loss before training

stop = False
while global_step < args.max_train_steps and not stop:
    model.train()
    for (clean_images,) in train_dataloader:
        noise = torch.randn_like(clean_images)
        timesteps = torch.randint(
            0, noise_scheduler.config.num_train_timesteps, (len(clean_images),), device=clean_images.device
        )
        noisy_images = noise_scheduler.add_noise(clean_images, noise, timesteps)
        with accelerator.accumulate(model):
            model_output = model(noisy_images, timesteps).sample
            loss = F.mse_loss(model_output.float(), noise.float())
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            lr_scheduler.step()
            optimizer.zero_grad()
        if not accelerator.sync_gradients:
            continue
        global_step += 1
        if accelerator.is_main_process and stopper.after_step(global_step, accelerator.unwrap_model(model)):  # callback
            accelerator.set_trigger()
        stop = accelerator.check_trigger()
        if stop or global_step >= args.max_train_steps:
            break
        if global_step % args.checkpointing_steps == 0 and accelerator.is_main_process:
            accelerator.save_state(args.output_dir / f"checkpoint-{global_step}")

accelerator.wait_for_everyone()
if accelerator.is_main_process:
    stopper.restore(accelerator.unwrap_model(model))  # callback: the best network, not the last
    DDPMPipeline(unet=accelerator.unwrap_model(model), scheduler=noise_scheduler).save_pretrained(args.output_dir)
    outcome = stopper.outcome
    print(
        f"ended at step {outcome.step} ({outcome.reason}); kept step {outcome.best_step}; "
        f"{len(outcome.checks)} checks took {outcome.share:.0%} of the time"
    )
accelerator.end_training()
