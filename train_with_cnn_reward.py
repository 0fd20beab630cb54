"""Train a policy by PPO on learned progress, in N emulators at once.

With the artefacts of the two pretraining scripts in place:

    uv run python train_with_cnn_reward.py --reward-model reward_resnet34.pkl \\
        --pretrained-encoder pretrained_encoder.pkl --return-filter 0.8 --iterations 50000

A run on a CPU that is paid for its place on the path through the recorded runs:

    uv run python train_with_cnn_reward.py --reward path --reward-interval 1 \\
        --pretrained-encoder pretrained_encoder.pkl --iterations 300

With a path (reward_path.pkl beside the reward model) the policy is shown what the runs show next,
and learns from its own play, by hindsight, which button leads there.
Ctrl-C, or SIGTERM, finishes the iteration and saves; the same command goes on where it stopped.
"""

import quiet_threads  # noqa: F401

import copy
import hashlib
import json
import math
import re
import time
from collections import defaultdict, deque
from collections.abc import Generator, Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import torch.nn.functional as F

import ranks
from cli import Count, NotNegative, Positive, Range, Seed, Share, Width, run_script
from curriculum import CurriculumConfig, CurriculumEnvs, battery_file
from files import append_line, write_whole, writes_alone
from games.actions import BUTTONS
from games.game import Game, find_game
from models.actor_critic import ActorCritic, ActorCriticConfig, GoalLatents, Outlook, save_policy
from models.blocks import FRAME_SHAPE, pooled_grey
from models.checkpoint import (
    FOREIGN,
    artefact_kind,
    fitting,
    load_checkpoint,
    refuse_to_replace,
    save_checkpoint,
)
from models.frame_cache import InBatches, fastest
from models.novelty import Novelty
from models.path import GOALS
from models.path import KIND as PATH_KIND
from models.progress import load_progress
from models.tokenizer import Encoder, TokenizerConfig, load_encoder
from provenance import plain, provenance
from report.pictures import Moment, draw_video, encode_gif, log_gif
from training import (
    Clock,
    Precision,
    Sitting,
    diverged,
    event_log,
    forget,
    pick_device,
    uses_bf16,
)

STATE_KIND = "ppo_state"
#: Squares of so many pixels, and how much the mean grey of one changes, in [0, 1], when the screen
#: does. Grass and water move within them, by 0.083 in the bundled games; a turn makes 0.104.
GLANCE, SCREEN_CHANGED = 4, 0.094
#: Squares of a screen.
GLANCES = (FRAME_SHAPE[0] // GLANCE) * (FRAME_SHAPE[1] // GLANCE)
#: Times that a rare action may weigh in hindsight what a sure one does.
HABIT = 10.0


@dataclass
class Args(CurriculumConfig):
    # --- what is played, and what teaches it
    rom: Path | None = None
    """ROM to play; default: the one in roms/, else the bundled game"""
    reward: Literal["score", "path"] = "score"
    """score: one frame by the reward model; path: the place along the recorded runs"""
    reward_model: Path | None = None
    """reward artefact, whose kind decides; default: reward_resnet34.pkl, or reward_path.pkl for
    --reward path"""
    guide: str = "auto"
    """auto: the policy is shown what comes next on the path beside the reward model, if there is
    one; none: it sees latents alone; or the file of a path"""
    pretrained_encoder: Path | None = None
    """encoder artefact; without it the encoder starts random and is trained"""
    finetune_encoder: bool = False
    """train the pretrained encoder on, too (slower); default: frozen"""
    out: Path = Path("checkpoints")
    """directory of policy_*.pkl, training_state.pkl and metrics.jsonl"""
    novelty_coef: NotNegative = 0.005
    """weight of the bonus for screens not seen before, 1/sqrt(visits); 0 turns it off"""

    # --- PPO
    iterations: Count = 50000
    """rollouts, each followed by an update"""
    num_steps: Count = 64
    """steps of a rollout in each environment"""
    return_filter: Annotated[float, Range(0, 1, above=True)] = 0.8
    """share of trajectory segments, best returns first, that the policy loss keeps; 1: all"""
    gamma: Share = 0.99
    """discount factor a step"""
    gae_lambda: Share = 0.95
    """lambda of the generalised advantage estimate"""
    lr: NotNegative = 3e-4
    """peak learning rate of Adam, which falls to 0 over the last part of the training; it may
    change when a training goes on"""
    epochs: Count = 4
    """passes over a rollout"""
    minibatches: Count = 4
    """parts, by environment, of a rollout in a pass"""
    clip_coef: Positive = 0.2
    """clipping range of the probability ratio"""
    entropy_coef: NotNegative = 0.01
    """weight of the entropy bonus"""
    hindsight_coef: NotNegative = 1.0
    """weight of naming the action that led to a frame seen later, when there is a guide"""
    value_coef: NotNegative = 0.5
    """weight of the value loss"""
    max_grad_norm: Positive = 0.5
    """gradient norm at which gradients are clipped"""
    hidden: Width = 256
    """width of the policy's hidden layers"""
    gru: bool = True
    """give the policy a recurrent memory: what was done shows on few screens"""

    # --- running
    seed: Seed = 0
    """seed of weights, actions and curriculum"""
    device: str = "auto"
    """auto, cpu or cuda"""
    precision: Precision = "auto"
    """of the encoder; auto: bf16 on a GPU"""
    fused: bool = True
    """take the optimiser's step in all weights at once"""
    save_every: Count = 50
    """iterations between two saves of the training state and policy_final.pkl"""
    snapshots: Count = 20
    """policies kept along the way as policy_<iteration>.pkl, evenly spaced; those of a training
    that is started over are deleted"""
    fresh: bool = False
    """start over, even when there is a training state to go on from"""
    time_limit_minutes: NotNegative | None = None
    """stop after this much wall time, as if the iterations were done"""


@dataclass
class Rollout:
    """What N environments did in T steps; all (T, N) unless stated."""

    inputs: torch.Tensor
    """latents (T, N, D, 9, 10), or frames (T, N, 144, 160, 3) uint8 while the encoder is trained"""
    latents: torch.Tensor
    """(T, N, D, 9, 10) what was seen, as the encoder had it when it was"""
    starts: torch.Tensor
    """bool: the frame begins an episode"""
    paid: torch.Tensor
    """progress that had been paid for"""
    after: torch.Tensor
    """latents (T, N, D, 9, 10) of the frame that the action led to, before any restart"""
    glances: torch.Tensor
    """(T, N, GLANCES) of what was seen"""
    glances_after: torch.Tensor
    """(T, N, GLANCES) of what the action led to"""
    moved: torch.Tensor
    """bool: the action changed the screen"""
    goals: torch.Tensor
    """(T, N, goals) pictures of the path that the policy was shown; no goals without a guide"""
    place: torch.Tensor
    """place on the path, 0 without a guide"""
    fits: torch.Tensor
    """(T, N, features) how well what was seen fits the goals, shifted; no features without"""
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

    @classmethod
    def together(cls, rollouts: list["Rollout"]) -> "Rollout":
        """Return as one what groups of environments did, in order."""
        if len(rollouts) == 1:
            return rollouts[0]
        by_name = {part.name: [getattr(r, part.name) for r in rollouts] for part in fields(cls)}
        return cls(**{n: torch.cat(p, dim=0 if n == "memory" else 1) for n, p in by_name.items()})


def in_turn(plays: Iterable[Generator]) -> list:
    """Go on with each from where it yields, in turn, until all are done; what they return."""
    returned, going_on = {}, dict(enumerate(plays))
    while going_on:
        for number, play in list(going_on.items()):
            try:
                next(play)
            except StopIteration as done:
                returned[number] = done.value
                del going_on[number]
    return [value for _, value in sorted(returned.items())]


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


def hindsight_steps(boundaries: torch.Tensor, goals: int) -> torch.Tensor:
    """Draw, for every step of boundaries (T, N), later steps of its episode: (T, N, goals) int64.

    What they led to are goals that the step's action was a way to (hindsight experience replay,
    Andrychowicz et al., 2017). The first lies 0 to 2 steps ahead, half of them 0, the others 1 to 4
    further each, since recorded play has a pace of its own.
    """
    T, N = boundaries.shape
    first = torch.tensor([0.5, 0.25, 0.25]).multinomial(T * N, replacement=True)
    further = torch.randint(1, 5, (T * N, goals - 1))
    ahead = torch.cat([first[:, None], further], dim=1).cumsum(dim=1).view(T, N, goals)
    steps = torch.arange(T)[:, None].expand(T, N)
    ends = torch.where(boundaries.cpu(), steps, T - 1).flip(0).cummin(dim=0).values.flip(0)
    return torch.minimum(steps[..., None] + ahead, ends[..., None]).to(boundaries.device)


def glance(frames: torch.Tensor) -> torch.Tensor:
    """Return what says of frames (B, 144, 160, 3) uint8 whether they changed, (B, GLANCES)."""
    return pooled_grey(frames, GLANCE).flatten(1)


def differs(glances: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Say which glances (..., GLANCES) are of another screen than others, (...) bool."""
    return (glances - others).abs().amax(dim=-1) > SCREEN_CHANGED


def without_habit(log_probs: torch.Tensor) -> torch.Tensor:
    """Return weights of actions taken with `log_probs`, as if all had been as likely, up to HABIT.

    Where several actions lead to the same screen, the likeliest would be learned as the way to it
    and grow likelier still; a button that was hardly ever pressed would be no way to anywhere.
    """
    return (-log_probs).exp().clamp(max=HABIT)


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
    encode_in_batches: InBatches
    """frames, by the policy's encoder"""
    goal_latents: GoalLatents | None
    """of the path's pictures; None: no guide"""
    device: torch.device
    trains_encoder: bool
    memory: torch.Tensor = field(init=False)
    starts: torch.Tensor = field(init=False)

    def __post_init__(self):
        self.timer = self.envs.timer
        shape = self.policy.encoder.latent_shape
        self.perceive = fastest(self._perceive, (math.prod(shape) + GLANCES,), self.device)
        self.memory = self.policy.initial_memory(self.args.num_envs)
        self.starts = torch.ones(self.args.num_envs, dtype=torch.bool, device=self.device)

    def look(self, rows: np.ndarray | slice = slice(None)) -> tuple[torch.Tensor, ...]:
        """Return what the policy learns from (frames or latents), latents and glances, of `rows`
        or all."""
        frames = self.envs.frames[rows]
        with self.timer("encoder"):
            if self.trains_encoder:
                return frames.clone(), self.policy.encode(frames), glance(frames)
            latents, glances = self.perceive(frames).tensor_split([-GLANCES], dim=1)
            latents = latents.reshape(-1, *self.policy.encoder.latent_shape)
            return latents, latents, glances

    def _perceive(self, frames: torch.Tensor) -> torch.Tensor:
        """Return latents, flat, and glances of frames (B, 144, 160, 3) beside each other."""
        return torch.cat([self.encode_in_batches(frames).flatten(1), glance(frames)], dim=1)

    @torch.no_grad()
    def rollout(self, film: list[Moment] | None = None) -> tuple[Rollout, dict[str, float]]:
        """Play `num_steps` steps in all environments. Returns them, and figures about them.

        What happens in the first environment is added to `film`.
        """
        films = [film, *[None] * (len(self.envs.groups) - 1)]
        played = in_turn(self._play(group, film) for group, film in enumerate(films))
        rollouts, figures = zip(*played, strict=True)
        return Rollout.together(rollouts), mean_figures(figures)

    def _play(
        self, group: int, film: list[Moment] | None
    ) -> Generator[None, None, tuple[Rollout, dict[str, float]]]:
        """Play a group of environments, by its number; yields while its emulators step."""
        args, envs = self.args, self.envs
        columns = defaultdict(list)
        ended: dict[str, list[float]] = {"gain": [], "milestones": []}
        bonuses, earned, sure, followed = [], [], [], []
        numbers, all_seen = envs.groups[group], envs.emulators.slices[group]
        everyone = torch.from_numpy(numbers).to(self.device)
        start_memory = self.memory[everyone]
        inputs, latents, glances = self.look(all_seen)
        logits, values, memory, goals, place, fits = self._act(latents, everyone)
        for _ in range(args.num_steps):
            action_log_probs = torch.log_softmax(logits, dim=-1)
            actions = torch.multinomial(action_log_probs.exp(), 1).squeeze(1)
            columns["latents"].append(latents)
            columns["glances"].append(glances)
            if self.trains_encoder:
                columns["inputs"].append(inputs)
            columns["starts"].append(self.starts[everyone])
            columns["paid"].append(self._paid(everyone))
            columns["goals"].append(goals)
            columns["place"].append(place)
            columns["fits"].append(fits)
            columns["actions"].append(actions)
            columns["log_probs"].append(action_log_probs.gather(1, actions[:, None]).squeeze(1))
            columns["values"].append(values)
            if film is not None:
                film.append(self._moment(actions, goals, place))

            envs.press(group, actions.cpu().numpy())
            yield
            reward, terminated, truncated = envs.outcome(group)
            sure.append(envs.sure[numbers].mean())
            followed.append(args.follow_reward * envs.followed[numbers].mean())
            earned.append(reward.mean() + args.time_penalty - followed[-1])
            reward = torch.from_numpy(reward).to(self.device)
            self.memory[everyone], self.starts[everyone] = memory, False
            inputs, latents, glances = self.look(all_seen)
            if args.novelty_coef:
                sights = self.novelty_encoder(inputs) if self.novelty_encoder else latents
                bonus = self.novelty(sights)
                bonuses.append(bonus.mean())
                reward = reward + args.novelty_coef * bonus
            logits, values, memory, goals, place, fits = self._act(latents, everyone)
            boundary = terminated | truncated
            columns["after"].append(latents)
            columns["glances_after"].append(glances)
            columns["moved"].append(differs(glances, columns["glances"][-1]))
            columns["rewards"].append(reward)
            columns["next_values"].append(values * torch.from_numpy(~terminated).to(self.device))
            columns["boundaries"].append(torch.from_numpy(boundary).to(self.device))
            if boundary.any():
                cut = numbers[boundary]
                rows = torch.from_numpy(np.flatnonzero(boundary)).to(self.device)
                fresh = cut[envs.is_fresh[cut]]
                ended["milestones"] += envs.reached[fresh].sum(axis=1).tolist()
                ended["gain"] += (envs.score[fresh] - envs.beginning.progress).tolist()
                with self.timer("archive"):
                    envs.restart(cut)
                self.starts[cut] = True
                new_inputs, new_latents, new_glances = self.look(cut)
                inputs, latents, values = inputs.clone(), latents.clone(), values.clone()
                inputs[rows], latents[rows] = new_inputs, new_latents
                glances = glances.index_copy(0, rows, new_glances)
                anew = self._act(new_latents, torch.from_numpy(cut).to(self.device))
                old = (logits, values, memory, goals, place, fits)
                for kept, new in zip(old, anew, strict=True):
                    kept[rows] = new
        stacked = {name: torch.stack(column) for name, column in columns.items()}
        rollout = Rollout(memory=start_memory, **{"inputs": stacked["latents"]} | stacked)
        metrics = {f"fresh_episode/{name}": np.mean(v) for name, v in ended.items() if v}
        metrics["rollout/sure_share"] = float(np.mean(sure))
        bonus = float(torch.stack(bonuses).mean()) if bonuses else 0.0
        metrics["novelty/bonus"] = bonus
        metrics["return/progress"] = float(np.sum(earned))
        metrics["return/following"] = float(np.sum(followed))
        metrics["return/novelty"] = args.novelty_coef * bonus * args.num_steps
        metrics["return/time"] = -args.time_penalty * args.num_steps
        return rollout, metrics

    def _moment(self, actions: torch.Tensor, goals: torch.Tensor, place: torch.Tensor) -> Moment:
        """Return what the first environment shows and does now."""
        goal = None
        if self.goal_latents:
            goal = self.envs.progress.follower.path.pictures[int(goals[0, 0])][..., 0]
        return Moment(self.envs.obs[0, ..., 0].copy(), int(actions[0]), goal, float(place[0]))

    def _paid(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the progress that has been paid for, (B,)."""
        return torch.from_numpy(self.envs.paid_score[rows.cpu().numpy()]).to(self.device)

    def _act(self, latents: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Look ahead from what environments `rows` (B,) show now, latents (B, D, 9, 10).

        Returns logits (B, actions), values (B,), memory, goals (B, goals), place (B,), fits.
        """
        goals = torch.zeros(len(rows), 0, dtype=torch.int64, device=self.device)
        fits, outlook = torch.zeros(len(rows), 0, device=self.device), None
        place = torch.zeros(len(rows), device=self.device)
        if self.goal_latents:
            follower = self.envs.progress.follower
            goals, place = follower.goals[rows], follower.progress(rows)
            with self.timer("encoder"):
                pictures = self.goal_latents(goals)
            with self.timer("policy"):
                outlook = Outlook.of(latents[None], pictures[None], place[None])
                fits = outlook.fits[0]
        starts, paid = self.starts[None, rows], self._paid(rows)[None]
        with self.timer("policy"):
            logits, values, memory = self.policy(
                latents[None], starts, self.memory[rows], paid, outlook
            )
        return logits[0], values[0], memory, goals, place, fits

    def update(self, rollout: Rollout, lr: float) -> dict[str, float]:
        """Improve policy and value on a rollout by clipped PPO. Returns mean losses and figures."""
        args = self.args
        for group in self.optimizer.param_groups:
            group["lr"] = lr
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
        centre = ranks.mean(chosen.mean())
        spread = ranks.mean((chosen - centre).square().mean()).sqrt()
        advantages = (advantages - centre) / (spread + 1e-8)

        sums: dict[str, torch.Tensor] = {}  # on the device: to ask for them is to wait for it
        counts: dict[str, int] = {}
        outlook, ahead, leads = self._outlooks(rollout)
        for _ in range(args.epochs):
            order = torch.randperm(args.num_envs, device=self.device)
            for rows in order.tensor_split(args.minibatches):
                logits, values, logits_ahead = self._see(rollout, rows, outlook, ahead)
                loss, metrics = self._loss(logits, values, rollout, rows, advantages, returns, kept)
                if ahead:
                    loss_ahead, metrics_ahead = self._hindsight_loss(
                        logits_ahead, rollout, leads, rows
                    )
                    loss, metrics = loss + args.hindsight_coef * loss_ahead, metrics | metrics_ahead
                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()
                ranks.average_gradients(self.policy.parameters())
                norm = torch.nn.utils.clip_grad_norm_(self.policy.parameters(), args.max_grad_norm)
                self.optimizer.step()
                for name, value in (metrics | {"losses/grad_norm": norm}).items():
                    sums[name] = sums.get(name, 0.0) + value
                    counts[name] = counts.get(name, 0) + 1
        if self.goal_latents and self.trains_encoder:
            self.goal_latents.forget()
        variance = returns.var()
        explained = 1 - (returns - rollout.values).var() / variance if variance > 0 else 0.0
        shares = torch.bincount(rollout.actions.flatten(), minlength=len(BUTTONS)) / (
            rollout.actions.numel()
        )
        return {name: float(total) / counts[name] for name, total in sums.items()} | {
            "losses/explained_variance": float(explained),
            "return_filter/kept_share": kept.float().mean().item(),
            "return_filter/cutoff": cutoff,
            "rollout/return": rollout.rewards.sum(dim=0).mean().item(),
            **{f"action/{name}": float(shares[i]) for i, name in enumerate(BUTTONS)},
        }

    def _outlooks(
        self, rollout: Rollout
    ) -> tuple[Outlook | None, Outlook | None, torch.Tensor | None]:
        """Return what the policy was shown in a rollout, and where its actions led instead.

        And whether they led there, (T, N) bool: an action that changed the screen, to one that is
        not on the screen already. Else to open and close a menu would be the way to where one is.
        """
        if not self.goal_latents:
            return None, None, None
        goals = self.goal_latents.table[rollout.goals]
        outlook, ahead, leads = Outlook(goals, rollout.place, rollout.fits), None, None
        if self.args.hindsight_coef:
            later = hindsight_steps(rollout.boundaries, len(GOALS))
            envs = torch.arange(later.shape[1], device=self.device)
            seen_later = rollout.after[later, envs[:, None]]
            ahead = Outlook.of(rollout.latents, seen_later, rollout.place)
            led_to = rollout.glances_after[later[..., 0], envs]
            leads = rollout.moved & differs(led_to, rollout.glances)
        return outlook, ahead, leads

    def _see(
        self, rollout: Rollout, rows: torch.Tensor, outlook: Outlook | None, ahead: Outlook | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return logits and values of the environments `rows` (B,), and logits shown `ahead`.

        All time first; the last of no environments without `ahead`. One pass for both, since a
        recurrent network takes hardly longer for twice the environments.
        """
        inputs = rollout.inputs[:, rows]
        latents = self.policy.encode(inputs) if self.trains_encoder else inputs
        looks = [look.of_envs(rows) for look in (outlook, ahead) if look]
        times = len(looks) or 1
        starts, paid = rollout.starts[:, rows], rollout.paid[:, rows]
        latents, starts, paid = (
            torch.cat([part] * times, dim=1) for part in (latents, starts, paid)
        )
        memory = rollout.memory[rows].repeat(times, 1)
        logits, values, _ = self.policy(latents, starts, memory, paid, Outlook.together(looks))
        return logits[:, : len(rows)], values[:, : len(rows)], logits[:, len(rows) :]

    def _loss(self, logits, values, rollout, rows, advantages, returns, kept):
        """Return the PPO loss on the environments `rows`, and its parts."""
        args = self.args
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

    def _hindsight_loss(self, logits, rollout, leads, rows):
        """Return how badly the policy names the actions of `rows` (B,), shown where they led.

        logits: (T, B, num_actions), given outcomes of later steps as goals. The same network that
        follows the path learns to reach what it is shown, as in goal-conditioned supervised
        learning (Ghosh et al., 2021), from the steps that led there, `leads` (T, N) bool. Smoothed
        labels leave it able to explore.
        """
        actions, led = rollout.actions[:, rows], leads[:, rows]
        loss = F.cross_entropy(
            logits.flatten(0, 1), actions.flatten(), reduction="none", label_smoothing=0.1
        ).view_as(actions)
        named = (logits.argmax(dim=-1) == actions).float()
        weight = led * without_habit(rollout.log_probs[:, rows])
        loss = (loss * weight).sum() / weight.sum().clamp(min=1)
        return loss, {
            "losses/hindsight": loss.detach(),
            "hindsight/accuracy": (named * led).sum() / led.sum().clamp(min=1),
        }

    @torch.no_grad()
    def is_finite(self) -> bool:
        """Say whether the weights are, and what they make of what is seen now."""
        everyone = torch.arange(self.args.num_envs, device=self.device)
        _, latents, _ = self.look()
        outputs = self._act(latents, everyone)[:3]  # logits, values, memory
        tensors = (*outputs, *self.policy.state_dict().values())
        return all(bool(tensor.isfinite().all()) for tensor in tensors)

    def state_dict(self) -> dict:
        """Return everything that a resumed run needs to go on exactly, of all ranks."""
        novelty = {name: counts.cpu() for name, counts in self.novelty.state_dict().items()}
        own = {
            "novelty": novelty,
            "envs": self.envs.state_dict(),
            "memory": self.memory.cpu(),
            "starts": self.starts.cpu(),
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all(),
        }
        return {
            "policy": self.policy.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ranks": ranks.gather(own),
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` returned."""
        self.policy.load_state_dict(state["policy"])
        self.optimizer.load_state_dict(state["optimizer"])
        own = state["ranks"][ranks.RANK]
        self.novelty.load_state_dict(own["novelty"])
        self.envs.load_state_dict(own["envs"])
        self.memory = own["memory"].to(self.device)
        self.starts = own["starts"].to(self.device)
        torch.set_rng_state(own["torch_rng"])
        if len(own["cuda_rng"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(own["cuda_rng"])


def find_reward(args: Args) -> Path:
    """Return the reward's artefact: as told, or the name that its training script gives it.

    Raises ValueError when it is told to be a path and is not.
    """
    if args.reward_model is None:
        return Path({"score": "reward_resnet34.pkl", "path": "reward_path.pkl"}[args.reward])
    kind = artefact_kind(args.reward_model)
    if args.reward == "path" and kind not in (PATH_KIND, None):
        raise ValueError(
            f"expected a path for --reward path, got a {kind} in {args.reward_model}: leave "
            "--reward out to be paid by that, or pass --reward-model reward_path.pkl"
        )
    return args.reward_model


def is_path(args: Args) -> bool:
    """Say whether the reward is the place on a path."""
    return args.reward == "path" or artefact_kind(find_reward(args)) == PATH_KIND


def find_guide(args: Args) -> Path | None:
    """Return the path that guides the policy: the one told, or the one of or beside the reward."""
    reward = find_reward(args)
    if args.guide == "none":
        return None
    if args.guide == "auto":
        beside = reward if is_path(args) else reward.with_name("reward_path.pkl")
        return beside if beside.is_file() else None
    if is_path(args) and Path(args.guide).resolve() != reward.resolve():
        raise ValueError(
            f"expected --guide auto or none where a path is the reward, got {args.guide}: what is "
            "paid and what is shown must be one path"
        )
    return Path(args.guide)


def make_agent(args: Args, game: Game) -> Agent:
    """Load the artefacts and put the parts together, with this rank's share of the environments.

    Raises ValueError for what does not fit.
    """
    args = replace(args, num_envs=args.num_envs // ranks.count)
    torch.manual_seed(args.seed)
    device = pick_device(args.device)
    guide = find_guide(args)
    progress = load_progress(find_reward(args), is_path(args), guide, args.num_envs, device)
    if args.pretrained_encoder:
        encoder = load_encoder(args.pretrained_encoder, device)
    else:
        encoder = Encoder(TokenizerConfig())
    trains_encoder = args.finetune_encoder or not args.pretrained_encoder
    goals = len(GOALS) if guide else 0
    config = ActorCriticConfig(hidden=args.hidden, gru=args.gru, goals=goals)
    policy = ActorCritic(config, encoder, uses_bf16(device, args.precision)).to(device)
    policy.encoder.requires_grad_(trains_encoder)
    seen_at_once = args.num_envs // 2 if args.alternate else args.num_envs
    encode, goal_latents = InBatches(policy.encode, seen_at_once), None
    if guide:
        pictures = progress.follower.path.pictures
        goal_latents = GoalLatents(pictures, encode, encoder.latent_shape, device)
    trained = [p for p in policy.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=args.lr, eps=1e-5, fused=args.fused)
    novelty = Novelty(math.prod(encoder.latent_shape), seed=args.seed).to(device)
    novelty_encoder = None
    if trains_encoder and args.novelty_coef:
        novelty_encoder = copy.deepcopy(policy.encoder).requires_grad_(False)
    if ranks.RANK:  # weights are the same, what is drawn from now on is not
        torch.manual_seed(args.seed + ranks.RANK * 2**32)
    envs = CurriculumEnvs(args, game, progress, np.random.default_rng([args.seed, ranks.RANK]))
    return Agent(
        args,
        policy,
        optimizer,
        novelty,
        novelty_encoder,
        envs,
        encode,
        goal_latents,
        device,
        trains_encoder,
    )


def check(args: Args) -> None:
    """Raise ValueError for flags that do not go together."""
    if args.num_steps % args.reward_interval and args.return_filter < 1:
        raise ValueError(
            f"expected --num-steps to be a multiple of --reward-interval ({args.reward_interval}), "
            f"or the return filter would judge segments by a part of them, got {args.num_steps}"
        )
    if args.follow_reward and not find_guide(args):
        raise ValueError(
            f"expected a guide for --follow-reward {args.follow_reward}, got none: pass --guide, "
            "or leave it out"
        )
    ranks.check_divides("--num-envs", args.num_envs)
    if args.alternate and args.num_envs // ranks.count % 2:
        raise ValueError(
            f"expected --num-envs to be even in each process for --alternate, got {args.num_envs}"
        )
    if args.minibatches > args.num_envs // ranks.count:
        each = f" in each of {ranks.count} processes" if ranks.count > 1 else ""
        raise ValueError(
            f"expected --minibatches up to --num-envs ({args.num_envs // ranks.count}{each}), got "
            f"{args.minibatches}"
        )


#: Flags that may change between a run and its continuation.
FREE_FLAGS = (
    "iterations", "time_limit_minutes", "lr", "save_every", "snapshots", "fresh", "device",
    "pin_memory", "out"
)  # fmt: skip


def settings(args: Args, game: Game) -> dict:
    """Return what a continued run must share: flags, and files by content, not by path."""
    fixed = {name: value for name, value in asdict(args).items() if name not in FREE_FLAGS}
    fixed["rom"], fixed["reward_model"] = game.sha1, find_reward(args)
    fixed["ranks"] = ranks.count
    fixed["guide"] = find_guide(args)
    fixed["battery_save"] = battery_file(args.battery_save, game, args.start_state)
    for name, value in fixed.items():
        if isinstance(value, Path):
            fixed[name] = hashlib.sha256(value.read_bytes()).hexdigest()
    return fixed


def resume(agent: Agent, path: Path, fixed: dict) -> tuple[int, float]:
    """Load the training state, if there is one; return (iterations done, seconds spent)."""
    checkpoint = ranks.from_first(
        lambda: load_checkpoint(path, STATE_KIND) if path.exists() else None
    )
    if checkpoint is None:
        return 0, 0.0
    with fitting(path, STATE_KIND):
        was = dict(checkpoint["config"])
        iteration, seconds = int(checkpoint["iteration"]), float(checkpoint["seconds"])
        processes = int(was["ranks"])
    if processes != ranks.count:
        raise ValueError(
            f"{path} was trained by {processes} processes, got {ranks.count}: start as many "
            f"(torchrun --nproc-per-node {processes}), or pass --fresh or another --out"
        )
    if changed := [name for name, value in fixed.items() if was.get(name) != value]:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in changed)
        raise ValueError(
            f"{path} was trained with other settings or files ({flags}): use the same ones to go "
            "on, --fresh to start over, or another --out"
        )
    with fitting(path, STATE_KIND):
        agent.load_state_dict(checkpoint["state_dict"])
    return iteration, seconds


def keep_rows(path: Path, iteration: int) -> None:
    """Drop rows of metrics.jsonl after `iteration`, which the resumed run writes again.

    Raises ValueError for a row that is not of this script, unless a crash has cut it off.
    """
    kept = []
    rows = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    for number, row in enumerate(rows, start=1):
        try:
            if int(json.loads(row)["iteration"]) <= iteration:
                kept.append(row)
        except FOREIGN as error:
            if number < len(rows) or row.endswith(b"\n"):
                raise ValueError(
                    f"expected figures of an iteration in {path}, line {number}, got "
                    f"{row[:40]!r}: move the file away, or pass another --out"
                ) from error
    if len(kept) < len(rows):
        print(f"{path}: {len(rows) - len(kept)} rows of iterations that were not saved are dropped")
        write_whole(path, b"".join(kept))


def drop_policies(out: Path, iteration: int) -> None:
    """Delete policies kept after `iteration`: of what was not saved, or of another training."""
    kept = {path: re.fullmatch(r"policy_(\d{6,})", path.stem) for path in out.glob("policy_*.pkl")}
    dropped = [path for path, number in kept.items() if number and int(number[1]) > iteration]
    for path in dropped:
        path.unlink()
    if dropped:
        print(f"{out}: {len(dropped)} policies of iterations that were not saved are dropped")


def keep_path(guide: Path | None, out: Path) -> dict | None:
    """Put a copy of the guide beside the policies, which need it to play.

    Returns its name and sha256, which travel in every policy; None without a guide.
    """
    if guide is None:
        return None
    content = guide.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    kept = out / f"path_{digest[:8]}.pkl"
    if not kept.is_file() or kept.read_bytes() != content:
        write_whole(kept, content)
    return {"file": kept.name, "sha256": digest}


def state_paths(args: Args) -> list[Path]:
    """Return what a continued training goes on from."""
    return [args.out / "training_state.pkl"]


def products(args: Args) -> list[Path]:
    """Return the files that others read."""
    return [args.out / "policy_final.pkl", *args.out.glob("path_*.pkl")]


def mean_figures(rows: list[dict[str, float]]) -> dict[str, float]:
    """Return the means of figures that some or all ranks have."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in names}


@ranks.joined()
@writes_alone(lambda args: args.out)
def main(args: Args) -> dict:
    """Train, saving as it goes; returns the last row of metrics."""
    check(args)
    refuse_to_replace([args.out / "policy_final.pkl"])
    game = find_game(args.rom)
    agent = make_agent(args, game)
    reward, guide = find_reward(args), find_guide(args) or "none (the policy sees latents alone)"
    paid_by_path = is_path(args)
    print(f"playing {game.name} ({game.path}), reward: {reward}, guide: {guide}")
    for note in game.notes:
        print(f"note: {note}")
    start = agent.envs.start
    if start.battery:
        print(f"episodes begin with the battery save {start.source} (--battery-save none: without)")
    if args.start_movie or args.start_state:
        print(f"episodes begin at {agent.envs.beginning.progress:.0%} of the recorded runs")
    fixed = settings(args, game)
    args.out.mkdir(parents=True, exist_ok=True)
    (state_path,), metrics_path = state_paths(args), args.out / "metrics.jsonl"
    done, seconds = (0, 0.0) if args.fresh else resume(agent, state_path, fixed)
    if done:
        print(f"going on from iteration {done} ({state_path})")
    kept_path = None
    if ranks.is_first:
        keep_rows(metrics_path, done)
        kept_path = keep_path(find_guide(args), args.out)
        drop_policies(args.out, done)
    if args.fresh:  # now that nothing was refused
        forget([state_path])

    class Iterations(Sitting):
        def is_due(self) -> bool:
            return self.step % args.save_every == 0

        def write(self) -> None:
            parts = agent.state_dict()
            if ranks.is_first:
                done = {"iteration": self.step, "seconds": self.clock.seconds}
                save_checkpoint(state_path, STATE_KIND, fixed, parts, **done)
            self.save_as("policy_final.pkl")

        def save_as(self, name: str) -> None:
            extra = {"game": game.name, "rom_sha1": game.sha1, "iteration": self.step}
            extra |= {"frame_skip": args.frame_skip, "hold_frames": args.hold_frames}
            extra |= {"guide": kept_path, "is_paid_by_path": paid_by_path}
            extra |= {"visits": sum(ranks.gather(agent.envs.visits)).tolist()}
            flags = {flag: value for flag, value in plain(args).items() if flag != "out"}
            extra |= {"settings": flags, "provenance": provenance(agent.device)}
            extra |= start.to_policy()
            if ranks.is_first:
                save_policy(args.out / name, agent.policy, **extra)

    recent = {"milestones": deque(maxlen=50), "gain": deque(maxlen=50)}
    row: dict[str, float] = {"iteration": done}
    batch = args.num_envs * args.num_steps
    snapshot_every = math.ceil(args.iterations / args.snapshots)
    limit = args.time_limit_minutes
    sitting = Iterations(
        "iteration",
        args.iterations,
        args.lr,
        done=done,
        clock=Clock(seconds),
        limit_seconds=None if limit is None else 60 * limit,
        updates=args.epochs * args.minibatches,
    )
    writing = event_log(args.out / "tensorboard", purge_step=done + 1)
    with writing as writer, sitting:
        for iteration in sitting:
            agent.timer.restart()
            is_snapshot = iteration % snapshot_every == 0
            film = [] if is_snapshot and ranks.is_first else None
            rollout, row = agent.rollout(film)
            with agent.timer("update"):
                row |= agent.update(rollout, sitting.lr)
            agent.envs.share_archive()
            row |= {
                "archive/entries": len(agent.envs.archive),
                "archive/frontier": agent.envs.archive.frontier,
                "archive/rejected": agent.envs.rejected,
            }
            row = mean_figures(ranks.gather(row))
            is_bad = not (agent.is_finite() and np.isfinite(list(row.values())).all())
            if any(ranks.gather(is_bad)):
                raise diverged("iteration", iteration, state_path, sitting.saved)
            row |= agent.timer.shares()
            row |= {
                "iteration": iteration,
                "env_steps": iteration * batch,
                "env_steps_per_second": batch / (time.perf_counter() - agent.timer.began),
            }
            row = {name: round(float(value), 6) for name, value in row.items()}
            if ranks.is_first:
                append_line(metrics_path, json.dumps(row))
            for name, value in row.items():
                writer.add_scalar(name, value, iteration)
            if agent.goal_latents:
                bins = np.linspace(0, 1, 51)
                writer.add_histogram("rollout/places", rollout.place, iteration, bins)
            if film:
                log_gif(writer, "rollout/first", encode_gif(draw_video(film)), iteration)
            for name, values in recent.items():
                if f"fresh_episode/{name}" in row:
                    values.append(row[f"fresh_episode/{name}"])
            sitting.bar.set_postfix(
                frontier=f"{row['archive/frontier']:.2f}",
                milestones=f"{np.mean(recent['milestones'] or [0]):.1f}",
                entropy=f"{row['policy/entropy_share']:.2f}",
                refresh=False,
            )
            if is_snapshot:
                sitting.save_as(f"policy_{iteration:06d}.pkl")
    print(f"wrote {args.out / 'policy_final.pkl'} after {sitting.step} iterations")
    return row


if __name__ == "__main__":
    run_script(main, Args)
