"""Train a policy by PPO on learned progress, in N emulators at once.

With the artefacts of the two pretraining scripts in place:

    uv run python train_with_cnn_reward.py --reward-model reward_resnet34.pkl \\
        --pretrained-encoder pretrained_encoder.pkl --return-filter 0.8 --iterations 50000

A small run on a CPU, on progress that is filtered along the trajectory:

    uv run python train_with_cnn_reward.py --reward memory --reward-interval 1 \\
        --pretrained-encoder pretrained_encoder.pkl --iterations 100

Ctrl-C finishes the iteration and saves; the same command goes on where it stopped.
"""

import copy
import hashlib
import json
import math
import os
import signal
import time
from collections import defaultdict, deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from cli import run_script
from curriculum import CurriculumConfig, CurriculumEnvs, start_masks
from games.actions import BUTTONS
from games.game import Game, find_game
from models.actor_critic import ActorCritic, ActorCriticConfig, save_policy
from models.checkpoint import load_checkpoint, save_checkpoint
from models.novelty import Novelty
from models.progress import REWARD_FILES, load_progress
from models.tokenizer import Encoder, TokenizerConfig, load_encoder
from training import forget, pick_device

STATE_KIND = "ppo_state"


@dataclass
class Args(CurriculumConfig):
    # --- what is played, and what teaches it
    rom: Path | None = None
    """ROM to play; default: the one in roms/, else the bundled game"""
    reward: Literal["score", "memory"] = "score"
    """score: one frame by the reward model; memory: filtered along the trajectory"""
    reward_model: Path | None = None
    """reward artefact; default: reward_resnet34.pkl, or reward_memory.pkl for --reward memory"""
    pretrained_encoder: Path | None = None
    """encoder artefact; without it the encoder starts random and is trained"""
    finetune_encoder: bool = False
    """train the pretrained encoder on, too (slower); default: frozen"""
    out: Path = Path("checkpoints")
    """directory of policy_*.pkl, training_state.pkl and metrics.jsonl"""
    novelty_coef: float = 0.01
    """weight of the bonus for screens not seen before, 1/sqrt(visits); 0 turns it off"""

    # --- PPO
    iterations: int = 50000
    """rollouts, each followed by an update"""
    num_steps: int = 64
    """steps of a rollout in each environment"""
    return_filter: float = 0.8
    """share of trajectory segments, best returns first, that the policy loss keeps; 1: all"""
    gamma: float = 0.99
    """discount factor a step"""
    gae_lambda: float = 0.95
    """lambda of the generalised advantage estimate"""
    lr: float = 3e-4
    """learning rate of Adam"""
    epochs: int = 4
    """passes over a rollout"""
    minibatches: int = 4
    """parts, by environment, of a rollout in a pass"""
    clip_coef: float = 0.2
    """clipping range of the probability ratio"""
    entropy_coef: float = 0.01
    """weight of the entropy bonus"""
    value_coef: float = 0.5
    """weight of the value loss"""
    max_grad_norm: float = 0.5
    """gradient norm at which gradients are clipped"""
    hidden: int = 256
    """width of the policy's hidden layers"""
    gru: bool = False
    """give the policy a recurrent memory"""

    # --- running
    seed: int = 0
    """seed of weights, actions and curriculum"""
    device: str = "auto"
    """auto, cpu or cuda"""
    save_every: int = 50
    """iterations between two saves of the training state and policy_final.pkl"""
    snapshots: int = 20
    """policies kept along the way as policy_<iteration>.pkl, evenly spaced"""
    fresh: bool = False
    """start over, even when there is a training state to go on from"""
    time_limit_minutes: float | None = None
    """stop after this much wall time, as if the iterations were done"""


@dataclass
class Rollout:
    """What N environments did in T steps; all (T, N) unless stated."""

    inputs: torch.Tensor
    """latents (T, N, D, 9, 10), or frames (T, N, 144, 160, 3) uint8 while the encoder is trained"""
    starts: torch.Tensor
    """bool: the frame begins an episode"""
    paid: torch.Tensor
    """progress that had been paid for"""
    memory: torch.Tensor
    """(N, hidden) the policy's memory before the first frame"""
    actions: torch.Tensor
    log_probs: torch.Tensor
    values: torch.Tensor
    next_values: torch.Tensor
    """value of the frame that the action led to, before any restart; 0 after a termination"""
    rewards: torch.Tensor
    boundaries: torch.Tensor
    """bool: the episode was cut after this step"""


def gae(
    rewards: torch.Tensor,
    values: torch.Tensor,
    next_values: torch.Tensor,
    boundaries: torch.Tensor,
    gamma: float,
    gae_lambda: float,
) -> torch.Tensor:
    """Return generalised advantage estimates (Schulman et al., 2016); all (T, N).

    `next_values[t]` is the value of the frame that step t led to in the same episode, so a cut
    bootstraps from the last real frame and nothing leaks over it.
    """
    advantages = torch.zeros_like(rewards)
    carried = torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * next_values[t] - values[t]
        carried = delta + gamma * gae_lambda * carried.masked_fill(boundaries[t], 0.0)
        advantages[t] = carried
    return advantages


def return_filter(rewards: torch.Tensor, keep: float) -> tuple[torch.Tensor, float]:
    """Choose the best segments: each is what one environment did in this rollout.

    A segment's return is its sum of rewards (T, N), which are changes of progress and therefore
    relative to where the segment began; all progress is paid for by its end. Returns a mask (N,)
    bool that keeps ceil(keep * N) of them, and the lowest return kept.
    """
    returns = rewards.sum(dim=0)
    count = int(np.ceil(keep * len(returns)))
    best = returns.argsort(descending=True, stable=True)[:count]
    mask = torch.zeros_like(returns, dtype=torch.bool)
    mask[best] = True
    return mask, returns[best].min().item()


@dataclass
class Agent:
    """The learner and all that goes on from one rollout to the next."""

    args: Args
    policy: ActorCritic
    optimizer: torch.optim.Optimizer
    novelty: Novelty
    novelty_encoder: Encoder | None
    """as it was at the beginning, for screens keep their place in it; None: the policy's does"""
    envs: CurriculumEnvs
    device: torch.device
    trains_encoder: bool
    memory: torch.Tensor = field(init=False)
    starts: torch.Tensor = field(init=False)

    def __post_init__(self):
        self.memory = self.policy.initial_memory(self.args.num_envs)
        self.starts = torch.ones(self.args.num_envs, dtype=torch.bool, device=self.device)

    def look(self, rows: np.ndarray | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the policy learns from (frames or latents) and latents, of `rows` or all."""
        obs = self.envs.obs if rows is None else self.envs.obs[rows]
        frames = torch.tensor(obs, device=self.device)
        latents = self.policy.encode(frames)
        return (frames if self.trains_encoder else latents), latents

    @torch.no_grad()
    def rollout(self) -> tuple[Rollout, dict[str, float]]:
        """Play `num_steps` steps in all environments. Returns them, and figures about them."""
        args, envs = self.args, self.envs
        columns = defaultdict(list)
        ended: dict[str, list[float]] = {"gain": [], "milestones": []}
        bonuses, known = [], []
        start_memory = self.memory.clone()
        inputs, latents = self.look()
        logits, values, memory = self._act(latents)
        for _ in range(args.num_steps):
            action_log_probs = torch.log_softmax(logits, dim=-1)
            actions = torch.multinomial(action_log_probs.exp(), 1).squeeze(1)
            columns["inputs"].append(inputs)
            columns["starts"].append(self.starts)
            columns["paid"].append(self._paid())
            columns["actions"].append(actions)
            columns["log_probs"].append(action_log_probs.gather(1, actions[:, None]).squeeze(1))
            columns["values"].append(values)

            reward, terminated, truncated = envs.step(actions.cpu().numpy())
            known.append(envs.known.mean())
            reward = torch.from_numpy(reward).to(self.device)
            self.memory, self.starts = memory, torch.zeros_like(self.starts)
            inputs, latents = self.look()
            if args.novelty_coef:
                sights = self.novelty_encoder(inputs) if self.novelty_encoder else latents
                bonus = self.novelty(sights)
                bonuses.append(bonus.mean().item())
                reward = reward + args.novelty_coef * bonus
            logits, values, memory = self._act(latents)
            boundary = terminated | truncated
            columns["rewards"].append(reward)
            columns["next_values"].append(values * torch.from_numpy(~terminated).to(self.device))
            columns["boundaries"].append(torch.from_numpy(boundary).to(self.device))
            if boundary.any():
                cut = np.flatnonzero(boundary)
                fresh = cut[envs.is_fresh[cut]]
                ended["milestones"] += envs.reached[fresh].sum(axis=1).tolist()
                ended["gain"] += (envs.score[fresh] - envs.beginning.progress).tolist()
                envs.restart(cut)
                self.starts[cut] = True
                new_inputs, new_latents = self.look(cut)
                inputs[cut], latents[cut] = new_inputs, new_latents
                logits, values, memory = self._act(latents)
        rollout = Rollout(
            memory=start_memory,
            **{name: torch.stack(column) for name, column in columns.items()},
        )
        metrics = {f"fresh_episode/{name}": np.mean(v) for name, v in ended.items() if v}
        metrics["rollout/known_share"] = float(np.mean(known))
        metrics["novelty/bonus"] = float(np.mean(bonuses or [0.0]))
        return rollout, metrics

    def _paid(self) -> torch.Tensor:
        """Return the progress that has been paid for, (N,)."""
        return torch.tensor(self.envs.paid_score, device=self.device)

    def _act(self, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return logits (N, actions), values (N,) and memory for what the environments show now."""
        starts, paid = self.starts[None], self._paid()[None]
        logits, values, memory = self.policy(latents[None], starts, self.memory, paid)
        return logits[0], values[0], memory

    def update(self, rollout: Rollout) -> dict[str, float]:
        """Improve policy and value on a rollout by clipped PPO. Returns mean losses and figures."""
        args = self.args
        advantages = gae(
            rollout.rewards,
            rollout.values,
            rollout.next_values,
            rollout.boundaries,
            args.gamma,
            args.gae_lambda,
        )
        returns = advantages + rollout.values
        kept, cutoff = return_filter(rollout.rewards, args.return_filter)
        chosen = advantages[:, kept]
        advantages = (advantages - chosen.mean()) / (chosen.std(correction=0) + 1e-8)

        sums: dict[str, float] = {}
        batches = 0
        for _ in range(args.epochs):
            order = torch.randperm(args.num_envs, device=self.device)
            for rows in order.tensor_split(args.minibatches):
                loss, metrics = self._loss(rollout, rows, advantages, returns, kept)
                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()
                norm = torch.nn.utils.clip_grad_norm_(self.policy.parameters(), args.max_grad_norm)
                self.optimizer.step()
                batches += 1
                for name, value in (metrics | {"losses/grad_norm": norm}).items():
                    sums[name] = sums.get(name, 0.0) + float(value)
        variance = returns.var()
        explained = 1 - (returns - rollout.values).var() / variance if variance > 0 else 0.0
        shares = torch.bincount(rollout.actions.flatten(), minlength=len(BUTTONS)) / (
            rollout.actions.numel()
        )
        return {name: total / batches for name, total in sums.items()} | {
            "losses/explained_variance": float(explained),
            "return_filter/kept_share": kept.float().mean().item(),
            "return_filter/cutoff": cutoff,
            "rollout/return": rollout.rewards.sum(dim=0).mean().item(),
            **{f"action/{name}": float(shares[i]) for i, name in enumerate(BUTTONS)},
        }

    def _loss(self, rollout, rows, advantages, returns, kept):
        """Return the PPO loss on the environments `rows`, and its parts."""
        args = self.args
        inputs = rollout.inputs[:, rows]
        latents = self.policy.encode(inputs) if self.trains_encoder else inputs
        starts, paid = rollout.starts[:, rows], rollout.paid[:, rows]
        logits, values, _ = self.policy(latents, starts, rollout.memory[rows], paid)
        log_probs = torch.log_softmax(logits, dim=-1)
        taken = log_probs.gather(2, rollout.actions[:, rows, None]).squeeze(2)
        log_ratio = taken - rollout.log_probs[:, rows]
        ratio = log_ratio.exp()
        advantage = advantages[:, rows]
        clipped = ratio.clamp(1 - args.clip_coef, 1 + args.clip_coef)
        surrogate = torch.minimum(ratio * advantage, clipped * advantage)
        weight = kept[rows].float().expand_as(surrogate)  # (T, rows): whole segments in or out
        policy_loss = -(surrogate * weight).sum() / weight.sum().clamp(min=1)
        value_loss = 0.5 * (values - returns[:, rows]).square().mean()
        entropy = -(log_probs.exp() * log_probs).sum(dim=-1).mean()
        loss = policy_loss + args.value_coef * value_loss - args.entropy_coef * entropy
        return loss, {
            "losses/policy": policy_loss.detach(),
            "losses/value": value_loss.detach(),
            "policy/entropy_share": entropy.detach() / np.log(len(BUTTONS)),
            "policy/approx_kl": ((ratio - 1) - log_ratio).mean().detach(),
            "policy/clip_fraction": ((ratio - 1).abs() > args.clip_coef).float().mean(),
        }

    def state_dict(self) -> dict:
        """Return everything that a resumed run needs to go on exactly."""
        return {
            "policy": self.policy.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "novelty": self.novelty.state_dict(),
            "envs": self.envs.state_dict(),
            "memory": self.memory,
            "starts": self.starts,
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` returned."""
        self.policy.load_state_dict(state["policy"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.novelty.load_state_dict(state["novelty"])
        self.envs.load_state_dict(state["envs"])
        self.memory = state["memory"].to(self.device)
        self.starts = state["starts"].to(self.device)
        torch.set_rng_state(state["torch_rng"])
        if len(state["cuda_rng"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["cuda_rng"])


def reward_path(args: Args) -> Path:
    """Return the reward's artefact: as told, or the name that its training script gives it."""
    return args.reward_model or Path(REWARD_FILES[args.reward])


def make_agent(args: Args, game: Game) -> Agent:
    """Load the artefacts and put the parts together. Raises ValueError for what does not fit."""
    torch.manual_seed(args.seed)
    device = pick_device(args.device)
    progress = load_progress(args.reward, reward_path(args), args.num_envs, device)
    if args.pretrained_encoder:
        encoder = load_encoder(args.pretrained_encoder, device)
    else:
        encoder = Encoder(TokenizerConfig())
    trains_encoder = args.finetune_encoder or not args.pretrained_encoder
    policy = ActorCritic(ActorCriticConfig(hidden=args.hidden, gru=args.gru), encoder).to(device)
    policy.encoder.requires_grad_(trains_encoder).to(memory_format=torch.channels_last)
    trained = [p for p in policy.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=args.lr, eps=1e-5)
    novelty = Novelty(math.prod(encoder.latent_shape), seed=args.seed).to(device)
    novelty_encoder = None
    if trains_encoder and args.novelty_coef:
        novelty_encoder = copy.deepcopy(policy.encoder).requires_grad_(False)
    envs = CurriculumEnvs(args, game, progress, np.random.default_rng(args.seed))
    return Agent(args, policy, optimizer, novelty, novelty_encoder, envs, device, trains_encoder)


def check(args: Args) -> None:
    """Raise ValueError for settings that can not work."""
    counts = ("num_envs", "num_steps", "reward_interval", "episode_steps", "patience_steps")
    for name in (
        *counts,
        "iterations",
        "epochs",
        "minibatches",
        "hidden",
        "save_every",
        "snapshots",
    ):
        if getattr(args, name) < 1:
            flag = f"--{name.replace('_', '-')}"
            raise ValueError(f"expected {flag} of 1 or more, got {getattr(args, name)}")
    for name in ("gamma", "gae_lambda", "fresh_share", "return_filter"):
        value = getattr(args, name)
        if not 0 <= value <= 1 or (name == "return_filter" and value == 0):
            flag, low = f"--{name.replace('_', '-')}", "above 0" if value == 0 else "from 0"
            raise ValueError(f"expected {flag} {low} to 1, got {value}")
    if args.num_steps % args.reward_interval and args.return_filter < 1:
        raise ValueError(
            f"expected --num-steps to be a multiple of --reward-interval ({args.reward_interval}), "
            f"or the return filter would judge segments by a part of them, got {args.num_steps}"
        )
    if args.minibatches > args.num_envs:
        raise ValueError(
            f"expected --minibatches up to --num-envs ({args.num_envs}), got {args.minibatches}"
        )


#: Flags that may change between a run and its continuation.
FREE_FLAGS = (
    "iterations", "time_limit_minutes", "save_every", "snapshots", "fresh", "device", "out"
)  # fmt: skip


def settings(args: Args, game: Game) -> dict:
    """Return what a continued run must share: flags, and files by content, not by path."""
    fixed = {name: value for name, value in asdict(args).items() if name not in FREE_FLAGS}
    fixed["rom"], fixed["reward_model"] = game.sha1, reward_path(args)
    for name, value in fixed.items():
        if isinstance(value, Path):
            fixed[name] = hashlib.sha256(value.read_bytes()).hexdigest()
    return fixed


def resume(agent: Agent, path: Path, fixed: dict) -> tuple[int, float]:
    """Load the training state, if there is one; return (iterations done, seconds spent)."""
    if not path.exists():
        return 0, 0.0
    checkpoint = load_checkpoint(path, STATE_KIND)
    changed = [name for name, value in fixed.items() if checkpoint["config"].get(name) != value]
    if changed:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in changed)
        raise ValueError(
            f"{path} was trained with other settings or files ({flags}): use the same ones to go "
            "on, --fresh to start over, or another --out"
        )
    agent.load_state_dict(checkpoint["state_dict"])
    return checkpoint["iteration"], checkpoint["seconds"]


def keep_rows(path: Path, iteration: int) -> None:
    """Drop rows of metrics.jsonl after `iteration`, which the resumed run writes again."""
    kept = []
    for row in path.read_text().splitlines() if path.exists() else ():
        try:
            if json.loads(row)["iteration"] > iteration:
                break
        except json.JSONDecodeError:  # the end of a row that a crash cut off
            break
        kept.append(row + "\n")
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text("".join(kept))
    os.replace(temporary, path)


class Interrupt:
    """Turns the first Ctrl-C into a wish to stop after this iteration; the second stops at once.

    A launcher such as `uv run` may pass on what the terminal has sent already: what follows within
    a second is the same Ctrl-C.
    """

    wanted_since: float | None = None

    @property
    def wanted(self) -> bool:
        """Ctrl-C was pressed."""
        return self.wanted_since is not None

    def __enter__(self):
        self.previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def _handle(self, *_) -> None:
        if self.wanted_since is not None:
            if time.monotonic() - self.wanted_since > 1:
                raise KeyboardInterrupt
            return
        self.wanted_since = time.monotonic()
        print("\nstopping after this iteration; Ctrl-C again to stop at once")

    def __exit__(self, *_) -> None:
        signal.signal(signal.SIGINT, self.previous)


def state_paths(args: Args) -> list[Path]:
    """Return what a continued training goes on from."""
    return [args.out / "training_state.pkl"]


def main(args: Args) -> dict:
    """Train, saving as it goes; returns the last row of metrics."""
    check(args)
    game = find_game(args.rom)
    print(f"playing {game.name} ({game.path}), reward: {args.reward}")
    agent = make_agent(args, game)
    fixed = settings(args, game)
    args.out.mkdir(parents=True, exist_ok=True)
    (state_path,), metrics_path = state_paths(args), args.out / "metrics.jsonl"
    if args.fresh:
        forget([state_path])
    done, seconds = resume(agent, state_path, fixed)
    if done:
        print(f"going on from iteration {done} ({state_path})")
    keep_rows(metrics_path, done)

    def save_as(name: str, iteration: int) -> None:
        extra = {"game": game.name, "rom_sha1": game.sha1, "iteration": iteration}
        extra |= {"frame_skip": args.frame_skip, "hold_frames": args.hold_frames}
        extra |= {"start_masks": start_masks(args.start_movie).tolist()}
        save_policy(args.out / name, agent.policy, **extra)

    def save(iteration: int) -> None:
        save_as("policy_final.pkl", iteration)
        state = agent.state_dict()
        save_checkpoint(state_path, STATE_KIND, fixed, state, iteration=iteration, seconds=seconds)

    writer = SummaryWriter(str(args.out / "tensorboard"), purge_step=done + 1)
    recent = {"milestones": deque(maxlen=50), "gain": deque(maxlen=50)}
    row: dict[str, float] = {"iteration": done}
    iteration, batch = done, args.num_envs * args.num_steps
    snapshot_every = math.ceil(args.iterations / args.snapshots)
    limit = 60 * args.time_limit_minutes if args.time_limit_minutes is not None else math.inf
    last = args.iterations if seconds < limit else done
    progress_bar = tqdm(range(done + 1, last + 1), initial=done, total=args.iterations)
    with writer, Interrupt() as interrupt:
        for iteration in progress_bar:
            began = time.monotonic()
            rollout, row = agent.rollout()
            row |= agent.update(rollout)
            seconds += time.monotonic() - began
            row |= {
                "iteration": iteration,
                "env_steps": iteration * batch,
                "env_steps_per_second": batch / (time.monotonic() - began),
                "archive/entries": len(agent.envs.archive),
                "archive/frontier": agent.envs.archive.frontier,
                "archive/rejected": agent.envs.rejected,
            }
            row = {name: round(float(value), 6) for name, value in row.items()}
            with metrics_path.open("a") as file:
                file.write(json.dumps(row) + "\n")
            for name, value in row.items():
                writer.add_scalar(name, value, iteration)
            for name, values in recent.items():
                if f"fresh_episode/{name}" in row:
                    values.append(row[f"fresh_episode/{name}"])
            progress_bar.set_postfix(
                frontier=f"{row['archive/frontier']:.2f}",
                milestones=f"{np.mean(recent['milestones'] or [0]):.1f}",
                entropy=f"{row['policy/entropy_share']:.2f}",
                refresh=False,
            )
            stop = interrupt.wanted or seconds >= limit
            if iteration % snapshot_every == 0:
                save_as(f"policy_{iteration:06d}.pkl", iteration)
            if stop or iteration % args.save_every == 0:
                save(iteration)
            if stop:
                break
    if interrupt.wanted:
        print(f"stopped after iteration {iteration}; the same command goes on from there")
        raise KeyboardInterrupt
    save(iteration)
    print(f"wrote {args.out / 'policy_final.pkl'} after {iteration} iterations")
    return row


if __name__ == "__main__":
    run_script(main, Args)
