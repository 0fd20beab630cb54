"""Train a policy by PPO on learned progress, in N emulators at once.

With the artefacts of the two pretraining scripts in place:

    uv run python train_with_cnn_reward.py --reward-model reward_resnet34.pkl \\
        --pretrained-encoder pretrained_encoder.pkl --return-filter 0.8 --iterations 50000

A small run on a CPU, on progress that is filtered along the trajectory:

    uv run python train_with_cnn_reward.py --reward memory --reward-interval 1 \\
        --pretrained-encoder pretrained_encoder.pkl --iterations 100

Ctrl-C keeps everything; the same command goes on where it stopped.
"""

import json
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from emurust import VecGameBoy
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from cli import run_script
from games.actions import BUTTONS, action_masks
from games.game import Game, find_game
from games.movie import read_movie
from models.actor_critic import ActorCritic, ActorCriticConfig, save_policy
from models.archive import Archive, Entry
from models.checkpoint import load_checkpoint, save_checkpoint
from models.novelty import Novelty
from models.progress import Progress, load_progress
from models.tokenizer import Encoder, TokenizerConfig, load_encoder
from training import pick_device

STATE_KIND = "ppo_state"


@dataclass
class Args:
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

    # --- emulators
    num_envs: int = 32
    """emulators played at once"""
    frame_skip: int = 30
    """frames of the game a step: 30 is half a second"""
    hold_frames: int = 8
    """frames of a step for which the button is held"""

    # --- reward
    reward_interval: int = 64
    """steps between two computations of the progress delta"""
    progress_scale: float = 10.0
    """reward for the progress of one whole run"""
    time_penalty: float = 0.001
    """cost of a step"""
    novelty_coef: float = 0.01
    """weight of the bonus for screens not seen before, 1/sqrt(visits); 0 turns it off"""

    # --- curriculum
    episode_steps: int = 1024
    """steps until an episode is cut and the environment starts elsewhere"""
    fresh_share: float = 0.3
    """share of episodes that start at the beginning, not at an archived state; 1: no curriculum"""
    start_movie: Path | None = None
    """input movie played before every beginning, such as games/waystone/intro.txt"""

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
    """iterations between two saves of the training state and a policy"""
    fresh: bool = False
    """start over, even when there is a training state to go on from"""
    time_limit_minutes: float | None = None
    """stop after this much wall time, as if the iterations were done"""


class CurriculumEnvs:
    """N emulators with a progress reward, started from power-on or from archived states."""

    def __init__(self, args: Args, game: Game, progress: Progress, rng: np.random.Generator):
        self.args, self.game, self.progress, self.rng = args, game, progress, rng
        self.emulators = VecGameBoy(
            game.rom, args.num_envs, args.frame_skip, hold_frames=args.hold_frames
        )
        self.obs = np.zeros(self.emulators.obs_shape(), dtype=np.uint8)
        self.archive = Archive()
        self.rejected = 0
        self.score = np.zeros(args.num_envs, dtype=np.float32)
        self.episode_steps = np.zeros(args.num_envs, dtype=np.int64)
        self.is_fresh = np.zeros(args.num_envs, dtype=bool)
        self.reached = np.zeros((args.num_envs, len(game.milestones)), dtype=bool)
        self.beginning = self._play_start_movie()
        for env in range(args.num_envs):
            self.restart(env)

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Press `actions` (N,) indices for one step; `obs` then shows the outcome.

        Returns reward (N,) float32 without novelty, terminated (N,) and truncated (N,) bool.
        Nothing is restarted here: value the last real frame first, then call `restart`.
        """
        args = self.args
        _, terminated = self.emulators.step(action_masks(actions), self.obs)
        terminated = np.asarray(terminated, dtype=bool)
        self.episode_steps += 1
        self.reached |= self.game.milestones_held(self.emulators.read_memory_batch)
        truncated = (self.episode_steps >= args.episode_steps) & ~terminated
        due = self.episode_steps % args.reward_interval == 0
        due |= truncated | terminated
        reward = np.full(args.num_envs, -args.time_penalty, dtype=np.float32)
        if due.any():
            envs = np.flatnonzero(due)
            reward[envs] += args.progress_scale * self._advance_score(envs)
        return reward, terminated, truncated

    def _advance_score(self, envs: np.ndarray) -> np.ndarray:
        """Score the frames of `envs`, archive the moments worth it, return the change of score."""
        before = self.score[envs]
        contexts = {env: self.progress.save(env) for env in envs}
        self.score[envs] = self.progress.score(self.obs[envs], envs)
        for env in envs:
            if self.archive.wants(self.score[env], self.rng):
                state = self.emulators.export_state(env)
                entry = Entry(state, contexts[env], float(self.score[env]))
                self.archive.add(entry, self.rng)
        return self.score[envs] - before

    def restart(self, env: int) -> None:
        """Begin an episode: afresh with probability `fresh_share`, else from the archive."""
        fresh = self.rng.random() < self.args.fresh_share
        entry = None if fresh else self.archive.sample(self.rng)
        if entry is not None and not self._load(env, entry):
            self.archive.discard(entry)
            self.rejected += 1
            entry = None
        if entry is None and not self._load(env, self.beginning):
            raise RuntimeError("the beginning of the game does not score as it did before")
        self.is_fresh[env] = entry is None
        self.episode_steps[env] = 0
        self.reached[env] = False

    def _load(self, env: int, entry: Entry) -> bool:
        """Load a moment and score it again; False when it does not score as it was saved."""
        self.emulators.import_state(env, entry.state)
        self.emulators.render(self.obs)
        self.progress.load(env, entry.context)
        envs = np.array([env])
        self.score[env] = self.progress.score(self.obs[envs], envs)[0]
        return abs(self.score[env] - entry.progress) < 1e-3

    def _play_start_movie(self) -> Entry:
        """Play from power-on to where fresh episodes begin, scoring every step on the way."""
        self.emulators.reset(self.obs)
        masks = (
            read_movie(self.args.start_movie) if self.args.start_movie else np.zeros(1, np.uint8)
        )
        env = np.array([0])
        self.progress.reset(0)
        for mask in masks:
            self.emulators.step(np.full(self.args.num_envs, mask, dtype=np.uint8), self.obs)
            context = self.progress.save(0)
            score = float(self.progress.score(self.obs[env], env)[0])
        return Entry(self.emulators.export_state(0), context, score)

    def state_dict(self) -> dict:
        """Return everything that a resumed run needs to go on exactly."""
        states = [self.emulators.export_state(env) for env in range(self.args.num_envs)]
        return {
            "states": [torch.frombuffer(bytearray(s), dtype=torch.uint8) for s in states],
            "contexts": [self.progress.save(env) for env in range(self.args.num_envs)],
            "score": torch.from_numpy(self.score.copy()),
            "episode_steps": torch.from_numpy(self.episode_steps.copy()),
            "is_fresh": torch.from_numpy(self.is_fresh.copy()),
            "reached": torch.from_numpy(self.reached.copy()),
            "archive": self.archive.state_dict(),
            "rejected": self.rejected,
            "rng": json.dumps(self.rng.bit_generator.state),
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` returned."""
        for env in range(self.args.num_envs):
            self.emulators.import_state(env, state["states"][env].numpy().tobytes())
            self.progress.load(env, state["contexts"][env])
        self.emulators.render(self.obs)
        for name in ("score", "episode_steps", "is_fresh", "reached"):
            getattr(self, name)[...] = state[name].numpy()
        self.archive.load_state_dict(state["archive"])
        self.rejected = state["rejected"]
        self.rng.bit_generator.state = json.loads(state["rng"])


@dataclass
class Rollout:
    """What N environments did in T steps; all (T, N) unless stated."""

    inputs: torch.Tensor
    """latents (T, N, D, 9, 10), or frames (T, N, 144, 160, 3) uint8 while the encoder is trained"""
    starts: torch.Tensor
    """bool: the frame begins an episode"""
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
    relative to where the segment began. Returns a mask (N,) bool that keeps ceil(keep * N) of them,
    and the lowest return kept.
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
        columns: dict[str, list[torch.Tensor]] = {name: [] for name in Rollout.__annotations__}
        ended: dict[str, list[float]] = {"gain": [], "milestones": []}
        bonuses = []
        start_memory = self.memory.clone()
        inputs, latents = self.look()
        logits, values, memory = self._act(latents, self.starts, self.memory)
        for _ in range(args.num_steps):
            action_log_probs = torch.log_softmax(logits, dim=-1)
            actions = torch.multinomial(action_log_probs.exp(), 1).squeeze(1)
            columns["inputs"].append(inputs)
            columns["starts"].append(self.starts)
            columns["actions"].append(actions)
            columns["log_probs"].append(action_log_probs.gather(1, actions[:, None]).squeeze(1))
            columns["values"].append(values)

            reward, terminated, truncated = envs.step(actions.cpu().numpy())
            reward = torch.from_numpy(reward).to(self.device)
            self.memory, self.starts = memory, torch.zeros_like(self.starts)
            inputs, latents = self.look()
            if args.novelty_coef:
                bonus = self.novelty(latents)
                bonuses.append(bonus.mean().item())
                reward = reward + args.novelty_coef * bonus
            logits, values, memory = self._act(latents, self.starts, self.memory)
            boundary = terminated | truncated
            columns["rewards"].append(reward)
            columns["next_values"].append(values * torch.from_numpy(~terminated).to(self.device))
            columns["boundaries"].append(torch.from_numpy(boundary).to(self.device))
            if boundary.any():
                cut = np.flatnonzero(boundary)
                for env in cut:
                    if envs.is_fresh[env]:
                        ended["milestones"].append(envs.reached[env].sum())
                        ended["gain"].append(envs.score[env] - envs.beginning.progress)
                    envs.restart(env)
                self.starts[cut] = True
                new_inputs, new_latents = self.look(cut)
                inputs[cut], latents[cut] = new_inputs, new_latents
                logits, values, memory = self._act(latents, self.starts, self.memory)
        rollout = Rollout(
            memory=start_memory,
            **{name: torch.stack(column) for name, column in columns.items() if column},
        )
        metrics = {f"fresh_episode/{name}": np.mean(v) for name, v in ended.items() if v}
        metrics["novelty/bonus"] = float(np.mean(bonuses or [0.0]))
        return rollout, metrics

    def _act(self, latents, starts, memory):
        logits, values, memory = self.policy(latents[None], starts[None], memory)
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
        advantages = (advantages - chosen.mean()) / (chosen.std() + 1e-8)

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
        logits, values, _ = self.policy(latents, rollout.starts[:, rows], rollout.memory[rows])
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
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` returned."""
        self.policy.load_state_dict(state["policy"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.novelty.load_state_dict(state["novelty"])
        self.envs.load_state_dict(state["envs"])
        self.memory = state["memory"].to(self.device)
        self.starts = state["starts"].to(self.device)
        torch.set_rng_state(state["torch_rng"].cpu())


def make_agent(args: Args, game: Game) -> Agent:
    """Load the artefacts and put the parts together. Raises ValueError for what does not fit."""
    torch.manual_seed(args.seed)
    device = pick_device(args.device)
    default = Path("reward_memory.pkl" if args.reward == "memory" else "reward_resnet34.pkl")
    progress = load_progress(args.reward, args.reward_model or default, args.num_envs, device)
    if args.pretrained_encoder:
        encoder = load_encoder(args.pretrained_encoder, device)
    else:
        encoder = Encoder(TokenizerConfig())
    trains_encoder = args.finetune_encoder or not args.pretrained_encoder
    policy = ActorCritic(ActorCriticConfig(hidden=args.hidden, gru=args.gru), encoder).to(device)
    policy.encoder.requires_grad_(trains_encoder).to(memory_format=torch.channels_last)
    trained = [p for p in policy.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=args.lr, eps=1e-5)
    novelty = Novelty(int(np.prod(encoder.latent_shape)), seed=args.seed).to(device)
    envs = CurriculumEnvs(args, game, progress, np.random.default_rng(args.seed))
    return Agent(args, policy, optimizer, novelty, envs, device, trains_encoder)


def check(args: Args) -> None:
    """Raise ValueError for settings that can not work."""
    if not 0 < args.return_filter <= 1:
        raise ValueError(f"expected --return-filter in (0, 1], got {args.return_filter}")
    if not 1 <= args.minibatches <= args.num_envs:
        raise ValueError(
            f"expected --minibatches from 1 to --num-envs ({args.num_envs}), got {args.minibatches}"
        )
    for name in ("num_envs", "num_steps", "reward_interval", "episode_steps", "iterations"):
        if getattr(args, name) < 1:
            raise ValueError(f"expected --{name.replace('_', '-')} of 1 or more, got 0 or less")


#: Flags that may change between a run and its continuation.
FREE_FLAGS = ("iterations", "time_limit_minutes", "save_every", "fresh", "device", "out")


def settings(args: Args) -> dict:
    """Return the flags that a continued run must share, as plain JSON values."""
    fixed = {k: v for k, v in asdict(args).items() if k not in FREE_FLAGS}
    return json.loads(json.dumps(fixed, default=str))


def resume(args: Args, agent: Agent, path: Path) -> int:
    """Load the training state, if there is one, and return the iterations it has done."""
    if args.fresh or not path.exists():
        return 0
    checkpoint = load_checkpoint(path, STATE_KIND)
    changed = [k for k, v in settings(args).items() if checkpoint["config"].get(k) != v]
    if changed:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in changed)
        raise ValueError(
            f"{path} was trained with other settings ({flags}): use the same ones to go on, "
            "--fresh to start over, or another --out"
        )
    agent.load_state_dict(checkpoint["state_dict"])
    return checkpoint["iteration"]


def keep_rows(path: Path, iteration: int) -> None:
    """Drop rows of metrics.jsonl that lie after `iteration`: the resumed run writes them again."""
    rows = path.read_text().splitlines() if path.exists() else []
    kept = [row for row in rows if json.loads(row)["iteration"] <= iteration]
    path.write_text("".join(row + "\n" for row in kept))


def main(args: Args) -> dict:
    """Train, saving as it goes; returns the last row of metrics."""
    check(args)
    game = find_game(args.rom)
    print(f"playing {game.name} ({game.path}), reward: {args.reward}")
    args.out.mkdir(parents=True, exist_ok=True)
    agent = make_agent(args, game)
    state_path, metrics_path = args.out / "training_state.pkl", args.out / "metrics.jsonl"
    done = resume(args, agent, state_path)
    if done:
        print(f"going on from iteration {done} ({state_path})")
    keep_rows(metrics_path, done)

    def save(iteration: int) -> None:
        state = agent.state_dict()
        save_checkpoint(state_path, STATE_KIND, settings(args), state, iteration=iteration)

    def save_as(name: str, iteration: int) -> None:
        extra = {"game": game.name, "rom_sha1": game.sha1, "iteration": iteration}
        extra |= {"frame_skip": args.frame_skip, "hold_frames": args.hold_frames}
        save_policy(args.out / name, agent.policy, **extra)

    writer = SummaryWriter(str(args.out / "tensorboard"), purge_step=done)
    recent = {"milestones": deque(maxlen=50), "gain": deque(maxlen=50)}
    row: dict[str, float] = {"iteration": done}
    started, batch = time.monotonic(), args.num_envs * args.num_steps
    progress_bar = tqdm(range(done + 1, args.iterations + 1), initial=done, total=args.iterations)
    iteration = done
    try:
        for iteration in progress_bar:
            began = time.monotonic()
            rollout, row = agent.rollout()
            row |= agent.update(rollout)
            row |= {
                "iteration": iteration,
                "env_steps": iteration * batch,
                "env_steps_per_second": batch / (time.monotonic() - began),
                "archive/entries": len(agent.envs.archive),
                "archive/frontier": agent.envs.archive.frontier,
                "archive/rejected": agent.envs.rejected,
            }
            with metrics_path.open("a") as file:
                file.write(json.dumps({k: round(float(v), 6) for k, v in row.items()}) + "\n")
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
            out_of_time = args.time_limit_minutes is not None and (
                time.monotonic() - started > 60 * args.time_limit_minutes
            )
            if iteration % args.save_every == 0 or out_of_time:
                save(iteration)
                save_as(f"policy_{iteration:06d}.pkl", iteration)
            if out_of_time:
                break
    except KeyboardInterrupt:
        print(f"\nstopped after iteration {iteration}; the last save is in {state_path}")
        raise
    finally:
        writer.close()
    save(iteration)
    save_as("policy_final.pkl", iteration)
    print(f"wrote {args.out / 'policy_final.pkl'} after {iteration} iterations")
    return row


if __name__ == "__main__":
    run_script(main, Args)
